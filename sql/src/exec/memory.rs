//! How much memory a statement's operators may keep.

use crate::error::{SqlError, SqlState};
use crate::limits::OPERATOR_MEMORY_MAX_BYTES;
use crate::types::Datum;

/// Counts what one operator keeps.
#[derive(Debug)]
pub struct Budget {
    what: &'static str,
    used: usize,
}

impl Budget {
    /// Nothing kept yet; `what` names the operator in the error.
    pub fn new(what: &'static str) -> Self {
        Self { what, used: 0 }
    }

    /// Counts more bytes.
    ///
    /// # Errors
    /// 53200 beyond [`OPERATOR_MEMORY_MAX_BYTES`].
    pub fn add(&mut self, bytes: usize) -> Result<(), SqlError> {
        self.used = self.used.saturating_add(bytes);
        if self.used <= OPERATOR_MEMORY_MAX_BYTES {
            return Ok(());
        }
        let message =
            format!("{} needs more than {} MiB of memory", self.what, OPERATOR_MEMORY_MAX_BYTES >> 20);
        Err(SqlError::new(SqlState::OutOfMemory, message)
            .with_hint("Select fewer rows or columns, or add a LIMIT or a filter."))
    }

    /// Counts afresh what is kept.
    pub fn reset(&mut self, bytes: usize) {
        self.used = bytes;
    }
}

/// Estimate of the bytes that a row takes in memory.
pub fn row_bytes(row: &[Datum]) -> usize {
    row.iter().map(datum_bytes).sum::<usize>() + size_of::<Vec<Datum>>()
}

/// Estimate of the bytes that a value takes in memory.
pub fn datum_bytes(datum: &Datum) -> usize {
    size_of::<Datum>() + datum.heap_bytes()
}
