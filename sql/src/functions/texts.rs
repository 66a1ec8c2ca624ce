//! Functions of text; positions and lengths are in characters.

use crate::error::{SqlError, SqlState};
use crate::expr::ScalarFunction;
use crate::expr::eval::{Arguments, mistyped};
use crate::functions::{invalid_argument, quoting};
use crate::types::Datum;
use crate::types::text::{to_text, unpadded};

/// Longest text that a function may make, in bytes: twice the largest row, so that no query fills the memory with one.
pub(super) const TEXT_MAX_BYTES: usize = 1 << 20;

/// Computes a function of text; no argument is NULL.
pub fn call(function: ScalarFunction, values: &[Datum]) -> Result<Datum, SqlError> {
    use ScalarFunction as F;
    match (function, values) {
        (F::Lower, [Datum::Text(text)]) => Ok(Datum::Text(text.to_lowercase())),
        (F::Upper, [Datum::Text(text)]) => Ok(Datum::Text(text.to_uppercase())),
        (F::Length, [Datum::Text(text)]) => Ok(Datum::Int(count(text))),
        (F::Length, [Datum::Char(text)]) => Ok(Datum::Int(count(unpadded(text)))),
        (F::OctetLength, [Datum::Text(text) | Datum::Char(text)]) => {
            Ok(Datum::Int(i64::try_from(text.len()).unwrap_or(i64::MAX)))
        }
        (F::Substr, [Datum::Text(text), Datum::Int(from)]) => Ok(Datum::Text(substring(text, *from, None))),
        (F::Substr, [Datum::Text(text), Datum::Int(from), Datum::Int(length)]) => {
            if *length < 0 {
                return Err(SqlError::new(SqlState::SubstringError, "negative substring length not allowed"));
            }
            Ok(Datum::Text(substring(text, *from, Some(*length))))
        }
        (F::Trim | F::TrimStart | F::TrimEnd, [Datum::Text(text)]) => Ok(trimmed(function, text, " ")),
        (F::Trim | F::TrimStart | F::TrimEnd, [Datum::Text(text), Datum::Text(characters)]) => {
            Ok(trimmed(function, text, characters))
        }
        (F::QuoteIdent, [Datum::Text(name)]) => Ok(Datum::Text(quoting::ident(name))),
        (F::QuoteLiteral, [Datum::Text(text)]) => Ok(Datum::Text(quoting::literal(text))),
        (F::Replace, [Datum::Text(text), Datum::Text(from), Datum::Text(to)]) => replace(text, from, to),
        (F::Strpos, [Datum::Text(text), Datum::Text(part)]) => {
            let before = text.find(part.as_str()).and_then(|at| text.get(..at));
            Ok(Datum::Int(before.map_or(0, |before| count(before) + 1)))
        }
        _ => Err(mistyped(function.name())),
    }
}

fn count(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

/// Characters `from` (counted from 1, may lie before the text) to before `from + length`.
fn substring(text: &str, from: i64, length: Option<i64>) -> String {
    let end = length.map_or(i64::MAX, |length| from.saturating_add(length));
    let skipped = from.max(1) - 1;
    let kept = end.saturating_sub(1).saturating_sub(skipped).max(0);
    text.chars()
        .skip(usize::try_from(skipped).unwrap_or(usize::MAX))
        .take(usize::try_from(kept).unwrap_or(usize::MAX))
        .collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of all functions only those of this file come here")]
fn trimmed(function: ScalarFunction, text: &str, characters: &str) -> Datum {
    let cut = |c: char| characters.contains(c);
    let kept = match function {
        ScalarFunction::TrimStart => text.trim_start_matches(cut),
        ScalarFunction::TrimEnd => text.trim_end_matches(cut),
        _ => text.trim_matches(cut),
    };
    Datum::Text(kept.to_owned())
}

fn replace(text: &str, from: &str, to: &str) -> Result<Datum, SqlError> {
    if from.is_empty() {
        return Ok(Datum::Text(text.to_owned()));
    }
    let grown = text.matches(from).count().saturating_mul(to.len());
    if grown > TEXT_MAX_BYTES {
        return Err(invalid_argument("requested length too large"));
    }
    Ok(Datum::Text(text.replace(from, to)))
}

/// `concat`: all arguments that are not NULL as the client would see them, one behind the other.
///
/// # Errors
/// Those of its arguments.
pub fn concat(arguments: &Arguments<'_>) -> Result<Datum, SqlError> {
    let mut all = String::new();
    for index in 0..arguments.count() {
        let value = arguments.get(index)?;
        if let Some(text) = to_text(&value, &arguments.data_type(index)) {
            all.push_str(&text);
        }
    }
    Ok(Datum::Text(all))
}
