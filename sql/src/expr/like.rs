//! `LIKE` and `ILIKE`: `%` stands for any text, `_` for one character, `\` takes the next one as it is.
//!
//! The match walks text and pattern once and goes back only to the last `%`, so that it needs no stack and at most
//! text times pattern steps. A `\` with nothing behind it is an error only where the match comes to it, as in PostgreSQL.

use crate::error::{SqlError, SqlState};
use crate::expr::eval::mistyped;
use crate::types::Datum;

/// One element of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    /// This character.
    Char(char),
    /// `_`
    One,
    /// `%`
    Any,
    /// A `\` that ends the pattern.
    BadEscape,
}

/// Whether the text matches; `None` where either side is NULL.
///
/// # Errors
/// 22025 where the match comes to the pattern's end behind an escape character.
pub fn like(text: &Datum, pattern: &Datum, case_insensitive: bool) -> Result<Option<bool>, SqlError> {
    match (text, pattern) {
        (Datum::Null, _) | (_, Datum::Null) => Ok(None),
        (Datum::Text(text) | Datum::Char(text), Datum::Text(pattern)) if case_insensitive => {
            matches(&text.to_lowercase(), &pattern.to_lowercase()).map(Some)
        }
        (Datum::Text(text) | Datum::Char(text), Datum::Text(pattern)) => matches(text, pattern).map(Some),
        _ => Err(mistyped("LIKE")),
    }
}

fn elements(pattern: &str) -> Vec<Element> {
    let mut elements = Vec::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        elements.push(match character {
            '%' => Element::Any,
            '_' => Element::One,
            '\\' => characters.next().map_or(Element::BadEscape, Element::Char),
            other => Element::Char(other),
        });
    }
    elements
}

fn bad_escape() -> SqlError {
    SqlError::new(SqlState::InvalidEscapeSequence, "LIKE pattern must not end with escape character")
}

/// Whether a `%` is followed by nothing but a `\` that ends the pattern, and by no more `_` than there are characters.
fn runs_into_bad_escape(behind: &[Element], rest: &str) -> bool {
    let gap = behind.iter().take_while(|element| matches!(element, Element::One | Element::Any)).count();
    let ones = behind.iter().take(gap).filter(|element| **element == Element::One).count();
    behind.get(gap) == Some(&Element::BadEscape) && rest.chars().take(ones).count() == ones
}

fn matches(text: &str, pattern: &str) -> Result<bool, SqlError> {
    let elements = elements(pattern);
    let mut rest = text.chars();
    let mut at = 0;
    // Where to go on if the match behind the last `%` fails: the text that it has not eaten, and the element after it.
    let mut retry: Option<(std::str::Chars<'_>, usize)> = None;
    loop {
        let is_at_end = rest.as_str().is_empty();
        match elements.get(at) {
            Some(Element::BadEscape) if !is_at_end => return Err(bad_escape()),
            Some(Element::Any) => {
                at += 1;
                let behind = elements.get(at..).unwrap_or_default();
                if !is_at_end && runs_into_bad_escape(behind, rest.as_str()) {
                    return Err(bad_escape());
                }
                retry = Some((rest.clone(), at));
                continue;
            }
            None if is_at_end => return Ok(true),
            Some(Element::One) if rest.next().is_some() => {
                at += 1;
                continue;
            }
            Some(Element::Char(wanted)) if rest.next() == Some(*wanted) => {
                at += 1;
                continue;
            }
            None | Some(Element::One | Element::Char(_) | Element::BadEscape) => {}
        }
        let Some((behind, element)) = &mut retry else { return Ok(false) };
        if behind.next().is_none() {
            return Ok(false);
        }
        rest = behind.clone();
        at = *element;
    }
}
