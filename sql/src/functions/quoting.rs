//! Names and texts as they are written in SQL.

use crate::error::SqlError;
use crate::expr::eval::Arguments;
use crate::types::Datum;

/// Keywords of PostgreSQL 15 that name something only in quotes, one a line.
const KEYWORDS: &str = include_str!("keywords.txt");

/// `quote_ident(text)`
pub fn ident(name: &str) -> String {
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let is_plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if begins && is_plain && !KEYWORDS.lines().any(|keyword| keyword == name) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `quote_literal(text)`; with backslashes it is an escape string, which means the same to any server.
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// `quote_nullable(text)`: NULL is the word.
pub fn nullable(arguments: &Arguments<'_>) -> Result<Datum, SqlError> {
    let value = arguments.get(0)?;
    let quoted = if let Datum::Text(text) = value.as_ref() { literal(text) } else { "NULL".to_owned() };
    Ok(Datum::Text(quoted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        for plain in ["a", "_b1", "name"] {
            assert_eq!(ident(plain), plain);
        }
        for quoted in ["A b", "select", "user", "", "1a", "a$", "ä"] {
            assert_eq!(ident(quoted), format!("\"{quoted}\""));
        }
        assert_eq!(ident("a\"b"), "\"a\"\"b\"");
    }

    #[test]
    fn texts_are_quoted_so_that_they_are_read_back() {
        assert_eq!(literal("a'b"), "'a''b'");
        assert_eq!(literal("a\\b'"), "E'a\\\\b'''");
    }
}
