//! `LIKE` and `ILIKE`: `%` stands for any text, `_` for one character, `\` takes the next one as it is.
//!
//! The match walks text and pattern once and goes back only to the last `%`, so that it needs no stack and at most
//! text times pattern steps.

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
}

/// Whether the text matches; `None` where either side is NULL.
///
/// # Errors
/// 22025 where the pattern ends in its escape character.
pub fn like(text: &Datum, pattern: &Datum, case_insensitive: bool) -> Result<Option<bool>, SqlError> {
    match (text, pattern) {
        (Datum::Null, _) | (_, Datum::Null) => Ok(None),
        (Datum::Text(text), Datum::Text(pattern)) if case_insensitive => {
            matches(&text.to_lowercase(), &pattern.to_lowercase()).map(Some)
        }
        (Datum::Text(text), Datum::Text(pattern)) => matches(text, pattern).map(Some),
        _ => Err(mistyped("LIKE")),
    }
}

/// Text that every match of the pattern starts with, and whether the pattern is that text and nothing else.
pub fn literal_prefix(pattern: &str) -> Result<(String, bool), SqlError> {
    let elements = elements(pattern)?;
    let mut prefix = String::new();
    for element in &elements {
        match element {
            Element::Char(character) => prefix.push(*character),
            Element::One | Element::Any => return Ok((prefix, false)),
        }
    }
    Ok((prefix, true))
}

fn elements(pattern: &str) -> Result<Vec<Element>, SqlError> {
    let mut elements = Vec::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        elements.push(match character {
            '%' => Element::Any,
            '_' => Element::One,
            '\\' => Element::Char(characters.next().ok_or_else(|| {
                SqlError::new(
                    SqlState::InvalidEscapeSequence,
                    "LIKE pattern must not end with escape character",
                )
            })?),
            other => Element::Char(other),
        });
    }
    Ok(elements)
}

fn matches(text: &str, pattern: &str) -> Result<bool, SqlError> {
    let elements = elements(pattern)?;
    let mut rest = text.chars();
    let mut at = 0;
    // Where to go on if the match behind the last `%` fails: the text that it has not eaten, and the element after it.
    let mut retry: Option<(std::str::Chars<'_>, usize)> = None;
    loop {
        match elements.get(at) {
            Some(Element::Any) => {
                at += 1;
                retry = Some((rest.clone(), at));
                continue;
            }
            None if rest.as_str().is_empty() => return Ok(true),
            Some(Element::One) if rest.next().is_some() => {
                at += 1;
                continue;
            }
            Some(Element::Char(wanted)) if rest.next() == Some(*wanted) => {
                at += 1;
                continue;
            }
            None | Some(Element::One | Element::Char(_)) => {}
        }
        let Some((behind, element)) = &mut retry else { return Ok(false) };
        if behind.next().is_none() {
            return Ok(false);
        }
        rest = behind.clone();
        at = *element;
    }
}
