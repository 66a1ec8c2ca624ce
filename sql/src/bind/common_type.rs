//! The one type of several expressions: CASE, COALESCE, GREATEST, LEAST, IN lists and VALUES; and the types in which the
//! two sides of an operator meet.
//!
//! ```text
//! common type   int2, int4 ⇒ int4     int4, numeric ⇒ numeric     real, numeric ⇒ real     char, text ⇒ char
//! comparison    int2, int8 as they are        real, numeric ⇒ double both        char, text ⇒ text both
//! ```
//!
//! Source: PostgreSQL's manual, 10.5 "UNION, CASE, and Related Constructs" and 10.2 "Operators", as `select_common_type`
//! and `oper_select_candidate` do it.

use crate::types::DataType;
use crate::types::cast::{CastRule, cast_rule};
use crate::types::info::Category;

fn category(data_type: DataType) -> Option<Category> {
    data_type.info().category
}

/// The type of its category that PostgreSQL stays with once it is there.
fn is_preferred(data_type: DataType) -> bool {
    data_type.info().is_preferred
}

/// Whether it is text of any kind, that of names included.
fn is_written(data_type: DataType) -> bool {
    data_type.is_text() || matches!(data_type, DataType::Name | DataType::QuotedChar)
}

fn is_implicit(from: DataType, to: DataType) -> bool {
    cast_rule(from, to) == Some(CastRule::Implicit)
}

/// Types that have nothing in common, and the position of the second among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCommonType {
    /// What the types before had in common.
    pub left: DataType,
    /// The one that does not fit.
    pub right: DataType,
    /// Its position.
    pub position: usize,
}

/// The common type of all; TEXT where all are unknown. Length and precision stay where all agree on them.
///
/// # Errors
/// The first type of another category.
pub fn common_type(types: &[DataType]) -> Result<DataType, NoCommonType> {
    let mut common = DataType::Unknown;
    for (position, data_type) in types.iter().enumerate() {
        let next = data_type.base();
        if next == DataType::Unknown || next == common {
            continue;
        }
        if common == DataType::Unknown {
            common = next;
        } else if category(next) != category(common) {
            return Err(NoCommonType { left: common, right: next, position });
        } else if !is_preferred(common) && is_implicit(common, next) && !is_implicit(next, common) {
            common = next;
        }
    }
    let first = types.first().copied().unwrap_or(DataType::Unknown);
    if common == DataType::Unknown {
        Ok(DataType::TEXT)
    } else if types.iter().all(|other| *other == first) {
        Ok(first)
    } else {
        Ok(common)
    }
}

/// What each side of a comparison is cast to; `None` where the types cannot be compared. Integers, floats and points in
/// time are compared with their like as they are.
pub fn compared(left: DataType, right: DataType) -> Option<(DataType, DataType)> {
    let (left, right) = (left.base(), right.base());
    let both = |data_type| Some((data_type, data_type));
    let as_they_are = Some((left, right));
    match (left, right) {
        (DataType::Unknown, DataType::Unknown) => both(DataType::TEXT),
        (DataType::Unknown, DataType::Varchar { .. }) | (DataType::Varchar { .. }, DataType::Unknown) => {
            both(DataType::TEXT)
        }
        (DataType::Unknown, known) | (known, DataType::Unknown) => both(known),
        (left, right) if left == right => as_they_are,
        (left, right) if left.is_integer() && right.is_integer() => as_they_are,
        (left, right) if left.is_float() && right.is_float() => as_they_are,
        (left, right) if left.is_number() && right.is_number() => {
            both(if left.is_float() || right.is_float() { DataType::Float8 } else { DataType::NUMERIC })
        }
        (DataType::Char { .. }, DataType::Varchar { .. }) => both(left),
        (DataType::Varchar { .. }, DataType::Char { .. }) => both(right),
        (left, right) if is_written(left) && is_written(right) => both(DataType::TEXT),
        (left, right) if (left.is_oid() || left.is_integer()) && (right.is_oid() || right.is_integer()) => {
            both(DataType::Oid)
        }
        (left, right) if category(left) == Some(Category::Time) && category(left) == category(right) => {
            as_they_are
        }
        _ => None,
    }
}

/// The number type in which arithmetic of two types is done; `None` where there is none.
pub fn arithmetic(left: DataType, right: DataType) -> Option<DataType> {
    let (left, right) = (left.base(), right.base());
    match (left, right) {
        (DataType::Unknown, known) | (known, DataType::Unknown) => known.is_number().then_some(known),
        (left, right) if !left.is_number() || !right.is_number() => None,
        (left, right) if left == right => Some(left),
        (left, right) if left.is_float() || right.is_float() => Some(DataType::Float8),
        (left, right) if left.is_integer() && right.is_integer() => {
            Some(if is_implicit(left, right) { right } else { left })
        }
        _ => Some(DataType::NUMERIC),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAR: DataType = DataType::Char { length: None };
    const VARCHAR: DataType = DataType::Varchar { length_max: None };

    #[test]
    fn common_types_are_those_of_postgresql() {
        use DataType::{Date, Float4, Float8, Int2, Int4, Int8, Text, Timestamp, TimestampTz, Unknown};
        const NUMERIC: DataType = DataType::NUMERIC;
        for (types, common) in [
            (&[Int4, Int8][..], Int8),
            (&[Int8, Int2], Int8),
            (&[Int4, NUMERIC], NUMERIC),
            (&[NUMERIC, Int8, Float4], Float4),
            (&[Float4, NUMERIC], Float4),
            (&[Float8, NUMERIC], Float8),
            (&[Int4, Float4], Float4),
            (&[Unknown, Int4, Unknown], Int4),
            (&[Unknown], Text),
            (&[CHAR, Text], CHAR),
            (&[Text, CHAR], Text),
            (&[VARCHAR, Text], VARCHAR),
            (&[Date, Timestamp], Timestamp),
            (&[Timestamp, Date, TimestampTz], TimestampTz),
        ] {
            assert_eq!(common_type(types), Ok(common), "{types:?}");
        }
        let four = DataType::Char { length: Some(4) };
        assert_eq!(common_type(&[four, four]), Ok(four));
        assert_eq!(common_type(&[four, DataType::Char { length: Some(5) }]), Ok(CHAR));
        let wrong = NoCommonType { left: Int4, right: Text, position: 2 };
        assert_eq!(common_type(&[Unknown, Int4, Text]), Err(wrong));
    }
}
