//! Values of the rows.

use crate::types::builtin::array::Elements;
use crate::types::{Datum, RegValue, Row};

/// NULL.
pub const NULL: Datum = Datum::Null;

/// Text, a name or a `"char"`.
pub fn text(value: impl Into<String>) -> Datum {
    Datum::Text(value.into())
}

/// Text that may be missing.
pub fn maybe_text(value: Option<impl Into<String>>) -> Datum {
    value.map_or(NULL, text)
}

/// A number, also of an object.
pub fn number(value: impl Into<i64>) -> Datum {
    Datum::Int(value.into())
}

/// A count that fits.
pub fn count(value: usize) -> Datum {
    Datum::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

/// An array of these; there are few.
pub fn array(elements: Vec<Datum>) -> Datum {
    Elements::new(elements).map_or(NULL, Datum::Array)
}

/// A truth value.
pub fn flag(value: bool) -> Datum {
    Datum::Bool(value)
}

/// A function by its name and number; none for 0.
pub fn function(name: &str, oid: u32) -> Datum {
    Datum::Reg(if oid == 0 { RegValue::nameless(0) } else { RegValue { oid, name: name.to_owned() } })
}

/// `YES` or `NO`.
pub fn yes_or_no(value: bool) -> Datum {
    text(if value { "YES" } else { "NO" })
}

/// This many values that are not known.
pub fn nulls(count: usize) -> Row {
    vec![NULL; count]
}
