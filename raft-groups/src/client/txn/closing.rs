//! Before ranges go for good: no range that stays needs a record that lies there.
//!
//! What is over has its intents resolved wherever they lie; what is not over is waited for, or aborted when its coordinator
//! gives no sign of life. An intent whose record lies in no range is from then on that of a transaction that never committed
//! (`router/locks`). Precondition: nobody begins to commit there any more. A range writes at its node's clock or above, and
//! who knows a dropped table has a deadline below that, since catalogs are waited for first (`Member::await_catalog`): what
//! is laid behind a page that was read here cannot be committed.

use std::sync::Arc;
use std::time::Duration;

use quorate_engine::kv::{KvError, Span};

use super::DistributedDatabase;
use super::by_range::by_range;
use crate::api::{Leftover, PushRequest, Swept};
use crate::client::budget::QuorumBudget;
use crate::client::router::{SendError, read_error};
use crate::descriptor::RangeDescriptor;
use crate::limits::LOCK_WAIT_MAX;
use crate::safeguard::{self, Safeguard};

/// Pause before transactions that are not over are asked for again.
const PAUSE: Duration = Duration::from_millis(20);

impl DistributedDatabase {
    /// Ends all that transactions have to do with the ranges of these keys, which are to be removed. Repeating it does no
    /// harm.
    ///
    /// # Errors
    /// [`KvError::Retry`] where a transaction there lives on for too long, or ranges moved; the errors of reads.
    pub async fn close_span(&self, span: &Span) -> Result<(), KvError> {
        if !safeguard::holds(Safeguard::RangesClosed) {
            return Ok(());
        }
        let (router, mut budget) = (self.router(), self.budget());
        for (range, _) in by_range(router, vec![span.clone()], &mut budget).await? {
            self.close_range(&range, &mut budget).await?;
        }
        Ok(())
    }

    async fn close_range(
        &self,
        range: &Arc<RangeDescriptor>,
        budget: &mut QuorumBudget,
    ) -> Result<(), KvError> {
        let until = self.boottime() + LOCK_WAIT_MAX;
        let mut after = None;
        loop {
            let wanted = Leftover::AllRecords { after: after.clone() };
            let told = self.sweep_page(range, wanted).await;
            let Swept { abandoned, ended, next } = told.map_err(|error| self.closing_error(error, range))?;
            for transaction in ended {
                let id = transaction.id.clone();
                if self.resolve_ended(transaction).await.is_none() {
                    return Err(KvError::Unavailable {
                        range_id: range.range_id.0,
                        detail: format!("intents of transaction {} are still to be resolved", id.transaction),
                    });
                }
            }
            let is_over = abandoned.is_empty();
            for holder in abandoned {
                let push = PushRequest { holder, pusher: None };
                let asked = self.router().push(push, budget).await;
                asked.map_err(|error| self.closing_error(error, range))?;
            }
            if !is_over {
                self.pause_until(until, range).await?;
                continue;
            }
            let Some(next) = next else { return Ok(()) };
            after = Some(next);
        }
    }

    async fn pause_until(&self, until: Duration, range: &RangeDescriptor) -> Result<(), KvError> {
        if self.boottime() >= until {
            let reason = format!("transactions in {} are not over yet", range.range_id);
            return Err(KvError::Retry { key: range.span.start.clone(), reason });
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    fn boottime(&self) -> Duration {
        self.router().clock().physical().boottime()
    }

    /// Ranges that changed are looked up anew by the next try.
    fn closing_error(&self, error: SendError, range: &RangeDescriptor) -> KvError {
        if error == SendError::Stale {
            self.router().forget(range);
        }
        read_error(error, &range.span.start)
    }
}
