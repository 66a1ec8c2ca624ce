//! How much memory reading a text takes, told before anything of it is read: a text of data is as large as it is, one of
//! many short tokens takes tens of times that.

use crate::error::{SqlError, SqlState};
use crate::limits::TOKENS_MAX;

/// Bytes that a token takes, with what the grammar, binding and planning make of it: VALUES and SELECT lists of short
/// numbers took 490 to 670.
const TOKEN_BYTES: usize = 768;

/// Bytes that reading a text takes, at most.
pub fn memory_estimate(text: &str) -> usize {
    // What is quoted is copied from tree to tree.
    text.len().saturating_mul(2).saturating_add(count(text).saturating_mul(TOKEN_BYTES))
}

/// Refuses texts with too many tokens.
///
/// # Errors
/// 54000.
pub fn check_tokens(text: &str) -> Result<(), SqlError> {
    if text.len() <= TOKENS_MAX || count(text) <= TOKENS_MAX {
        return Ok(());
    }
    Err(SqlError::new(
        SqlState::ProgramLimitExceeded,
        format!("statement has more than {TOKENS_MAX} words and signs"),
    )
    .with_hint("Use COPY to load many rows, parameters for values, or several statements."))
}

/// Tokens of a text, white space and comments apart; never fewer than there are.
fn count(text: &str) -> usize {
    let mut rest = text.as_bytes();
    let mut tokens = 0;
    let mut previous = 0;
    while let Some((&byte, behind)) = rest.split_first() {
        let length = match byte {
            b'-' if behind.first() == Some(&b'-') => line_comment(rest),
            b'/' if behind.first() == Some(&b'*') => block_comment(rest),
            b'\'' => quoted(rest, matches!(previous, b'e' | b'E')),
            b'"' => quoted(rest, false),
            b'$' if !is_word(previous) => dollar_quoted(rest),
            byte if is_word(byte) => rest.iter().take_while(|byte| is_word(**byte)).count(),
            _ => 1,
        };
        let (token, remaining) = rest.split_at(length.clamp(1, rest.len()));
        let is_comment = matches!(token, [b'-', b'-', ..] | [b'/', b'*', ..]);
        tokens += usize::from(!is_comment && !byte.is_ascii_whitespace());
        previous = token.last().copied().unwrap_or_default();
        rest = remaining;
    }
    tokens
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn line_comment(text: &[u8]) -> usize {
    text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len())
}

/// A comment in slashes and stars, which nest.
fn block_comment(text: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(pair) = text.get(at..at + 2) {
        match pair {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth <= 1 => return at + 2,
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    text.len()
}

/// A literal or a name up to its own quote; a doubled quote begins another one, which counts for more, never for less.
fn quoted(text: &[u8], has_escapes: bool) -> usize {
    let quote = text.first().copied();
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' if has_escapes => at += 2,
            byte if Some(*byte) == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// `$tag$ … $tag$`; the sign alone where it begins a parameter or nothing.
fn dollar_quoted(text: &[u8]) -> usize {
    let tag = text.iter().skip(1).take_while(|byte| is_word(**byte)).count() + 1;
    let starts_with_digit = text.get(1).is_some_and(u8::is_ascii_digit);
    let Some(opening) = text.get(..=tag).filter(|opening| opening.ends_with(b"$") && !starts_with_digit)
    else {
        return 1;
    };
    let body = text.get(opening.len()..).unwrap_or_default();
    let closing = body.windows(opening.len()).position(|window| window == opening);
    closing.map_or(text.len(), |closing| closing + 2 * opening.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_counts_tokens() {
        for (text, tokens) in [
            ("", 0),
            (" \n\t", 0),
            ("SELECT 1", 2),
            ("VALUES (1,2), (3, 'x y, z')", 12),
            ("SELECT a.b, \"c d\" FROM t -- one, 'two\nWHERE a = 1", 12),
            ("/* a /* b */ ' */ SELECT 1", 2),
            (r"SELECT E'a\'b, c', 'd\', 1", 7),
            ("SELECT $$a, b, c$$, $x$ $$ , $x$, $1, é", 9),
            ("SELECT 'it''s'", 3),
            ("SELECT 'no end, 1, 2", 2),
        ] {
            assert_eq!(count(text), tokens, "{text}");
        }
    }

    #[test]
    fn size_of_data_is_that_of_the_data() {
        let data = format!("SELECT '{}'", ", ".repeat(TOKENS_MAX));
        check_tokens(&data).unwrap();
        assert!(memory_estimate(&data) < 3 * data.len());
        let tokens = format!("SELECT 1{}", ",1".repeat(TOKENS_MAX / 2));
        assert_eq!(check_tokens(&tokens).unwrap_err().state, SqlState::ProgramLimitExceeded);
        assert!(memory_estimate(&tokens) > TOKENS_MAX * TOKEN_BYTES);
    }
}
