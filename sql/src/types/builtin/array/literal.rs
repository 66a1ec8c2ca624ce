//! Arrays as text, `{1,"two words",NULL}`: read and printed as PostgreSQL's `array_in` and `array_out` do.

use super::{Elements, multidimensional, too_many};
use crate::error::{SqlError, SqlState};
use crate::limits::ARRAY_ELEMENTS_MAX;
use crate::types::text::{from_text, to_text};
use crate::types::{DataType, Datum};

/// White space around elements.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

/// An array as text.
pub(super) fn print(elements: &[Datum], element_type: DataType) -> String {
    let mut text = String::from("{");
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        match to_text(element, &element_type) {
            None => text.push_str("NULL"),
            Some(element) => push_element(&mut text, &element),
        }
    }
    text.push('}');
    text
}

/// Appends an element, in quotes where it could be read as something else.
fn push_element(text: &mut String, element: &str) {
    let is_special = |c: char| matches!(c, '"' | '\\' | '{' | '}' | ',') || is_space(c);
    let is_bare =
        !element.is_empty() && !element.eq_ignore_ascii_case("null") && !element.contains(is_special);
    if is_bare {
        text.push_str(element);
        return;
    }
    text.push('"');
    for c in element.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
}

/// Reads an array of a type.
///
/// # Errors
/// 22P02 for text that is no array, 0A000 for more dimensions than one and for subscripts that begin elsewhere, and those
/// of the elements.
pub(in super::super) fn parse(text: &str, data_type: DataType) -> Result<Datum, SqlError> {
    let malformed = |detail: &str| {
        SqlError::new(SqlState::InvalidTextRepresentation, format!("malformed array literal: \"{text}\""))
            .with_detail(detail)
    };
    let element_type = data_type.element().unwrap_or(DataType::Unknown);
    let body = text.trim_start_matches(is_space);
    let (length, body) = dimension(body, &malformed)?;
    let Some(body) = body.strip_prefix('{') else {
        return Err(malformed("Array value must start with \"{\" or dimension information."));
    };
    let mut reading =
        Reading { element_type, elements: Vec::new(), item: Item::default(), place: Place::Start };
    let mut characters = body.chars();
    loop {
        let Some(c) = characters.next() else { return Err(malformed("Unexpected end of input.")) };
        let step = if c == '\\' {
            let escaped = characters.next().ok_or_else(|| malformed("Unexpected end of input."))?;
            reading.escaped(escaped)
        } else {
            reading.take(c)
        };
        match step {
            Step::More => {}
            Step::Element => reading.finish_element()?,
            Step::LastElement => {
                reading.finish_element()?;
                break;
            }
            Step::End => break,
            Step::Nested => return Err(multidimensional()),
            Step::Unexpected => return Err(malformed("Unexpected array element.")),
            Step::UnexpectedCharacter => return Err(malformed(&format!("Unexpected \"{c}\" character."))),
        }
    }
    if characters.any(|c| !is_space(c)) {
        return Err(malformed("Junk after closing right brace."));
    }
    if length.is_some_and(|length| length != reading.elements.len()) {
        return Err(malformed("Specified array dimensions do not match array contents."));
    }
    Elements::new(reading.elements).map(Datum::Array)
}

/// `[1:3]=` in front of an array: how many elements it says.
fn dimension<'a>(
    body: &'a str,
    malformed: &dyn Fn(&str) -> SqlError,
) -> Result<(Option<usize>, &'a str), SqlError> {
    let Some(rest) = body.strip_prefix('[') else { return Ok((None, body)) };
    let (bounds, rest) =
        rest.split_once(']').ok_or_else(|| malformed("Missing \"]\" after array dimensions."))?;
    let number = |text: &str, missing: &str| {
        text.trim_matches(is_space).parse::<i32>().map_err(|_| malformed(missing))
    };
    let first = "\"[\" must introduce explicitly-specified array dimensions.";
    let (lower, upper) = match bounds.split_once(':') {
        Some((lower, upper)) => (number(lower, first)?, number(upper, "Missing array dimension value.")?),
        None => (1, number(bounds, first)?),
    };
    if rest.trim_start_matches(is_space).starts_with('[') {
        return Err(multidimensional());
    }
    let rest = rest.trim_start_matches(is_space).strip_prefix('=');
    let rest = rest.ok_or_else(|| malformed("Missing \"=\" after array dimensions."))?;
    if lower != 1 {
        return Err(SqlError::unsupported("an array whose subscripts do not begin at 1"));
    }
    let length = usize::try_from(upper).map_err(|_| {
        SqlError::new(SqlState::InvalidTextRepresentation, "upper bound cannot be less than lower bound")
    })?;
    Ok((Some(length), rest.trim_start_matches(is_space)))
}

/// Where reading is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Behind the brace.
    Start,
    /// Behind a comma.
    Delimited,
    /// In an element without quotes.
    Bare,
    /// Between quotes.
    Quoted,
    /// Behind an element in quotes.
    Closed,
}

/// What a character means.
enum Step {
    More,
    /// An element ends; another follows.
    Element,
    /// An element ends, and with it the array.
    LastElement,
    /// The array ends, which has none.
    End,
    /// An array in the array.
    Nested,
    /// An element stands where none may.
    Unexpected,
    /// The character stands where it may not.
    UnexpectedCharacter,
}

/// An element that is being read.
#[derive(Default)]
struct Item {
    text: String,
    /// Its bytes up to white space at its end.
    kept: usize,
    /// It had quotes or escapes: it is no NULL.
    is_written_out: bool,
}

struct Reading {
    element_type: DataType,
    elements: Vec<Datum>,
    item: Item,
    place: Place,
}

impl Reading {
    /// A character behind a backslash.
    fn escaped(&mut self, c: char) -> Step {
        match self.place {
            Place::Start | Place::Delimited | Place::Bare => self.place = Place::Bare,
            Place::Quoted => {}
            Place::Closed => return Step::UnexpectedCharacter,
        }
        self.item.is_written_out = true;
        self.push(c)
    }

    fn push(&mut self, c: char) -> Step {
        self.item.text.push(c);
        self.item.kept = self.item.text.len();
        Step::More
    }

    /// Any other character.
    fn take(&mut self, c: char) -> Step {
        if self.place == Place::Quoted && c != '"' {
            return self.push(c);
        }
        match c {
            '"' => self.quote(),
            '{' if self.place == Place::Start => Step::Nested,
            '{' => Step::UnexpectedCharacter,
            ',' | '}' => self.delimiter(c),
            space if is_space(space) => {
                if self.place == Place::Bare {
                    self.item.text.push(space);
                }
                Step::More
            }
            other => match self.place {
                Place::Closed => Step::Unexpected,
                Place::Start | Place::Delimited | Place::Bare | Place::Quoted => {
                    self.place = Place::Bare;
                    self.push(other)
                }
            },
        }
    }

    fn quote(&mut self) -> Step {
        self.place = match self.place {
            Place::Start | Place::Delimited => Place::Quoted,
            Place::Quoted => Place::Closed,
            Place::Bare | Place::Closed => return Step::Unexpected,
        };
        self.item.is_written_out = true;
        Step::More
    }

    fn delimiter(&mut self, c: char) -> Step {
        let is_end = c == '}';
        match self.place {
            Place::Start if is_end => return Step::End,
            Place::Start | Place::Delimited | Place::Quoted => return Step::UnexpectedCharacter,
            Place::Bare | Place::Closed => {}
        }
        self.place = Place::Delimited;
        if is_end { Step::LastElement } else { Step::Element }
    }

    fn finish_element(&mut self) -> Result<(), SqlError> {
        if self.elements.len() == ARRAY_ELEMENTS_MAX {
            return Err(too_many());
        }
        let mut item = std::mem::take(&mut self.item);
        item.text.truncate(item.kept);
        let is_null = !item.is_written_out && item.text.eq_ignore_ascii_case("null");
        self.elements.push(if is_null { Datum::Null } else { from_text(&item.text, &self.element_type)? });
        Ok(())
    }
}
