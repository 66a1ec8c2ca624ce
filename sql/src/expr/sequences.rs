//! [`Sequences`]: what functions of sequences ask while an expression is computed. Computing waits for nothing: where a value
//! has to be fetched, the call fails, and whoever computes fetches it and computes the row again.

use std::fmt;

use crate::error::SqlError;
use crate::expr::ScalarFunction;
use crate::types::Datum;

/// The sequences, as one statement sees them.
pub trait Sequences: Sync + fmt::Debug {
    /// Computes `nextval` and the other functions of sequences; no argument is NULL.
    ///
    /// # Errors
    /// Those of PostgreSQL; any, where something has to be fetched first.
    fn call(&self, function: ScalarFunction, arguments: &[Datum]) -> Result<Datum, SqlError>;
}
