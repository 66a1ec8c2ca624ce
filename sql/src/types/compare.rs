//! Order and equality of values: one total order for ORDER BY, comparison operators, min and max, and a key of bytes
//! for grouping. Text sorts by bytes; NaN equals itself and is above all numbers, as in PostgreSQL.

use std::cmp::Ordering;

use bigdecimal::BigDecimal;

use super::builtin::float::Float;
use super::kind::{Kind, match_pair, match_value};
use super::{Datum, datetime, numeric};

/// Compares two values, usually of one type. Numbers of different kinds compare by value, a date as its midnight;
/// NULL equals NULL and is above everything (`NULLS LAST`).
pub fn compare(a: &Datum, b: &Datum) -> Ordering {
    match_pair!(a, b, K, x, y => K::compare(x, y), compare_kinds(a, b))
}

/// Compares values of different kinds.
fn compare_kinds(a: &Datum, b: &Datum) -> Ordering {
    match (a, b) {
        (Datum::Int(a), Datum::Numeric(b)) => BigDecimal::from(*a).cmp(b),
        (Datum::Numeric(a), Datum::Int(b)) => a.cmp(&BigDecimal::from(*b)),
        (Datum::Float(a), Datum::Int(_) | Datum::Numeric(_)) => Float::compare(a, &number(b)),
        (Datum::Int(_) | Datum::Numeric(_), Datum::Float(b)) => Float::compare(&number(a), b),
        (Datum::Date(a), Datum::Timestamp(b)) => datetime::midnight(*a).cmp(&datetime::unbounded(*b)),
        (Datum::Timestamp(a), Datum::Date(b)) => datetime::unbounded(*a).cmp(&datetime::midnight(*b)),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// Whether two values are the same group; NULLs are one group.
pub fn equal(a: &Datum, b: &Datum) -> bool {
    compare(a, b) == Ordering::Equal
}

/// A number as a float; NaN for what is none.
fn number(datum: &Datum) -> f64 {
    if let Datum::Int(value) = datum {
        #[expect(clippy::cast_precision_loss, reason = "PostgreSQL compares int8 with float8 as doubles")]
        return *value as f64;
    }
    if let Datum::Numeric(value) = datum { numeric::to_f64(value) } else { f64::NAN }
}

/// Order of values whose types have nothing to do with each other, NULL last.
fn rank(datum: &Datum) -> u8 {
    match_value!(datum, u8::MAX, K, _value => K::RANK)
}

/// Appends a value's part of a [`GroupKey`].
pub(super) fn append_group(bytes: &mut Vec<u8>, value: &Datum) {
    bytes.push(rank(value));
    match_value!(value, {}, K, value => K::append_group(bytes, value));
}

/// Bytes that are equal exactly where all values of two rows are equal as groups (values of one type a column).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey(Vec<u8>);

impl GroupKey {
    /// The key of these values.
    pub fn of(values: &[Datum]) -> Self {
        let mut bytes = Vec::with_capacity(values.len() * 10);
        values.iter().for_each(|value| append_group(&mut bytes, value));
        Self(bytes)
    }

    /// Its length in bytes, for accounting of memory.
    pub fn size_bytes(&self) -> usize {
        self.0.len()
    }
}
