//! Functions of numbers.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::Sign;

use crate::error::SqlError;
use crate::expr::ScalarFunction;
use crate::expr::eval::mistyped;
use crate::types::cast::{check_integer, integer_out_of_range};
use crate::types::{DataType, Datum, numeric};

/// Computes a function of numbers; no argument is NULL.
pub fn call(function: ScalarFunction, values: &[Datum], data_type: DataType) -> Result<Datum, SqlError> {
    match values {
        [Datum::Int(value)] if function == ScalarFunction::Abs => {
            let value = value.checked_abs().ok_or_else(|| integer_out_of_range(data_type))?;
            check_integer(value, data_type).map(Datum::Int)
        }
        [Datum::Float(value)] => of_float(function, *value).map(Datum::Float),
        [Datum::Numeric(value)] => of_numeric(function, value, 0).map(Datum::Numeric),
        [Datum::Numeric(value), Datum::Int(digits)] => {
            of_numeric(function, value, *digits).map(Datum::Numeric)
        }
        _ => Err(mistyped(function.name())),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of all functions only those of this file come here")]
fn of_float(function: ScalarFunction, value: f64) -> Result<f64, SqlError> {
    match function {
        ScalarFunction::Abs => Ok(value.abs()),
        ScalarFunction::Round => Ok(value.round_ties_even()),
        ScalarFunction::Trunc => Ok(value.trunc()),
        ScalarFunction::Floor => Ok(value.floor()),
        ScalarFunction::Ceil => Ok(value.ceil()),
        ScalarFunction::Sign => Ok(if value > 0.0 {
            1.0
        } else if value < 0.0 {
            -1.0
        } else {
            0.0
        }),
        _ => Err(mistyped(function.name())),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of all functions only those of this file come here")]
fn of_numeric(function: ScalarFunction, value: &BigDecimal, digits: i64) -> Result<BigDecimal, SqlError> {
    match function {
        ScalarFunction::Abs => Ok(value.abs()),
        ScalarFunction::Round => Ok(numeric::round(value, digits)),
        ScalarFunction::Trunc => Ok(numeric::truncate(value, digits)),
        ScalarFunction::Floor => Ok(numeric::floor(value)),
        ScalarFunction::Ceil => Ok(numeric::ceil(value)),
        ScalarFunction::Sign => Ok(BigDecimal::from(match value.sign() {
            Sign::Minus => -1,
            Sign::NoSign => 0,
            Sign::Plus => 1,
        })),
        _ => Err(mistyped(function.name())),
    }
}
