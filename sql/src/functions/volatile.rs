//! Functions that give something else each time, or have effects.

use uuid::Uuid;

use crate::error::SqlError;
use crate::expr::ScalarFunction;
use crate::expr::eval::mistyped;
use crate::expr::sequences::Sequences;
use crate::types::Datum;

/// Computes one of them; no argument is NULL.
pub fn call(
    function: ScalarFunction,
    values: &[Datum],
    sequences: Option<&dyn Sequences>,
) -> Result<Datum, SqlError> {
    if function == ScalarFunction::RandomUuid {
        return Ok(Datum::Uuid(Uuid::new_v4()));
    }
    sequences.ok_or_else(|| mistyped(function.name()))?.call(function, values)
}
