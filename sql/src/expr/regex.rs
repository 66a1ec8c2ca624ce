//! `~` and `~*`: POSIX regular expressions, by the `regex` crate.
//!
//! What only one of both has is refused as an invalid pattern, and so is what both have with another meaning
//! ([`differs`]). A pattern is compiled once for the rows that follow each other on a thread.

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
    if let Some(what) = differs(pattern) {
        let message = format!("invalid regular expression: {what} is not supported");
        return Err(SqlError::new(SqlState::InvalidRegularExpression, message));
    }
    let mut builder = RegexBuilder::new(pattern);
    builder.case_insensitive(case_insensitive).dot_matches_new_line(true).size_limit(COMPILED_MAX_BYTES);
    builder.build().map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        SqlError::new(SqlState::InvalidRegularExpression, format!("invalid regular expression: {reason}"))
    })
}

/// What PostgreSQL reads otherwise: `\b`, `\B`, `\<` and `\>`, and brackets that are computed with others.
fn differs(pattern: &str) -> Option<&'static str> {
    let mut in_brackets = false;
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let behind = rest.get(first.len_utf8()..).unwrap_or_default();
        let second = behind.chars().next();
        let mut taken = first.len_utf8();
        match (first, second) {
            ('\\', Some('b' | 'B' | '<' | '>')) => return Some("\\b, \\B, \\< or \\>"),
            ('\\', Some(second)) => taken += second.len_utf8(),
            ('[', Some(':')) if in_brackets => taken = rest.find(":]").map_or(rest.len(), |end| end + 2),
            ('[', _) if in_brackets => return Some("a bracket within brackets"),
            ('&', Some('&')) | ('-', Some('-')) | ('~', Some('~')) if in_brackets => {
                return Some("&&, -- or ~~ within brackets");
            }
            ('[', _) => {
                in_brackets = true;
                // A bracket that comes first is one of the characters.
                taken += usize::from(behind.starts_with('^'));
                taken += usize::from(rest.get(taken..).is_some_and(|rest| rest.starts_with(']')));
            }
            (']', _) => in_brackets = false,
            _ => {}
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    None
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
        for fits in ["[]a]b", "[^]a]", "[[:alpha:]_-]", "a\\.b", "\\[a--b\\]", "a&&b", "[a]--[b]"] {
            assert!(is_match("x", fits, false).is_ok(), "{fits}");
        }
        for pattern in
            ["(", "\\bb", "a\\B", "\\<a", "a\\>", "[a&&b]", "[a--c]", "[a~~b]", "[a[b]]", "[]a&&b]"]
        {
            let wrong = is_match("a", pattern, false).unwrap_err();
            assert_eq!(wrong.state, SqlState::InvalidRegularExpression, "{pattern}");
        }
    }
}
