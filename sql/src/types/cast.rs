//! Casts: which exist and when they may be inserted (PostgreSQL's implicit, assignment and explicit rules), and how a
//! value is cast.

use crate::error::{SqlError, SqlState};
use crate::expr::CastKind;
use crate::types::compare::unpadded;
use crate::types::{DataType, Datum, datetime, float, numeric, text};

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
    use DataType::{
        Bool, Char, Date, Float4, Float8, Int2, Int4, Int8, Numeric, Text, Timestamp, TimestampTz, Unknown,
        Varchar,
    };
    let rule = match (from.base(), to.base()) {
        (from, to) if from == to => CastRule::Implicit,
        (Unknown, _) => CastRule::Implicit,
        (_, Unknown) => return None,
        (Int2, Int4 | Int8 | Float4 | Float8 | Numeric { .. })
        | (Int4, Int8 | Float4 | Float8 | Numeric { .. })
        | (Int8, Float4 | Float8 | Numeric { .. })
        | (Numeric { .. }, Float4 | Float8)
        | (Float4, Float8)
        | (Text | Varchar { .. } | Char { .. }, Text | Varchar { .. } | Char { .. })
        | (Date, Timestamp | TimestampTz)
        | (Timestamp, TimestampTz) => CastRule::Implicit,
        (Int4, Int2)
        | (Int8, Int2 | Int4)
        | (Float4, Int2 | Int4 | Int8 | Numeric { .. })
        | (Float8, Int2 | Int4 | Int8 | Float4 | Numeric { .. })
        | (Numeric { .. }, Int2 | Int4 | Int8)
        | (Timestamp, Date)
        | (TimestampTz, Date | Timestamp)
        | (_, Text | Varchar { .. } | Char { .. }) => CastRule::Assignment,
        (Bool, Int4) | (Int4, Bool) | (Text | Varchar { .. } | Char { .. }, _) => CastRule::Explicit,
        (Bool, _)
        | (Int2 | Int4 | Int8 | Float4 | Float8 | Numeric { .. }, _)
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
        (datum, DataType::Text | DataType::Varchar { .. } | DataType::Char { .. }) => {
            cast_text(written(datum, from), to, kind)
        }
        (Datum::Text(value) | Datum::Char(value), to) => text::from_text(&value, &to),
        (datum, DataType::Unknown) => Ok(datum),
        (datum @ Datum::Bool(_), DataType::Bool) => Ok(datum),
        (Datum::Int(value), DataType::Bool) => Ok(Datum::Bool(value != 0)),
        (Datum::Bool(value), DataType::Int4) => Ok(Datum::Int(i64::from(value))),
        (datum, DataType::Int2 | DataType::Int4 | DataType::Int8) => {
            to_integer(&datum, to).unwrap_or_else(|| Err(missing()))
        }
        (datum, DataType::Float4 | DataType::Float8) => {
            to_float(&datum, to).unwrap_or_else(|| Err(missing()))
        }
        (datum, DataType::Numeric { precision, scale }) => {
            to_numeric(&datum, from, precision, scale).unwrap_or_else(|| Err(missing()))
        }
        (Datum::Timestamp(micros), DataType::Date) => Ok(Datum::Date(datetime::date_of_timestamp(micros))),
        (Datum::Date(days), DataType::Date) => Ok(Datum::Date(days)),
        (Datum::Date(days), DataType::Timestamp | DataType::TimestampTz) => {
            datetime::timestamp_of_date(days).map(Datum::Timestamp)
        }
        (datum @ Datum::Timestamp(_), DataType::Timestamp | DataType::TimestampTz) => Ok(datum),
        (_, DataType::Bool | DataType::Date | DataType::Timestamp | DataType::TimestampTz) => Err(missing()),
    }
}

/// A value as text: the spaces of CHAR(n) are not part of it.
fn written(datum: Datum, from: DataType) -> String {
    match datum {
        Datum::Text(value) => value,
        Datum::Char(value) => unpadded(&value).to_owned(),
        Datum::Bool(value) => value.to_string(),
        other @ (Datum::Null
        | Datum::Int(_)
        | Datum::Float(_)
        | Datum::Numeric(_)
        | Datum::Date(_)
        | Datum::Timestamp(_)) => text::to_text(&other, &from).unwrap_or_default(),
    }
}

fn cast_text(value: String, to: DataType, kind: CastKind) -> Result<Datum, SqlError> {
    match (to, kind) {
        (DataType::Varchar { length_max: Some(_) } | DataType::Char { .. }, CastKind::Assignment) => {
            text::from_text(&value, &to)
        }
        (DataType::Varchar { length_max }, CastKind::Explicit) => {
            Ok(Datum::Text(text::cut(&value, length_max)))
        }
        (DataType::Char { length }, CastKind::Explicit) => Ok(Datum::Char(text::cut_char(&value, length))),
        _ => Ok(Datum::Text(value)),
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
        | DataType::Float4
        | DataType::Float8
        | DataType::Numeric { .. }
        | DataType::Text
        | DataType::Varchar { .. }
        | DataType::Char { .. }
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
        Datum::Null
        | Datum::Bool(_)
        | Datum::Text(_)
        | Datum::Char(_)
        | Datum::Date(_)
        | Datum::Timestamp(_) => return None,
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

fn to_float(datum: &Datum, to: DataType) -> Option<Result<Datum, SqlError>> {
    let is_single = to == DataType::Float4;
    let value = match datum {
        #[expect(clippy::cast_precision_loss, reason = "PostgreSQL rounds too; once, also to REAL")]
        Datum::Int(value) => Ok(if is_single { f64::from(*value as f32) } else { *value as f64 }),
        Datum::Float(value) if is_single => float::to_real(*value),
        Datum::Float(value) => Ok(*value),
        // By way of text, as PostgreSQL: rounded once, and the error shows the number.
        Datum::Numeric(value) => float::parse(&numeric::to_text(value), to),
        Datum::Null
        | Datum::Bool(_)
        | Datum::Text(_)
        | Datum::Char(_)
        | Datum::Date(_)
        | Datum::Timestamp(_) => return None,
    };
    Some(value.map(Datum::Float))
}

fn to_numeric(
    datum: &Datum,
    from: DataType,
    precision: Option<u32>,
    scale: i32,
) -> Option<Result<Datum, SqlError>> {
    let value = match datum {
        Datum::Int(value) => Ok((*value).into()),
        Datum::Float(value) => numeric::from_float(*value, from),
        Datum::Numeric(value) => Ok(value.clone()),
        Datum::Null
        | Datum::Bool(_)
        | Datum::Text(_)
        | Datum::Char(_)
        | Datum::Date(_)
        | Datum::Timestamp(_) => return None,
    };
    let fitted = value.and_then(|value| match precision {
        Some(precision) => numeric::fit(&value, precision, scale),
        None => Ok(value),
    });
    Some(fitted.map(Datum::Numeric))
}
