//! Cancelling a statement: a token that the wire sets and everything that waits watches.
//!
//! Invariant: a commit is never cancelled half-way. [`CancelToken`] is looked at between pages and while reads wait;
//! a commit that has been sent is awaited to its end.

use std::sync::Arc;

use tokio::sync::watch;

use crate::error::{SqlError, SqlState};

/// Why a statement was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelReason {
    /// The user asked for it.
    Request,
    /// `statement_timeout` has passed.
    Timeout,
    /// The node stops.
    Shutdown,
}

impl CancelReason {
    /// The error that the client gets.
    pub fn error(self) -> SqlError {
        match self {
            Self::Request => {
                SqlError::new(SqlState::QueryCanceled, "canceling statement due to user request")
            }
            Self::Timeout => {
                SqlError::new(SqlState::QueryCanceled, "canceling statement due to statement timeout")
            }
            Self::Shutdown => {
                SqlError::new(SqlState::AdminShutdown, "terminating connection: this node stops")
                    .with_hint("Connect to another node.")
            }
        }
    }
}

/// A cheap handle on the question "should this statement stop?". Clones share the answer.
#[derive(Clone, Debug)]
pub struct CancelToken {
    reason: Arc<watch::Sender<Option<CancelReason>>>,
}

impl CancelToken {
    /// A token that nobody has cancelled.
    pub fn new() -> Self {
        Self { reason: Arc::new(watch::channel(None).0) }
    }

    /// Cancels; the first reason stays.
    pub fn cancel(&self, reason: CancelReason) {
        self.reason.send_if_modified(|current| {
            let first = current.is_none();
            current.get_or_insert(reason);
            first
        });
    }

    /// Whether the statement should stop.
    pub fn is_cancelled(&self) -> bool {
        self.reason.borrow().is_some()
    }

    /// Fails with the reason's error once the token was cancelled.
    ///
    /// # Errors
    /// 57014, or 57P01 where the node stops.
    pub fn check(&self) -> Result<(), SqlError> {
        let reason = *self.reason.borrow();
        reason.map_or(Ok(()), |reason| Err(reason.error()))
    }

    /// Returns when the token is cancelled; never before.
    pub async fn cancelled(&self) -> CancelReason {
        let mut receiver = self.reason.subscribe();
        loop {
            if let Some(reason) = *receiver.borrow_and_update() {
                return reason;
            }
            // The sender lives as long as `self`, so that a change is the only way out.
            if receiver.changed().await.is_err() {
                return CancelReason::Request;
            }
        }
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn cancel_keeps_its_first_reason_and_wakes_waiters() {
        let token = CancelToken::new();
        assert!(token.check().is_ok());
        let waiter = tokio::spawn({
            let token = token.clone();
            async move { token.cancelled().await }
        });
        token.cancel(CancelReason::Timeout);
        token.cancel(CancelReason::Request);
        assert_eq!(waiter.await.unwrap(), CancelReason::Timeout);
        let error = token.check().unwrap_err();
        assert_eq!(error.state, SqlState::QueryCanceled);
        assert!(error.message.contains("timeout"));
    }
}
