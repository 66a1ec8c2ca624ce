//! Before ranges go for good: no range that stays needs a record that lies there.
//!
//! What is over has its intents resolved wherever they lie; what is not over is waited for, or aborted when its coordinator
//! gives no sign of life. An intent whose record lies in no range is from then on that of a transaction that never committed
//! (`router/locks`). Precondition: nobody begins to commit there any more. A range writes at its node's clock or above, and
//! who knows a dropped table has a deadline below that, since catalogs are waited for first (`Member::await_catalog`): what
//! is laid behind a page that was read here cannot be committed.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use quorate_engine::kv::{KvError, Span};

use super::DistributedDatabase;
use super::by_range::by_range;
use super::sweeper::RESOLVED_AT_ONCE_MAX;
use crate::api::{EndedTransaction, Leftover, PushRequest, Swept};
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
    /// [`KvError::Retry`] where a transaction there lives on for too long; the errors of reads.
    pub async fn close_span(&self, span: &Span) -> Result<(), KvError> {
        if !safeguard::holds(Safeguard::RangesClosed) {
            return Ok(());
        }
        let (router, mut budget) = (self.router(), self.budget());
        let mut spans = vec![span.clone()];
        while !spans.is_empty() {
            for (range, parts) in by_range(router, std::mem::take(&mut spans), &mut budget).await? {
                for part in parts {
                    match self.close_part(&range, &part, &mut budget).await {
                        Ok(()) => {}
                        Err(NotClosed::Moved) => spans.push(part),
                        Err(NotClosed::Failed(error)) => return Err(error),
                    }
                }
            }
        }
        Ok(())
    }

    /// Closes what lies in a range, if it still does.
    async fn close_part(
        &self,
        range: &RangeDescriptor,
        part: &Span,
        budget: &mut QuorumBudget,
    ) -> Result<(), NotClosed> {
        let failed = |error: SendError| NotClosed::of(error, range);
        let until = self.boottime() + LOCK_WAIT_MAX;
        let mut after = None;
        loop {
            let wanted = Leftover::AllRecords { after: after.clone() };
            let Swept { abandoned, ended, next } =
                self.sweep_page((range, part), wanted, budget).await.map_err(failed)?;
            let resolved = ended.into_iter().map(|transaction| self.resolve_for_good(transaction, range));
            let resolved = futures::stream::iter(resolved).buffer_unordered(RESOLVED_AT_ONCE_MAX);
            resolved.try_collect::<()>().await?;
            let is_over = abandoned.is_empty();
            for holder in abandoned {
                let push = PushRequest { holder, pusher: None };
                self.router().push(push, budget).await.map_err(failed)?;
            }
            if !is_over {
                self.pause_until(until, range).await?;
                continue;
            }
            let Some(next) = next else { return Ok(()) };
            after = Some(next);
        }
    }

    /// Resolves all intents of a transaction that is over.
    async fn resolve_for_good(
        &self,
        transaction: EndedTransaction,
        range: &RangeDescriptor,
    ) -> Result<(), NotClosed> {
        let id = transaction.id.transaction;
        if self.resolve_ended(transaction).await.is_some() {
            return Ok(());
        }
        let detail =
            format!("intents of transaction {id}, whose record lies there, are still to be resolved");
        Err(NotClosed::Failed(KvError::Unavailable { range_id: range.range_id.0, detail }))
    }

    async fn pause_until(&self, until: Duration, range: &RangeDescriptor) -> Result<(), NotClosed> {
        if self.boottime() >= until {
            let reason = format!("transactions in {} are not over yet", range.range_id);
            let key = range.span.start.clone();
            return Err(NotClosed::Failed(KvError::Retry { key, reason }));
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    fn boottime(&self) -> Duration {
        self.router().clock().physical().boottime()
    }
}

/// Why a range is not closed.
enum NotClosed {
    /// It holds other keys by now: they are looked for again.
    Moved,
    Failed(KvError),
}

impl NotClosed {
    fn of(error: SendError, range: &RangeDescriptor) -> Self {
        match error {
            SendError::Stale => Self::Moved,
            error @ (SendError::Answered(_) | SendError::Unavailable { .. } | SendError::Lost { .. }) => {
                Self::Failed(read_error(error, &range.span.start))
            }
        }
    }
}
