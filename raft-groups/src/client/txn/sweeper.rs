//! Sweeps the ranges that this node leads: intents that nobody meets are resolved, and records that nobody may ask for
//! any more are removed (design.md section 7).
//!
//! Two sweeps, since they differ in haste: an intent is few and in somebody's way, records are as many as transactions.
//! Invariant: one leftover that cannot be dealt with, or one range that cannot be reached, keeps no other waiting until
//! the next sweep.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use quorate_engine::kv::Span;
use quorate_engine::mvcc::intent::TransactionEnd;

use super::DistributedDatabase;
use super::resolver::resolve_all;
use crate::api::{
    EndedTransaction, Holder, Leftover, PushRequest, RecordId, RecordState, Request, ResolveRequest,
    Response, SweepRequest, Swept, Transact,
};
use crate::client::budget::QuorumBudget;
use crate::client::router::{SendError, wrong_answer};
use crate::descriptor::RangeDescriptor;
use crate::evaluate::sweep::TOLD_MAX;
use crate::local_ranges::LocalRanges;

/// Pause between two pages: sweeping is slow, so that it takes nothing from others.
const PAGE_PAUSE: Duration = Duration::from_millis(50);
/// Transactions whose intents are resolved at the same time.
pub(super) const RESOLVED_AT_ONCE_MAX: usize = 16;
/// Pages of one range in one round: what is left waits for the next.
const PAGES_MAX: usize = 1_000;

impl DistributedDatabase {
    /// Sweeps old intents once out of every range that is led here.
    pub async fn sweep_intents(&self, ranges: &dyn LocalRanges) {
        for range in self.led(ranges) {
            if let Err(error) = self.sweep_intents_of(&range).await {
                tracing::debug!(range = %range.range_id, ?error, "intents not swept this time");
            }
        }
    }

    /// Sweeps old records once out of every range that is led here.
    pub async fn sweep_records(&self, ranges: &dyn LocalRanges) {
        for range in self.led(ranges) {
            if let Err(error) = self.sweep_records_of(&range).await {
                tracing::debug!(range = %range.range_id, ?error, "records not swept this time");
            }
        }
    }

    /// The ranges that are led here. They are as new as they get: after a split that nobody asked for yet, the router
    /// would look for their keys elsewhere.
    fn led(&self, ranges: &dyn LocalRanges) -> Vec<Arc<RangeDescriptor>> {
        let led = ranges.statuses().into_iter().filter(|status| status.has_lease);
        let led: Vec<Arc<RangeDescriptor>> = led.map(|status| status.descriptor).collect();
        for range in &led {
            self.router().learn(RangeDescriptor::clone(range));
        }
        led
    }

    /// One page of what is left in a part of a range.
    pub(super) async fn sweep_page(
        &self,
        (range, part): (&RangeDescriptor, &Span),
        wanted: Leftover,
        budget: &mut QuorumBudget,
    ) -> Result<Swept, SendError> {
        let request = SweepRequest { span: part.clone(), wanted };
        let answer = self.router().send(range, Request::Transact(Transact::Sweep(request)), budget).await?;
        let Response::Swept(swept) = answer else { return Err(wrong_answer("a sweep")) };
        Ok(swept)
    }

    async fn sweep_intents_of(&self, range: &RangeDescriptor) -> Result<(), SendError> {
        for _ in 0..PAGES_MAX {
            let told =
                self.sweep_page((range, &range.span), Leftover::Intents, &mut self.budget()).await?.abandoned;
            let (count, mut gone) = (told.len(), 0);
            for holder in told {
                let transaction = holder.transaction;
                match self.end_abandoned(range, holder).await {
                    Ok(is_gone) => gone += usize::from(is_gone),
                    Err(error) => tracing::debug!(%transaction, ?error, "its intents stay this time"),
                }
            }
            // More may lie behind those that are gone by now.
            if count < TOLD_MAX || gone == 0 {
                return Ok(());
            }
            tokio::time::sleep(PAGE_PAUSE).await;
        }
        Ok(())
    }

    async fn sweep_records_of(&self, range: &RangeDescriptor) -> Result<(), SendError> {
        let (mut after, mut resolved) = (None, Vec::new());
        for _ in 0..PAGES_MAX {
            let wanted = Leftover::Records { after, resolved: std::mem::take(&mut resolved) };
            let Swept { ended, next, .. } =
                self.sweep_page((range, &range.span), wanted, &mut self.budget()).await?;
            let gone = ended.into_iter().map(|transaction| self.resolve_ended(transaction));
            let mut gone = futures::stream::iter(gone).buffer_unordered(RESOLVED_AT_ONCE_MAX);
            while let Some(id) = gone.next().await {
                resolved.extend(id);
            }
            drop(gone);
            if next.is_none() && resolved.is_empty() {
                return Ok(());
            }
            after = next;
            tokio::time::sleep(PAGE_PAUSE).await;
        }
        Ok(())
    }

    /// Pushes the owner of old intents, and resolves them in this range if it is over; whether none is left.
    async fn end_abandoned(&self, range: &RangeDescriptor, holder: Holder) -> Result<bool, SendError> {
        let mut budget = self.budget();
        let transaction = holder.transaction;
        let push = PushRequest { holder, pusher: None };
        let state = self.router().push(push, &mut budget).await?;
        let RecordState::Ended(outcome) = state else { return Ok(false) };
        Ok(self.resolve_in(transaction, outcome, vec![range.span.clone()]).await)
    }

    /// Resolves what may be left of a transaction; its record's id, where nothing is.
    pub(super) async fn resolve_ended(&self, transaction: EndedTransaction) -> Option<RecordId> {
        let EndedTransaction { id, outcome, intent_spans } = transaction;
        self.resolve_in(id.transaction, outcome, intent_spans).await.then_some(id)
    }

    /// Whether every intent of a transaction in these spans is resolved.
    async fn resolve_in(&self, transaction: uuid::Uuid, outcome: TransactionEnd, spans: Vec<Span>) -> bool {
        let request = ResolveRequest { transaction, outcome, spans };
        let left = resolve_all(self.router(), request, &mut self.budget()).await;
        left.is_ok_and(|left| left.is_empty())
    }
}
