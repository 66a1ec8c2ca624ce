//! Sweeps the ranges that this node leads: intents that nobody meets are resolved, and records that nobody may ask for
//! any more are removed (design.md section 7).

use std::time::Duration;

use quorate_engine::kv::Span;
use quorate_engine::mvcc::intent::Outcome;

use super::DistributedDatabase;
use super::resolver::resolve_all;
use crate::api::{
    EndedTransaction, Holder, PushRequest, RecordId, Request, ResolveRequest, Response, SweepRequest, Swept,
    Transact, TransactionState,
};
use crate::client::router::SendError;
use crate::descriptor::RangeDescriptor;
use crate::local_ranges::LocalRanges;

/// Pause between two pages: sweeping is slow, so that it takes nothing from others.
const PAGE_PAUSE: Duration = Duration::from_millis(50);
/// Pages of one range in one round: what is left waits for the next.
const PAGES_MAX: usize = 1_000;

impl DistributedDatabase {
    /// Sweeps once through every range that is led here.
    pub async fn sweep(&self, ranges: &dyn LocalRanges) {
        for status in ranges.statuses().into_iter().filter(|status| status.has_lease) {
            if let Err(error) = self.sweep_range(&status.descriptor).await {
                tracing::debug!(range = %status.descriptor.range_id, ?error, "not swept this time");
            }
        }
    }

    async fn sweep_range(&self, range: &RangeDescriptor) -> Result<(), SendError> {
        let (mut after, mut resolved) = (None, Vec::new());
        for _ in 0..PAGES_MAX {
            let request =
                SweepRequest { span: range.span.clone(), after, resolved: std::mem::take(&mut resolved) };
            let request = Request::Transact(Transact::Sweep(request));
            let Response::Swept(swept) = self.router().send(range, request, &mut self.budget()).await? else {
                return Ok(());
            };
            let Swept { abandoned, ended, next } = swept;
            for holder in abandoned {
                self.end_abandoned(range, holder).await?;
            }
            for transaction in ended {
                resolved.extend(self.resolve_ended(transaction).await);
            }
            if next.is_none() && resolved.is_empty() {
                return Ok(());
            }
            after = next;
            tokio::time::sleep(PAGE_PAUSE).await;
        }
        Ok(())
    }

    /// Pushes the owner of old intents, and resolves them in this range if it is over.
    async fn end_abandoned(&self, range: &RangeDescriptor, holder: Holder) -> Result<(), SendError> {
        let mut budget = self.budget();
        let (transaction, anchor) = (holder.transaction, holder.anchor.clone());
        let push = Transact::Push(PushRequest { holder, pusher: None });
        let answer = self.router().ask_anchor(&anchor, push, &mut budget).await?;
        if let Response::State(TransactionState::Ended(outcome)) = answer {
            self.resolve_in(transaction, outcome, vec![range.span.clone()]).await;
        }
        Ok(())
    }

    /// Resolves what may be left of a transaction; its record's id, where nothing is.
    async fn resolve_ended(&self, transaction: EndedTransaction) -> Option<RecordId> {
        let EndedTransaction { id, outcome, intent_spans } = transaction;
        self.resolve_in(id.transaction, outcome, intent_spans).await.then_some(id)
    }

    /// Whether every intent of a transaction in these spans is resolved.
    async fn resolve_in(&self, transaction: uuid::Uuid, outcome: Outcome, spans: Vec<Span>) -> bool {
        let request = ResolveRequest { transaction, outcome, spans };
        let left = resolve_all(self.router(), request, &mut self.budget()).await;
        left.is_ok_and(|left| left.is_empty())
    }
}
