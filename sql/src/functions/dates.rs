//! Functions of dates and timestamps.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;

use crate::error::SqlError;
use crate::expr::ScalarFunction;
use crate::expr::eval::mistyped;
use crate::types::datetime::{MICROS_PER_DAY, fields};
use crate::types::{DataType, Datum, numeric};

/// Computes a function of a unit's name and a date or timestamp of this type; neither is NULL.
pub fn call(function: ScalarFunction, values: &[Datum], data_type: DataType) -> Result<Datum, SqlError> {
    match (function, values) {
        (ScalarFunction::DateTrunc, [Datum::Text(unit), Datum::Timestamp(micros)]) => {
            fields::truncate(unit, *micros, data_type).map(Datum::Timestamp)
        }
        (ScalarFunction::Extract, [Datum::Text(unit), Datum::Timestamp(micros)]) => {
            number(fields::extract(unit, *micros, data_type)?)
        }
        (ScalarFunction::Extract, [Datum::Text(unit), Datum::Date(days)]) => {
            number(fields::extract_of_date(unit, *days)?)
        }
        _ => Err(mistyped(function.name())),
    }
}

/// A field as NUMERIC.
fn number(field: fields::Field) -> Result<Datum, SqlError> {
    Ok(Datum::Numeric(match field {
        fields::Field::Number(unscaled, scale) => BigDecimal::new(BigInt::from(unscaled), scale),
        fields::Field::Julian(days, micros) => {
            let part = numeric::divide(&BigDecimal::from(micros), &BigDecimal::from(MICROS_PER_DAY))?;
            numeric::add(&BigDecimal::from(days), &part)?
        }
        fields::Field::Null => return Ok(Datum::Null),
        fields::Field::Infinite { is_positive } => {
            let shown = if is_positive { "Infinity" } else { "-Infinity" };
            return Err(SqlError::unsupported(format!("numeric value \"{shown}\"")));
        }
    }))
}
