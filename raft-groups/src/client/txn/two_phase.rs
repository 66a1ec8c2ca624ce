//! COMMIT over several ranges, or of more than one command: carries out what [`TwoPhaseSteps`] decides.
//!
//! It runs in a task of its own: a caller that goes away stops nothing half-way. A heartbeat keeps the record alive
//! beside it. Stories of section 14: the first intents go with the record (20), and nothing is resolved before the
//! record says how (8).

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, KvError, Span, Write};
use quorate_engine::kv_reads::ReadSpan;
use quorate_engine::kv_spans::ReadSpans;
use quorate_engine::mvcc::intent::TransactionEnd;

use super::DatabaseShared;
use super::refresh::{Refresh, refresh};
use super::resolver::resolve_all;
use super::two_phase_steps::{Effect, End, Event, Plan, TwoPhaseSteps};
use crate::api::{
    Decision, EndRequest, IntentsRequest, RecordState, Request, ResolveRequest, Response, Transact,
    TransactionMeta,
};
use crate::client::budget::QuorumBudget;
use crate::client::router::{SendError, read_error, unexpected};
use crate::descriptor::RangeDescriptor;
use crate::evaluate::intents::intent_bytes;
use crate::limits::{
    INTENT_SPANS_BYTES_MAX, INTENT_SPANS_MAX, INTENTS_MAX_BYTES, RANGES_AT_ONCE_MAX,
    TRANSACTION_HEARTBEAT_EVERY, TRANSACTION_HEARTBEAT_WAIT,
};
use crate::safeguard::{self, Safeguard};

/// Pause before a decision without an answer is sent again.
const LOST_PAUSE: Duration = Duration::from_millis(100);

/// Commits one transaction.
pub(super) struct Coordinator {
    pub shared: Arc<DatabaseShared>,
    pub transaction: TransactionMeta,
    /// By key, not empty; the first is the anchor.
    pub writes: Arc<Vec<Write>>,
    pub read_spans: Vec<ReadSpan>,
    pub deadline: Option<Timestamp>,
    pub budget: QuorumBudget,
    /// How many writes went with the record.
    pub anchored: usize,
}

impl Coordinator {
    /// Commits, or leaves nothing behind; also tells what is left of the budget.
    pub(super) async fn commit(self) -> (Result<Timestamp, KvError>, QuorumBudget) {
        let budget = self.budget;
        let id = self.transaction.id;
        match tokio::spawn(self.run()).await {
            Ok(done) => done,
            Err(error) => {
                let detail = format!("its coordinator failed: {error}");
                (Err(KvError::Ambiguous { transaction: id, detail }), budget)
            }
        }
    }

    async fn run(mut self) -> (Result<Timestamp, KvError>, QuorumBudget) {
        let first = self.writes.first().map(|write| &write.key);
        assert!(first == Some(&self.transaction.anchor), "the first written key is the anchor");
        assert!(
            self.writes.is_sorted_by(|a, b| a.key < b.key),
            "each key is written once, and they are in order"
        );
        let plan = Plan { has_reads: !self.read_spans.is_empty(), deadline: self.deadline };
        let (mut steps, first) = TwoPhaseSteps::new(plan);
        // The record is there once the first step has been carried out: from then on it is kept alive.
        let mut event = self.carry_out(&first).await;
        let heartbeat = heartbeat(Arc::clone(&self.shared), self.transaction.clone());
        tokio::pin!(heartbeat);
        loop {
            let effect = match steps.step(event, self.budget.is_spent()) {
                Effect::Done(end) => return (self.finish(end).await, self.budget),
                Effect::Abort(error) => return (self.abort(error).await, self.budget),
                step @ (Effect::LayAnchor
                | Effect::LayRest
                | Effect::Refresh { .. }
                | Effect::Decide { .. }) => step,
            };
            event = tokio::select! {
                biased;
                event = self.carry_out(&effect) => event,
                outcome = &mut heartbeat => Event::Ended(outcome),
            };
        }
    }

    async fn carry_out(&mut self, effect: &Effect) -> Event {
        match effect {
            Effect::LayAnchor => self.lay_anchor().await,
            Effect::LayRest => self.lay_rest().await,
            Effect::Refresh { upto } => self.refresh(*upto).await,
            Effect::Decide { at } => self.decide(*at).await,
            Effect::Abort(_) | Effect::Done(_) => unreachable!("the end is not carried out as a step"),
        }
    }

    async fn lay_anchor(&mut self) -> Event {
        let anchor = self.transaction.anchor.clone();
        let router = Arc::clone(&self.shared.router);
        loop {
            let range = match router.range_of(&anchor, &mut self.budget).await {
                Ok(range) => range,
                Err(error) => return Event::Failed { error, is_clean: true },
            };
            let count = self.chunk(0..self.writes.len(), &range);
            let request = self.intents(0..count, true);
            match router.send_as(&range, request, &mut self.budget, None).await {
                Ok(Response::IntentsLaid(timestamp)) => {
                    self.anchored = count;
                    return Event::Laid(timestamp);
                }
                Err(SendError::Stale) => {}
                other => return no_intents(other, &anchor),
            }
        }
    }

    /// Lays what did not go with the record, in all ranges at once; what lies elsewhere by now is grouped again.
    async fn lay_rest(&mut self) -> Event {
        assert!(self.anchored > 0, "the anchor's intent is laid with the record, before all others");
        let mut newest = Timestamp::MIN;
        let mut left: Vec<_> = std::iter::once(self.anchored..self.writes.len()).collect();
        while left.iter().any(|part| !part.is_empty()) {
            let parts = match self.by_range(std::mem::take(&mut left)).await {
                Ok(parts) => parts,
                Err(error) => return Event::Failed { error, is_clean: false },
            };
            let this = &*self;
            let mut budget = self.budget;
            let laid = parts.into_iter().map(|(range, part)| this.lay_part(range, part));
            let mut laid = futures::stream::iter(laid).buffer_unordered(RANGES_AT_ONCE_MAX);
            while let Some((part, spare)) = laid.next().await {
                budget.limit_to(spare);
                match part {
                    Ok((timestamp, rest)) => {
                        newest = newest.max(timestamp);
                        left.push(rest);
                    }
                    Err(event) => return event,
                }
            }
            drop(laid);
            assert!(budget.left() <= self.budget.left(), "waiting fills no budget");
            self.budget = budget;
        }
        Event::Laid(newest)
    }

    /// Lays one range's part, a command's worth at a time. What the range no longer holds comes back.
    async fn lay_part(
        &self,
        range: Arc<RangeDescriptor>,
        mut part: Range<usize>,
    ) -> (Result<(Timestamp, Range<usize>), Event>, QuorumBudget) {
        let mut budget = self.budget;
        let mut newest = Timestamp::MIN;
        let rank = Some(self.transaction.rank());
        while !part.is_empty() {
            let end = part.start + self.chunk(part.clone(), &range);
            assert!(part.start < end && end <= part.end, "each request lays intents, and no other part's");
            let request = self.intents(part.start..end, false);
            match self.shared.router.send_as(&range, request, &mut budget, rank).await {
                Ok(Response::IntentsLaid(timestamp)) => {
                    newest = newest.max(timestamp);
                    part.start = end;
                }
                Err(SendError::Stale) => break,
                other => return (Err(no_intents(other, &range.span.start)), budget),
            }
        }
        (Ok((newest, part)), budget)
    }

    /// Cuts parts of the writes at the bounds of ranges.
    async fn by_range(
        &mut self,
        parts: Vec<Range<usize>>,
    ) -> Result<Vec<(Arc<RangeDescriptor>, Range<usize>)>, KvError> {
        let router = Arc::clone(&self.shared.router);
        let mut cut = Vec::new();
        for mut part in parts {
            while let Some(write) = self.writes.get(part.start).filter(|_| !part.is_empty()) {
                let range = router.range_of(&write.key, &mut self.budget).await?;
                let writes = self.writes.get(part.clone()).unwrap_or_default();
                let here = writes.partition_point(|write| range.span.contains(&write.key)).max(1);
                assert!(here <= part.len(), "a range takes no more writes than there are");
                cut.push((range, part.start..part.start + here));
                part.start += here;
            }
        }
        Ok(cut)
    }

    /// How many writes, from the first of `part` on, lie in the range and fit one command: at least one.
    fn chunk(&self, part: Range<usize>, range: &RangeDescriptor) -> usize {
        let mut bytes = 0;
        let writes = self.writes.get(part).unwrap_or_default().iter();
        let fits = |write: &&Write| {
            bytes += intent_bytes(&self.transaction.anchor, write);
            bytes <= INTENTS_MAX_BYTES && range.span.contains(&write.key)
        };
        writes.take_while(fits).count().max(1)
    }

    fn intents(&self, part: Range<usize>, with_record: bool) -> Request {
        Request::Transact(Transact::LayIntents(IntentsRequest {
            transaction: self.transaction.clone(),
            sequence: u32::try_from(part.start).unwrap_or(u32::MAX),
            writes: self.writes.get(part).unwrap_or_default().to_vec(),
            with_record,
        }))
    }

    async fn refresh(&mut self, upto: Timestamp) -> Event {
        let question = Refresh {
            spans: self.read_spans.clone(),
            after: self.transaction.read_timestamp,
            upto,
            own: Some(self.transaction.id),
            rank: Some(self.transaction.rank()),
        };
        match refresh(&self.shared.router, &question, &mut self.budget).await {
            Ok(()) => Event::Refreshed,
            Err(error) => Event::Failed { error, is_clean: false },
        }
    }

    async fn decide(&mut self, at: Timestamp) -> Event {
        safeguard::reach("txn-before-record");
        let decision = Decision::Commit { timestamp: at, deadline: self.deadline };
        if !safeguard::holds(Safeguard::RecordBeforeResolve) {
            let outcome = TransactionEnd::Committed { attempt: self.transaction.attempt, timestamp: at };
            // What a test switches on; its error is the known bug's own.
            let _ = resolve_all(&self.shared.router, self.resolution(outcome), &mut self.budget).await;
        }
        let mut budget = self.budget;
        let event = match self.end(decision, &mut budget).await {
            Ok(Some(Response::State(RecordState::Ended(outcome)))) => Event::Ended(outcome),
            Ok(Some(_)) => Event::Lost("the range gave another answer than to a commit".to_owned()),
            Ok(None) => Event::Failed { error: self.dropped(), is_clean: false },
            Err(SendError::Lost { range_id, detail }) => {
                // A range may say at once that it does not know: it is asked again a little later.
                tokio::time::sleep(LOST_PAUSE).await;
                budget.spend(LOST_PAUSE);
                Event::Lost(format!("{range_id}: {detail}"))
            }
            Err(error) => {
                let error = read_error(error, &self.transaction.anchor);
                Event::Failed { error, is_clean: false }
            }
        };
        assert!(budget.left() <= self.budget.left(), "waiting fills no budget");
        self.budget = budget;
        if matches!(event, Event::Ended(TransactionEnd::Committed { .. })) {
            safeguard::reach("txn-after-record");
        }
        event
    }

    /// Sends the end to the record; `None` where no range holds it any more.
    async fn end(
        &self,
        decision: Decision,
        budget: &mut QuorumBudget,
    ) -> Result<Option<Response>, SendError> {
        let request = EndRequest {
            transaction: self.transaction.clone(),
            decision,
            intent_spans: intent_spans(&self.writes),
        };
        let anchor = &self.transaction.anchor;
        self.shared.router.ask_anchor(anchor, Transact::End(request), budget).await
    }

    /// What is told of a transaction that has not committed, and never will.
    fn dropped(&self) -> KvError {
        let reason = "a table that it wrote was dropped meanwhile".to_owned();
        KvError::Retry { key: self.transaction.anchor.clone(), reason }
    }

    fn resolution(&self, outcome: TransactionEnd) -> ResolveRequest {
        ResolveRequest { transaction: self.transaction.id, outcome, spans: intent_spans(&self.writes) }
    }

    /// Resolves behind the answer.
    fn resolve(&self, outcome: TransactionEnd) {
        let resolver = &self.shared.resolver;
        let intents = (self.resolution(outcome), self.transaction.anchor.clone());
        resolver.enqueue(&self.shared.router, intents, self.shared.budget());
    }

    async fn finish(&self, end: End) -> Result<Timestamp, KvError> {
        let transaction = self.transaction.id;
        let key = self.transaction.anchor.clone();
        match end {
            End::Committed { attempt, timestamp } => {
                // Commit wait: nothing is acknowledged before the local clock has passed the timestamp (story 14).
                tokio::time::sleep(self.shared.router.clock().wait_until_passed(timestamp)).await;
                self.resolve(TransactionEnd::Committed { attempt, timestamp });
                Ok(timestamp)
            }
            End::AbortedByOthers => {
                self.resolve(TransactionEnd::Aborted);
                let reason = format!(
                    "transaction {transaction} was aborted by another one that waited for its keys, or took its \
                     coordinator for dead"
                );
                Err(KvError::Retry { key, reason })
            }
            End::Failed(error) => Err(error),
            End::Ambiguous(detail) => Err(KvError::Ambiguous { transaction, detail }),
        }
    }

    /// Takes everything back. Where its record cannot be reached the transaction expires, since nobody keeps it alive.
    async fn abort(&self, error: KvError) -> Result<Timestamp, KvError> {
        let mut budget = QuorumBudget::new(TRANSACTION_HEARTBEAT_WAIT);
        if let Err(left) = self.end(Decision::Abort, &mut budget).await {
            tracing::debug!(transaction = %self.transaction.id, error = ?left, "left to expire");
        } else {
            self.resolve(TransactionEnd::Aborted);
        }
        Err(error)
    }
}

/// What an answer other than "laid" means.
fn no_intents(answer: Result<Response, SendError>, key: &Key) -> Event {
    match answer {
        Ok(Response::State(RecordState::Ended(outcome))) => Event::Ended(outcome),
        Ok(_) => Event::Failed { error: unexpected("another answer than to intents"), is_clean: false },
        Err(error) => {
            let is_clean = matches!(error, SendError::Answered(_));
            Event::Failed { error: read_error(error, key), is_clean }
        }
    }
}

/// Shows that the coordinator is alive; ends when the record says that the transaction is over.
async fn heartbeat(shared: Arc<DatabaseShared>, transaction: TransactionMeta) -> TransactionEnd {
    loop {
        tokio::time::sleep(TRANSACTION_HEARTBEAT_EVERY).await;
        let step = Transact::Heartbeat { transaction: transaction.id, anchor: transaction.anchor.clone() };
        let mut budget = QuorumBudget::new(TRANSACTION_HEARTBEAT_WAIT);
        let asked = shared.router.ask_anchor(&transaction.anchor, step, &mut budget);
        // Where no range holds the record any more, what it said before is not known: the decision finds that out.
        if let Ok(Some(Response::State(RecordState::Ended(outcome)))) = asked.await {
            return outcome;
        }
    }
}

/// Where the intents of these writes lie, in few spans.
fn intent_spans(writes: &[Write]) -> Vec<Span> {
    let mut max = INTENT_SPANS_MAX;
    loop {
        let mut spans = ReadSpans::with_max(max);
        for write in writes {
            spans.add_key(write.key.clone());
        }
        let bytes: usize = spans.iter().map(|span| span.start.len() + span.end.len()).sum();
        if bytes <= INTENT_SPANS_BYTES_MAX || max == 1 {
            return spans.iter().collect();
        }
        max /= 2;
    }
}
