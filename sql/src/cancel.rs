//! Cancelling a statement: a token that the wire sets and everything that waits watches.
//!
//! Invariant: a commit is never cancelled half-way. [`CancelToken`] is looked at between pages and while reads wait;
//! a commit that has been sent is awaited to its end.

use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

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
#[derive(Clone, Debug, Default)]
pub struct CancelToken {
    cancellation: Arc<Cancellation>,
}

/// Asked several times a statement, and set hardly ever.
#[derive(Debug, Default)]
struct Cancellation {
    reason: OnceLock<CancelReason>,
    /// Wakes who waits, once there is a reason.
    given: Notify,
}

impl CancelToken {
    /// A token that nobody has cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels; the first reason stays.
    pub fn cancel(&self, reason: CancelReason) {
        if self.cancellation.reason.set(reason).is_ok() {
            self.cancellation.given.notify_waiters();
        }
    }

    /// Whether the statement should stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancellation.reason.get().is_some()
    }

    /// Fails with the reason's error once the token was cancelled.
    ///
    /// # Errors
    /// 57014, or 57P01 where the node stops.
    pub fn check(&self) -> Result<(), SqlError> {
        self.cancellation.reason.get().map_or(Ok(()), |reason| Err(reason.error()))
    }

    /// Returns when the token is cancelled; never before.
    pub async fn cancelled(&self) -> CancelReason {
        loop {
            let given = self.cancellation.given.notified();
            tokio::pin!(given);
            // From here on a reason that is given wakes this task; one that was given before is seen below.
            given.as_mut().enable();
            if let Some(reason) = self.cancellation.reason.get() {
                return *reason;
            }
            given.await;
        }
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
        assert_eq!(token.cancelled().await, CancelReason::Timeout, "it is too late to be woken");
        let error = token.check().unwrap_err();
        assert_eq!(error.state, SqlState::QueryCanceled);
        assert!(error.message.contains("timeout"));
    }
}
