//! Order and equality of values: one total order for ORDER BY, comparison operators, min and max, and a key of bytes
//! for grouping. Text sorts by bytes; NaN equals itself and is above all numbers, as in PostgreSQL.

use std::cmp::Ordering;

use bigdecimal::BigDecimal;

use crate::types::{Datum, datetime, numeric};

/// Compares two values, usually of one type. Numbers of different kinds compare by value, a date as its midnight;
/// NULL equals NULL and is above everything (`NULLS LAST`).
pub fn compare(a: &Datum, b: &Datum) -> Ordering {
    match (a, b) {
        (Datum::Null, Datum::Null) => Ordering::Equal,
        (Datum::Bool(a), Datum::Bool(b)) => a.cmp(b),
        (Datum::Int(a), Datum::Int(b)) => a.cmp(b),
        (Datum::Float(a), Datum::Float(b)) => compare_floats(*a, *b),
        (Datum::Numeric(a), Datum::Numeric(b)) => a.cmp(b),
        (Datum::Text(a), Datum::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Datum::Char(a), Datum::Char(b)) => unpadded(a).as_bytes().cmp(unpadded(b).as_bytes()),
        (Datum::Date(a), Datum::Date(b)) => a.cmp(b),
        (Datum::Timestamp(a), Datum::Timestamp(b)) => a.cmp(b),
        (Datum::Int(a), Datum::Numeric(b)) => BigDecimal::from(*a).cmp(b),
        (Datum::Numeric(a), Datum::Int(b)) => a.cmp(&BigDecimal::from(*b)),
        (Datum::Float(a), Datum::Int(_) | Datum::Numeric(_)) => compare_floats(*a, number(b)),
        (Datum::Int(_) | Datum::Numeric(_), Datum::Float(b)) => compare_floats(number(a), *b),
        (Datum::Date(a), Datum::Timestamp(b)) => datetime::midnight(*a).cmp(&datetime::unbounded(*b)),
        (Datum::Timestamp(a), Datum::Date(b)) => datetime::unbounded(*a).cmp(&datetime::midnight(*b)),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// Whether two values are the same group; NULLs are one group.
pub fn equal(a: &Datum, b: &Datum) -> bool {
    compare(a, b) == Ordering::Equal
}

fn compare_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

fn number(datum: &Datum) -> f64 {
    match datum {
        #[expect(clippy::cast_precision_loss, reason = "PostgreSQL compares int8 with float8 as doubles")]
        Datum::Int(value) => *value as f64,
        Datum::Numeric(value) => numeric::to_f64(value),
        Datum::Float(value) => *value,
        Datum::Null
        | Datum::Bool(_)
        | Datum::Text(_)
        | Datum::Char(_)
        | Datum::Date(_)
        | Datum::Timestamp(_) => f64::NAN,
    }
}

/// Text of CHAR(n) without the spaces at its end.
pub fn unpadded(text: &str) -> &str {
    text.trim_end_matches(' ')
}

/// Order of values whose types have nothing to do with each other, NULL last.
fn rank(datum: &Datum) -> u8 {
    match datum {
        Datum::Bool(_) => 0,
        Datum::Int(_) => 1,
        Datum::Numeric(_) => 2,
        Datum::Float(_) => 3,
        Datum::Date(_) => 4,
        Datum::Timestamp(_) => 5,
        Datum::Text(_) => 6,
        Datum::Char(_) => 7,
        Datum::Null => 8,
    }
}

/// Bytes that are equal exactly where all values of two rows are equal as groups (values of one type a column).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey(Vec<u8>);

impl GroupKey {
    /// The key of these values.
    pub fn of(values: &[Datum]) -> Self {
        let mut bytes = Vec::with_capacity(values.len() * 10);
        for value in values {
            bytes.push(rank(value));
            append(&mut bytes, value);
        }
        Self(bytes)
    }

    /// Its length in bytes, for accounting of memory.
    pub fn size_bytes(&self) -> usize {
        self.0.len()
    }
}

fn append(bytes: &mut Vec<u8>, value: &Datum) {
    match value {
        Datum::Null => {}
        Datum::Bool(value) => bytes.push(u8::from(*value)),
        Datum::Int(value) | Datum::Timestamp(value) => bytes.extend_from_slice(&value.to_be_bytes()),
        Datum::Date(value) => bytes.extend_from_slice(&value.to_be_bytes()),
        Datum::Float(value) => bytes.extend_from_slice(&canonical(*value).to_bits().to_be_bytes()),
        Datum::Numeric(value) => append_text(bytes, &value.normalized().to_string()),
        Datum::Text(value) => append_text(bytes, value),
        Datum::Char(value) => append_text(bytes, unpadded(value)),
    }
}

/// One bit pattern for both zeros, and one for all NaNs.
fn canonical(value: f64) -> f64 {
    if value == 0.0 {
        0.0
    } else if value.is_nan() {
        f64::NAN
    } else {
        value
    }
}

fn append_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&text.len().to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}
