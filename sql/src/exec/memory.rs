//! How much memory a statement's operators may keep.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
        Err(too_much(self.what))
    }

    /// Counts afresh what is kept.
    pub fn reset(&mut self, bytes: usize) {
        self.used = bytes;
    }
}

fn too_much(what: &str) -> SqlError {
    let message = format!("{what} needs more than {} MiB of memory", OPERATOR_MEMORY_MAX_BYTES >> 20);
    SqlError::new(SqlState::OutOfMemory, message)
        .with_hint("Select fewer rows or columns, or add a LIMIT or a filter.")
}

/// Counts what one of several keeps that share a budget, all of one session; gives it back where it goes.
#[derive(Debug, Default)]
pub struct Share {
    /// What all keep.
    all: Arc<AtomicUsize>,
    own: usize,
}

impl Share {
    /// One more that shares the same budget, and keeps nothing yet.
    pub fn another(&self) -> Self {
        Self { all: Arc::clone(&self.all), own: 0 }
    }

    /// Counts more bytes.
    ///
    /// # Errors
    /// 53200 where all together are beyond [`OPERATOR_MEMORY_MAX_BYTES`]: nothing was counted.
    pub fn add(&mut self, bytes: usize) -> Result<(), SqlError> {
        let all = self.all.load(Ordering::Relaxed).saturating_add(bytes);
        if all > OPERATOR_MEMORY_MAX_BYTES {
            return Err(too_much("what the cursors keep"));
        }
        self.all.store(all, Ordering::Relaxed);
        self.own += bytes;
        Ok(())
    }

    /// Gives bytes back.
    pub fn give_back(&mut self, bytes: usize) {
        assert!(bytes <= self.own, "only what was counted is given back");
        self.own -= bytes;
        self.all.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back(self.own);
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
