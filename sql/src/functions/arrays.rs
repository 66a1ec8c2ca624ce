//! Functions over arrays.

use super::invalid_argument;
use crate::error::{SqlError, SqlState};
use crate::expr::ScalarFunction;
use crate::expr::eval::{Arguments, mistyped};
use crate::types::builtin::array::Elements;
use crate::types::compare::equal;
use crate::types::text::{from_text, to_text};
use crate::types::{DataType, Datum};

/// Computes a function of this file; some take NULLs.
///
/// # Errors
/// Those of its arguments; 54000 for an array beyond the limits; 22004 for a NULL that a function does not take.
pub fn call(function: ScalarFunction, arguments: &Arguments<'_>) -> Result<Datum, SqlError> {
    use ScalarFunction as F;
    let mut values = Vec::with_capacity(arguments.count());
    for index in 0..arguments.count() {
        values.push(arguments.get(index)?.into_owned());
    }
    if function == F::ArrayOf {
        return Elements::new(values).map(Datum::Array);
    }
    match (function, values.as_slice()) {
        (F::Subscript, [Datum::Array(elements), Datum::Int(index)]) => Ok(at(elements, *index)),
        (F::Cardinality, [Datum::Array(elements)]) => Ok(count(elements)),
        (F::ArrayLength | F::ArrayUpper, [Datum::Array(elements), Datum::Int(1)]) => {
            Ok(if_any(elements, count(elements)))
        }
        (F::ArrayNdims, [Datum::Array(elements)])
        | (F::ArrayLower, [Datum::Array(elements), Datum::Int(1)]) => Ok(if_any(elements, Datum::Int(1))),
        (F::ArrayLength | F::ArrayUpper | F::ArrayLower, [Datum::Array(_), Datum::Int(_)]) => Ok(Datum::Null),
        (F::ArrayCat, [Datum::Null, other] | [other, Datum::Null]) => Ok(other.clone()),
        (F::ArrayCat, [Datum::Array(first), Datum::Array(second)]) => joined(first, second),
        (F::ArrayAppend, [array, element]) => joined(elements_of(array)?, std::slice::from_ref(element)),
        (F::ArrayPrepend, [element, array]) => joined(std::slice::from_ref(element), elements_of(array)?),
        (F::ArrayRemove, [Datum::Array(elements), element]) => {
            let left = elements.iter().filter(|other| !equal(other, element)).cloned();
            Elements::new(left.collect()).map(Datum::Array)
        }
        (F::ArrayPosition, [Datum::Array(elements), element]) => Ok(position(elements, element, 1)),
        (F::ArrayPosition, [Datum::Array(elements), element, Datum::Int(from)]) => {
            Ok(position(elements, element, *from))
        }
        (F::ArrayPosition, [Datum::Array(_), _, Datum::Null]) => {
            Err(SqlError::new(SqlState::NullValueNotAllowed, "initial position must not be null"))
        }
        (F::ArrayToString, [Datum::Array(elements), Datum::Text(separator), rest @ ..]) => {
            to_string(elements, arguments.data_type(0), separator, rest)
        }
        (F::StringToArray, [Datum::Text(text), separator, rest @ ..]) => split(text, separator, rest),
        (_, values) if values.iter().any(Datum::is_null) => Ok(Datum::Null),
        _ => Err(mistyped(function.name())),
    }
}

fn count(elements: &[Datum]) -> Datum {
    Datum::Int(i64::try_from(elements.len()).unwrap_or(i64::MAX))
}

/// An empty array has no dimension.
fn if_any(elements: &[Datum], value: Datum) -> Datum {
    if elements.is_empty() { Datum::Null } else { value }
}

/// The element at a place, counted from 1; NULL outside.
fn at(elements: &[Datum], index: i64) -> Datum {
    let index = index.checked_sub(1).and_then(|index| usize::try_from(index).ok());
    index.and_then(|index| elements.get(index)).cloned().unwrap_or(Datum::Null)
}

/// NULL is as an empty array.
fn elements_of(array: &Datum) -> Result<&[Datum], SqlError> {
    if let Datum::Array(elements) = array {
        return Ok(elements);
    }
    if array.is_null() { Ok(&[]) } else { Err(mistyped("||")) }
}

fn joined(first: &[Datum], second: &[Datum]) -> Result<Datum, SqlError> {
    Elements::new([first, second].concat()).map(Datum::Array)
}

/// Where the element is found first, from a place on.
fn position(elements: &[Datum], element: &Datum, from: i64) -> Datum {
    let skipped = usize::try_from(from.saturating_sub(1)).unwrap_or(0);
    let found = elements.iter().enumerate().skip(skipped).find(|(_, other)| equal(other, element));
    let found = found.and_then(|(index, _)| i64::try_from(index + 1).ok());
    found.map_or(Datum::Null, Datum::Int)
}

/// `array_to_string`: NULLs are left out, or written as the third argument says.
fn to_string(
    elements: &[Datum],
    array_type: DataType,
    separator: &str,
    rest: &[Datum],
) -> Result<Datum, SqlError> {
    let element_type = array_type.element().unwrap_or(DataType::Unknown);
    let null = match rest {
        [Datum::Text(null)] => Some(null),
        _ => None,
    };
    let mut text = String::new();
    let mut is_first = true;
    for element in elements {
        let Some(written) = to_text(element, &element_type).or_else(|| null.cloned()) else { continue };
        if !std::mem::take(&mut is_first) {
            text.push_str(separator);
        }
        text.push_str(&written);
        if text.len() > super::texts::TEXT_MAX_BYTES {
            return Err(invalid_argument("requested length too large"));
        }
    }
    Ok(Datum::Text(text))
}

/// `string_to_array`: at each separator, or after each character where it is NULL; what is the third argument is NULL.
fn split(text: &str, separator: &Datum, rest: &[Datum]) -> Result<Datum, SqlError> {
    let null = rest.first();
    let element = |part: &str| {
        let part = from_text(part, &DataType::TEXT)?;
        Ok(if null == Some(&part) { Datum::Null } else { part })
    };
    let parts: Vec<Datum> = if text.is_empty() {
        Vec::new()
    } else if let Datum::Text(separator) = separator {
        // Without characters it separates nothing.
        let most = if separator.is_empty() { 1 } else { usize::MAX };
        text.splitn(most, separator.as_str()).map(element).collect::<Result<_, SqlError>>()?
    } else {
        let mut bytes = [0; 4];
        text.chars().map(|c| element(c.encode_utf8(&mut bytes))).collect::<Result<_, SqlError>>()?
    };
    Elements::new(parts).map(Datum::Array)
}
