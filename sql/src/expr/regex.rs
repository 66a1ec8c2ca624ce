//! `~` and `~*`: POSIX regular expressions, by the `regex` crate.
//!
//! What both write alike means the same; what only PostgreSQL has (back references, look-ahead, `\m`, `\M`, `\y`) is
//! refused as an invalid pattern. A pattern is compiled once for the rows that follow each other on a thread.

use std::cell::RefCell;

use regex::{Regex, RegexBuilder};

use crate::error::{SqlError, SqlState};

/// Most bytes of a compiled pattern.
const COMPILED_MAX_BYTES: usize = 1 << 20;

thread_local! {
    /// The last pattern of this thread.
    static LAST: RefCell<Option<(String, bool, Regex)>> = const { RefCell::new(None) };
}

/// Whether the pattern is found in the text.
///
/// # Errors
/// 2201B for what is no pattern, or one that is too large.
pub fn is_match(text: &str, pattern: &str, case_insensitive: bool) -> Result<bool, SqlError> {
    LAST.with_borrow_mut(|last| {
        if let Some((known, insensitive, compiled)) = last
            && known == pattern
            && *insensitive == case_insensitive
        {
            return Ok(compiled.is_match(text));
        }
        let compiled = compile(pattern, case_insensitive)?;
        let found = compiled.is_match(text);
        *last = Some((pattern.to_owned(), case_insensitive, compiled));
        Ok(found)
    })
}

fn compile(pattern: &str, case_insensitive: bool) -> Result<Regex, SqlError> {
    let mut builder = RegexBuilder::new(pattern);
    builder.case_insensitive(case_insensitive).dot_matches_new_line(true).size_limit(COMPILED_MAX_BYTES);
    builder.build().map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        SqlError::new(SqlState::InvalidRegularExpression, format!("invalid regular expression: {reason}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_found_as_in_postgresql() {
        for (text, pattern, found) in [
            ("pg_toast_1", "^pg_toast", true),
            ("public", "^pg_", false),
            ("orders", "^(orders)$", true),
            ("a\nb", "a.b", true),
            ("ab", "a{2}", false),
            ("x1", "[[:digit:]]", true),
        ] {
            assert_eq!(is_match(text, pattern, false), Ok(found), "{text} {pattern}");
        }
        assert_eq!(is_match("ABC", "b", true), Ok(true));
        let wrong = is_match("a", "(", false).unwrap_err();
        assert_eq!(wrong.state, SqlState::InvalidRegularExpression);
    }
}
