//! Functions of timestamps.

use bigdecimal::BigDecimal;

use crate::error::SqlError;
use crate::expr::ScalarFunction;
use crate::expr::eval::mistyped;
use crate::types::{Datum, datetime};

/// Computes a function of a unit's name and a timestamp; neither is NULL.
#[expect(clippy::wildcard_enum_match_arm, reason = "of all functions only those of this file come here")]
pub fn call(function: ScalarFunction, values: &[Datum]) -> Result<Datum, SqlError> {
    let [Datum::Text(unit), Datum::Timestamp(micros)] = values else { return Err(mistyped(function.name())) };
    match function {
        ScalarFunction::DateTrunc => datetime::truncate(unit, *micros).map(Datum::Timestamp),
        ScalarFunction::Extract => {
            let field = datetime::extract(unit, *micros)?;
            Ok(Datum::Numeric(BigDecimal::new(field.unscaled.into(), field.scale)))
        }
        _ => Err(mistyped(function.name())),
    }
}
