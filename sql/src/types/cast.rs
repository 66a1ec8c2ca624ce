//! Casts: which exist and when they may be inserted (PostgreSQL's implicit, assignment and explicit rules), and how a
//! value is cast.

use crate::error::{SqlError, SqlState};
use crate::expr::CastKind;
use crate::types::{DataType, Datum, datetime, numeric, text};

/// When a cast may be used, from the freest to the strictest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CastRule {
    /// Wherever an operator or function wants the other type.
    Implicit,
    /// Also where a value goes into a column.
    Assignment,
    /// Only where the user writes it.
    Explicit,
}

/// When values of `from` may become `to`; `None` where there is no such cast. Equal types are implicit.
pub fn cast_rule(from: DataType, to: DataType) -> Option<CastRule> {
    use DataType::{Bool, Date, Float8, Int2, Int4, Int8, Numeric, Text, Timestamp, TimestampTz, Unknown};
    let rule = match (from.base(), to.base()) {
        (from, to) if from == to => CastRule::Implicit,
        (Unknown, _) => CastRule::Implicit,
        (_, Unknown) => return None,
        (Int2, Int4 | Int8 | Float8 | Numeric { .. })
        | (Int4, Int8 | Float8 | Numeric { .. })
        | (Int8, Float8 | Numeric { .. })
        | (Numeric { .. }, Float8)
        | (Date, Timestamp | TimestampTz)
        | (Timestamp, TimestampTz) => CastRule::Implicit,
        (Int4, Int2)
        | (Int8, Int2 | Int4)
        | (Float8, Int2 | Int4 | Int8 | Numeric { .. })
        | (Numeric { .. }, Int2 | Int4 | Int8)
        | (Timestamp, Date)
        | (TimestampTz, Date | Timestamp)
        | (_, Text { .. }) => CastRule::Assignment,
        (Bool, Int4) | (Int4, Bool) | (Text { .. }, _) => CastRule::Explicit,
        (Bool, _)
        | (Int2 | Int4 | Int8 | Float8 | Numeric { .. }, _)
        | (Date | Timestamp | TimestampTz, _) => {
            return None;
        }
    };
    Some(rule)
}

/// Casts a value. The binder has checked that the cast exists.
///
/// # Errors
/// 22003 out of range, 22P02 and 22007 for text that is not of the type, 22001 too long, 42846 without such a cast.
pub fn cast(datum: Datum, from: DataType, to: DataType, kind: CastKind) -> Result<Datum, SqlError> {
    let missing = || SqlError::new(SqlState::CannotCoerce, format!("cannot cast type {from} to {to}"));
    match (datum, to) {
        (Datum::Null, _) => Ok(Datum::Null),
        (Datum::Text(value), DataType::Text { length_max }) => cast_text(value, length_max, kind),
        (datum, DataType::Text { length_max }) => {
            let value = match (&datum, kind) {
                (Datum::Bool(value), _) => value.to_string(),
                _ => text::to_text(&datum, &from).unwrap_or_default(),
            };
            cast_text(value, length_max, kind)
        }
        (Datum::Text(value), to) => text::from_text(&value, &to),
        (datum, DataType::Unknown) => Ok(datum),
        (datum @ Datum::Bool(_), DataType::Bool) => Ok(datum),
        (Datum::Int(value), DataType::Bool) => Ok(Datum::Bool(value != 0)),
        (Datum::Bool(value), DataType::Int4) => Ok(Datum::Int(i64::from(value))),
        (datum, DataType::Int2 | DataType::Int4 | DataType::Int8) => {
            to_integer(&datum, to).unwrap_or_else(|| Err(missing()))
        }
        (datum, DataType::Float8) => to_float(&datum).unwrap_or_else(|| Err(missing())),
        (datum, DataType::Numeric { precision, scale }) => {
            to_numeric(&datum, precision, scale).unwrap_or_else(|| Err(missing()))
        }
        (Datum::Timestamp(micros), DataType::Date) => Ok(Datum::Date(datetime::date_of(micros))),
        (Datum::Date(days), DataType::Date) => Ok(Datum::Date(days)),
        (Datum::Date(days), DataType::Timestamp | DataType::TimestampTz) => {
            Ok(Datum::Timestamp(i64::from(days) * datetime::MICROS_PER_DAY))
        }
        (datum @ Datum::Timestamp(_), DataType::Timestamp | DataType::TimestampTz) => Ok(datum),
        (_, DataType::Bool | DataType::Date | DataType::Timestamp | DataType::TimestampTz) => Err(missing()),
    }
}

fn cast_text(value: String, length_max: Option<u32>, kind: CastKind) -> Result<Datum, SqlError> {
    match (length_max, kind) {
        (None, _) => Ok(Datum::Text(value)),
        (Some(_), CastKind::Assignment) => text::fit_text(&value, length_max).map(Datum::Text),
        (Some(length), CastKind::Explicit) => {
            Ok(Datum::Text(value.chars().take(usize::try_from(length).unwrap_or(usize::MAX)).collect()))
        }
    }
}

/// An integer checked against the width of its type.
///
/// # Errors
/// 22003.
pub fn check_integer(value: i64, data_type: DataType) -> Result<i64, SqlError> {
    let fits = match data_type {
        DataType::Int2 => i16::try_from(value).is_ok(),
        DataType::Int4 => i32::try_from(value).is_ok(),
        DataType::Int8
        | DataType::Bool
        | DataType::Float8
        | DataType::Numeric { .. }
        | DataType::Text { .. }
        | DataType::Date
        | DataType::Timestamp
        | DataType::TimestampTz
        | DataType::Unknown => true,
    };
    if fits { Ok(value) } else { Err(integer_out_of_range(data_type)) }
}

/// The error of an integer beyond its type.
pub fn integer_out_of_range(data_type: DataType) -> SqlError {
    SqlError::new(SqlState::NumericValueOutOfRange, format!("{data_type} out of range"))
}

fn to_integer(datum: &Datum, to: DataType) -> Option<Result<Datum, SqlError>> {
    let value = match datum {
        Datum::Int(value) => Some(*value),
        Datum::Float(value) => float_to_i64(*value),
        Datum::Numeric(value) => numeric::to_i64(value),
        Datum::Null | Datum::Bool(_) | Datum::Text(_) | Datum::Date(_) | Datum::Timestamp(_) => return None,
    };
    let checked = value.ok_or_else(|| integer_out_of_range(to)).and_then(|value| check_integer(value, to));
    Some(checked.map(Datum::Int))
}

/// The nearest integer, halves to even as PostgreSQL's `rint`; `None` beyond 64 bits.
fn float_to_i64(value: f64) -> Option<i64> {
    let rounded = value.round_ties_even();
    // 2^63 is a double, and the first one that does not fit.
    let limit = 9_223_372_036_854_775_808.0;
    if !(-limit..limit).contains(&rounded) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked above")]
    Some(rounded as i64)
}

fn to_float(datum: &Datum) -> Option<Result<Datum, SqlError>> {
    let value = match datum {
        #[expect(clippy::cast_precision_loss, reason = "int8 to float8 rounds, as in PostgreSQL")]
        Datum::Int(value) => *value as f64,
        Datum::Float(value) => *value,
        Datum::Numeric(value) => numeric::to_f64(value),
        Datum::Null | Datum::Bool(_) | Datum::Text(_) | Datum::Date(_) | Datum::Timestamp(_) => return None,
    };
    let overflown = value.is_infinite() && matches!(datum, Datum::Numeric(_));
    Some(if overflown {
        Err(SqlError::new(
            SqlState::NumericValueOutOfRange,
            "value is out of range for type double precision",
        ))
    } else {
        Ok(Datum::Float(value))
    })
}

fn to_numeric(datum: &Datum, precision: Option<u32>, scale: i32) -> Option<Result<Datum, SqlError>> {
    let value = match datum {
        Datum::Int(value) => Ok((*value).into()),
        Datum::Float(value) => numeric::from_f64(*value),
        Datum::Numeric(value) => Ok(value.clone()),
        Datum::Null | Datum::Bool(_) | Datum::Text(_) | Datum::Date(_) | Datum::Timestamp(_) => return None,
    };
    let fitted = value.and_then(|value| match precision {
        Some(precision) => numeric::fit(&value, precision, scale),
        None => Ok(value),
    });
    Some(fitted.map(Datum::Numeric))
}
