//! Waiting for a catalog that may be relied on: a node that has just started confirms its catalog within a moment, and
//! until then it must not say of a name that it does not exist.
//!
//! Invariant: names are resolved only between two moments at which the lease on the same version of the catalog held.

use std::time::Duration;

use quorate_engine::hlc::Timestamp;

use crate::cancel::CancelToken;
use crate::error::SqlError;
use crate::node::SqlNode;

/// Longest wait of a statement for a lease on the catalog: a start needs about a second, an election one more. With what
/// a statement then waits for its ranges it stays near the five seconds within which everything is answered.
pub const CATALOG_WAIT_MAX: Duration = Duration::from_secs(2);
/// First wait before the lease is looked at again; doubled after each further one.
const WAIT_FIRST: Duration = Duration::from_millis(10);
/// Longest wait before it is looked at again.
const WAIT_LONGEST: Duration = Duration::from_millis(100);

/// One statement's waits for the lease, which are limited together.
pub(crate) struct CatalogWait<'a> {
    node: &'a SqlNode,
    cancel: &'a CancelToken,
    left: Duration,
    next: Duration,
}

impl<'a> CatalogWait<'a> {
    /// It has not waited yet.
    pub fn new(node: &'a SqlNode, cancel: &'a CancelToken) -> Self {
        Self { node, cancel, left: CATALOG_WAIT_MAX, next: WAIT_FIRST }
    }

    /// Until when this node may rely on its catalog, as soon as it may.
    ///
    /// # Errors
    /// 57P03 once the wait is over; 57014 where the statement was cancelled meanwhile.
    pub async fn lease(&mut self) -> Result<Timestamp, SqlError> {
        loop {
            let error = match self.node.cluster.catalog_lease() {
                Ok(until) => return Ok(until),
                Err(error) => error,
            };
            if self.left.is_zero() {
                return Err(error);
            }
            let wait = self.next.min(self.left);
            self.left -= wait;
            self.next = (self.next * 2).min(WAIT_LONGEST);
            tokio::select! {
                biased;
                reason = self.cancel.cancelled() => return Err(reason.error()),
                () = self.node.clock.sleep(wait) => {}
            }
        }
    }
}
