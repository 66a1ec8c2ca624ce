//! Running something again that lost against another transaction: how often, and after which waits.

use std::time::Duration;

use quorate_engine::kv::KvError;

use super::kv_error::sql_error;
use crate::error::SqlError;
use crate::node::SqlNode;

/// Most attempts at one statement, the first included: with the waits below about two seconds.
pub const ATTEMPTS_MAX: u32 = 12;
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
        if !error.is_retryable() || self.done >= ATTEMPTS_MAX {
            return Err(sql_error(error, Some(&catalog)));
        }
        let wait = WAIT_FIRST.saturating_mul(1 << (self.done - 1).min(16)).min(WAIT_MAX);
        self.node.clock.sleep(wait).await;
        Ok(())
    }
}
