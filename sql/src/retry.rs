//! Running something again that lost against another transaction: how often, and after which waits.

use std::time::Duration;

use quorate_engine::kv::KvError;

use crate::error::SqlError;
use crate::kv_error::sql_error;
use crate::limits::{ATTEMPTS_MAX, CATALOG_PATIENCE};
use crate::node::SqlNode;

/// Wait after the first attempt; doubled after each further one.
const WAIT_FIRST: Duration = Duration::from_millis(2);
/// Longest wait between attempts.
const WAIT_MAX: Duration = Duration::from_millis(400);

/// Counts attempts and waits between them.
pub struct Attempts<'a> {
    node: &'a SqlNode,
    done: u32,
}

impl<'a> Attempts<'a> {
    /// None yet.
    pub fn new(node: &'a SqlNode) -> Self {
        Self { node, done: 0 }
    }

    /// Returns when the next attempt may start.
    ///
    /// # Errors
    /// The error itself, where another attempt would not help or there were enough.
    pub async fn after(&mut self, error: KvError) -> Result<(), SqlError> {
        let catalog = self.node.catalog.snapshot();
        self.done += 1;
        // Another table may have the name by now: whoever asks again is bound to that one, or told that there is none.
        let is_gone = matches!(error, KvError::NoRange { .. });
        if !(error.is_retryable() || is_gone) || self.done >= ATTEMPTS_MAX {
            return Err(sql_error(error, Some(&catalog)));
        }
        self.node.clock.sleep(wait_after(self.done)).await;
        Ok(())
    }
}

fn wait_after(attempts: u32) -> Duration {
    WAIT_FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(WAIT_MAX)
}

/// As [`Attempts`] for changes of the catalog: what counts is time. One whose end is not known is repeated too, by whoever can
/// tell then whether it was done; and one that a range was too busy for, or that came while it had no leader.
pub struct CatalogAttempts<'a> {
    node: &'a SqlNode,
    done: u32,
    until_micros: u64,
    /// An attempt that may have been carried out: a later one's failure is not the answer then.
    unknown: Option<SqlError>,
}

impl<'a> CatalogAttempts<'a> {
    /// None yet.
    pub fn new(node: &'a SqlNode) -> Self {
        let patience = u64::try_from(CATALOG_PATIENCE.as_micros()).unwrap_or(u64::MAX);
        let until_micros = node.clock.now_micros().saturating_add(patience);
        Self { node, done: 0, until_micros, unknown: None }
    }

    /// Returns when the next attempt may start.
    ///
    /// # Errors
    /// The error itself, where another attempt would not help or the time is over; 40003, where one of them may have been
    /// carried out.
    pub async fn after(&mut self, error: KvError) -> Result<(), SqlError> {
        if error.is_ambiguous() {
            self.unknown = Some(sql_error(error.clone(), None));
        }
        let is_unavailable = matches!(error, KvError::Unavailable { .. });
        let may_repeat = error.is_retryable() || error.is_ambiguous() || is_unavailable;
        if !may_repeat || self.node.clock.now_micros() >= self.until_micros {
            return Err(self.unknown.take().unwrap_or_else(|| sql_error(error, None)));
        }
        self.done += 1;
        self.node.clock.sleep(wait_after(self.done)).await;
        Ok(())
    }

    /// As [`CatalogAttempts::after`], of a whole statement: it is repeated where it has lost against others.
    ///
    /// # Errors
    /// The error itself, where another attempt would not help or the time is over.
    pub async fn after_statement(&mut self, error: SqlError, has_lost: bool) -> Result<(), SqlError> {
        if !has_lost || self.node.clock.now_micros() >= self.until_micros {
            return Err(error);
        }
        self.done += 1;
        self.node.clock.sleep(wait_after(self.done)).await;
        Ok(())
    }
}
