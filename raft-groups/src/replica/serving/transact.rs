//! Steps of transactions with intents: what they latch, and what they mean for this range.
//!
//! Reads and writes that meet an intent are told so at once, and wait elsewhere, without latches; only a question about a
//! transaction that is alive waits here a little, as its end is applied here.

use std::sync::Arc;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, Span, Write};
use quorate_engine::mvcc::intent::TransactionEnd;
use quorate_engine::mvcc::record::{self, TransactionRecord, TransactionStatus};
use uuid::Uuid;

use super::Serving;
use super::propose::Intention;
use crate::api::{
    Decision, EndRequest, IntentsRequest, PushRequest, RangeError, RecordId, RecordState, Request,
    ResolveRequest, Response, SweepRequest, Transact, TransactionOutcome,
};
use crate::concurrency::latch_table::{Access, LatchSpans};
use crate::evaluate::commit::Floor;
use crate::evaluate::{Evaluated, end, heartbeat, intents, push, resolve, settle, sweep};
use crate::limits::PUSH_WAIT_MAX;

/// Writes or keys that are evaluated on the spot; more are evaluated on a thread that may block.
const INLINE_KEYS_MAX: usize = 16;

/// A step as it is proposed: [`Transact`] with the keys of a resolution found.
#[derive(Clone)]
pub(super) enum ProposedStep {
    LayIntents(IntentsRequest),
    Heartbeat { transaction: Uuid, anchor: Key },
    End(EndRequest),
    Push(PushRequest),
    Resolve { transaction: Uuid, outcome: TransactionEnd, found: resolve::Found },
    Sweep(sweep::Found),
    Settle(Vec<RecordId>),
}

impl ProposedStep {
    pub(super) fn latches(&self) -> LatchSpans {
        let exclusive = |key: &Key| (Span::point(key.clone()), Access::Exclusive);
        match self {
            Self::LayIntents(request) => {
                LatchSpans::new(request.writes.iter().map(|write| exclusive(&write.key)))
            }
            Self::Heartbeat { anchor, .. } => LatchSpans::new([exclusive(anchor)]),
            Self::End(request) => LatchSpans::new([exclusive(&request.transaction.anchor)]),
            Self::Push(request) => LatchSpans::new([exclusive(&request.holder.anchor)]),
            Self::Resolve { found, .. } => LatchSpans::new(found.keys.iter().map(exclusive)),
            Self::Sweep(found) => LatchSpans::new(found.forget.iter().map(|id| exclusive(&id.anchor))),
            Self::Settle(records) => LatchSpans::new(records.iter().map(|id| exclusive(&id.anchor))),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::LayIntents(request) => request.writes.iter().map(Write::size_bytes).sum(),
            Self::Heartbeat { .. } | Self::End(_) | Self::Push(_) | Self::Sweep(_) | Self::Settle(_) => 0,
            Self::Resolve { found, .. } => found.bytes,
        }
    }

    pub(super) fn is_long(&self) -> bool {
        match self {
            Self::LayIntents(request) => request.writes.len() > INLINE_KEYS_MAX,
            Self::Heartbeat { .. } | Self::End(_) | Self::Push(_) => false,
            Self::Resolve { found, .. } => found.keys.len() > INLINE_KEYS_MAX,
            Self::Sweep(found) => found.forget.len() > INLINE_KEYS_MAX,
            Self::Settle(records) => records.len() > INLINE_KEYS_MAX,
        }
    }

    /// Whether an answer that never comes leaves a transaction's fate open.
    pub(super) fn decides(&self) -> bool {
        match self {
            Self::End(request) => matches!(request.decision, Decision::Commit { .. }),
            Self::LayIntents(_)
            | Self::Heartbeat { .. }
            | Self::Push(_)
            | Self::Resolve { .. }
            | Self::Settle(_)
            | Self::Sweep(_) => false,
        }
    }

    /// Whether it writes what was not there: others wait for everything else.
    pub(super) fn brings_data(&self) -> bool {
        matches!(self, Self::LayIntents(_))
    }

    /// The transaction that it may have ended: whoever waits for that looks again.
    fn ends(&self) -> Option<Uuid> {
        match self {
            Self::End(request) => Some(request.transaction.id),
            Self::Push(request) => Some(request.holder.transaction),
            Self::LayIntents(_)
            | Self::Heartbeat { .. }
            | Self::Resolve { .. }
            | Self::Settle(_)
            | Self::Sweep(_) => None,
        }
    }
}

impl Serving {
    pub(super) async fn transact(self: &Arc<Self>, step: Transact) -> Result<Response, RangeError> {
        match step {
            Transact::LayIntents(request) => {
                self.forward_clock(request.transaction.read_timestamp)?;
                self.step(ProposedStep::LayIntents(request)).await
            }
            Transact::Heartbeat { transaction, anchor } => {
                self.step(ProposedStep::Heartbeat { transaction, anchor }).await
            }
            Transact::End(request) => {
                if let Decision::Commit { timestamp, .. } = request.decision {
                    self.forward_clock(timestamp)?;
                }
                self.step(ProposedStep::End(request)).await
            }
            Transact::Push(request) => self.push(request).await,
            Transact::Resolve(request) => self.resolve(request).await,
            Transact::Sweep(request) => self.sweep(request).await,
            Transact::Settle(records) => self.step(ProposedStep::Settle(records)).await,
        }
    }

    async fn step(self: &Arc<Self>, step: ProposedStep) -> Result<Response, RangeError> {
        let ends = step.ends();
        let response = self.write(Intention::Transact(step)).await?;
        if let (Some(transaction), Response::State(RecordState::Ended(_))) = (ends, &response) {
            self.ended.tell(transaction);
        }
        Ok(response)
    }

    /// Asks for a transaction; while it is alive, until it ends or [`PUSH_WAIT_MAX`] is over.
    async fn push(self: &Arc<Self>, request: PushRequest) -> Result<Response, RangeError> {
        let until = self.shared.physical.boottime() + PUSH_WAIT_MAX;
        let waiting = self.ended.wait_for(request.holder.transaction);
        loop {
            let ended = waiting.told().notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            let response = self.step(ProposedStep::Push(request.clone())).await?;
            let left = until.saturating_sub(self.shared.physical.boottime());
            if response != Response::State(RecordState::Pending) || left.is_zero() {
                return Ok(response);
            }
            let _ = tokio::time::timeout(left, ended).await;
        }
    }

    /// Resolves a command's worth of intents.
    async fn resolve(self: &Arc<Self>, request: ResolveRequest) -> Result<Response, RangeError> {
        let ResolveRequest { transaction, outcome, .. } = request;
        let deadline = self.deadline();
        self.wait_to_serve(deadline).await?;
        // Found without latches: a span may hold many keys that have nothing to do with this transaction. What changes
        // until the latches are held is seen again then.
        let asked = request.clone();
        let found = self
            .offload(true, move |this| resolve::find(this.shared.engine.snapshot().as_ref(), &request))
            .await??;
        // Of what a split took away meanwhile nothing can be said: it may be gone from this node, intents and all.
        self.check_bounds(&Request::Transact(Transact::Resolve(asked)))?;
        if let TransactionEnd::Committed { timestamp, .. } = outcome {
            self.forward_clock(timestamp)?;
        }
        self.step(ProposedStep::Resolve { transaction, outcome, found }).await
    }

    /// Looks for leftovers of transactions, and removes those records that nobody may ask for any more.
    async fn sweep(self: &Arc<Self>, request: SweepRequest) -> Result<Response, RangeError> {
        let deadline = self.deadline();
        self.wait_to_serve(deadline).await?;
        let now = self.hybrid_time(deadline).await?;
        let found = self
            .offload(true, move |this| sweep::find(this.shared.engine.snapshot().as_ref(), &request, now))
            .await??;
        if found.forget.is_empty() {
            // What the asker is told makes it ask others, and each of them knows for itself.
            return Ok(Response::Swept(found.swept));
        }
        self.step(ProposedStep::Sweep(found)).await
    }

    /// What a step means for the data as it is now, under its latches.
    /// What is answered of a transaction's end is what its record says, once the entry is applied here and while its latch
    /// is held. A replica of which that is not true tells lies about commits: it stops.
    pub(super) fn confirm(&self, intention: &Intention, response: &Response) -> Result<(), RangeError> {
        let (transaction, anchor) = match intention {
            Intention::QueryTransaction { transaction, anchor, .. } => (*transaction, anchor),
            Intention::Transact(ProposedStep::End(request)) => {
                (request.transaction.id, &request.transaction.anchor)
            }
            Intention::Transact(ProposedStep::Push(request)) => {
                (request.holder.transaction, &request.holder.anchor)
            }
            Intention::Commit(_)
            | Intention::Transact(
                ProposedStep::LayIntents(_)
                | ProposedStep::Heartbeat { .. }
                | ProposedStep::Resolve { .. }
                | ProposedStep::Sweep(_)
                | ProposedStep::Settle(_),
            ) => return Ok(()),
        };
        let record = record::get(self.shared.engine.snapshot().as_ref(), anchor, transaction);
        match record.map_err(|error| RangeError::Storage(error.to_string()))? {
            Some(record) if !agrees(&record, response) => {
                let detail =
                    format!("transaction {transaction} was told {response:?}, its record says {record:?}");
                self.machine.diverged(&detail);
                Err(RangeError::Storage(detail))
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn evaluate_step(&self, step: &ProposedStep, now: Timestamp) -> Result<Evaluated, RangeError> {
        let snapshot = self.shared.engine.snapshot();
        let snapshot = snapshot.as_ref();
        match step {
            ProposedStep::LayIntents(request) => {
                intents::evaluate(snapshot, request, self.floor(&request.writes, now))
            }
            ProposedStep::Heartbeat { transaction, anchor } => {
                heartbeat::evaluate(snapshot, *transaction, anchor, now)
            }
            ProposedStep::End(request) => end::evaluate(snapshot, request, now),
            ProposedStep::Push(request) => push::evaluate(snapshot, request, now),
            ProposedStep::Resolve { transaction, outcome, found } => {
                resolve::evaluate(snapshot, *transaction, *outcome, found)
            }
            ProposedStep::Sweep(found) => sweep::evaluate(snapshot, found, now),
            ProposedStep::Settle(records) => settle::evaluate(snapshot, records),
        }
    }

    /// What writes of now come after. To be asked once the snapshot of the evaluation is there: what is applied is marked
    /// before the store shows it, so that the mark covers all of the snapshot.
    pub(super) fn floor(&self, writes: &[Write], now: Timestamp) -> Floor {
        Floor { now, read: self.newest_read(writes), written: self.machine.newest_write() }
    }

    /// Newest read of any key that is written.
    fn newest_read(&self, writes: &[Write]) -> Timestamp {
        let cache = self.cache.lock();
        let reads = writes.iter().map(|write| cache.newest(&Span::point(write.key.clone())));
        reads.max().unwrap_or(Timestamp::MIN)
    }
}

/// Whether an answer about a transaction's end is that of its record.
fn agrees(record: &TransactionRecord, response: &Response) -> bool {
    let aborted = record.status == TransactionStatus::Aborted;
    let committed_at =
        |at: Timestamp| record.status == TransactionStatus::Committed && record.timestamp == at;
    match response {
        Response::State(RecordState::Ended(TransactionEnd::Aborted))
        | Response::Outcome(TransactionOutcome::Aborted) => aborted,
        Response::State(RecordState::Ended(TransactionEnd::Committed { attempt, timestamp })) => {
            committed_at(*timestamp) && record.attempt == *attempt
        }
        Response::Outcome(TransactionOutcome::Committed(timestamp)) => committed_at(*timestamp),
        Response::State(RecordState::Pending)
        | Response::Outcome(TransactionOutcome::Unknown)
        | Response::Values(_)
        | Response::Page(_)
        | Response::Changes(_)
        | Response::Refreshed { .. }
        | Response::Committed(_)
        | Response::IntentsLaid(_)
        | Response::Resolved { .. }
        | Response::Settled
        | Response::Swept(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_about_an_end_are_those_of_the_record() {
        let at = Timestamp::from_micros(7);
        let record = |status| TransactionRecord {
            status,
            transaction: Uuid::from_u128(1),
            attempt: 1,
            anchor: Key::from(b"a".as_slice()),
            started: at,
            timestamp: at,
            heartbeat: at,
            intent_spans: Vec::new(),
            in_flight: Vec::new(),
        };
        let ended = |outcome| Response::State(RecordState::Ended(outcome));
        let committed = |attempt, timestamp| ended(TransactionEnd::Committed { attempt, timestamp });
        let (yes, no) = (record(TransactionStatus::Committed), record(TransactionStatus::Aborted));
        assert!(agrees(&yes, &committed(1, at)) && agrees(&no, &ended(TransactionEnd::Aborted)));
        assert!(agrees(&yes, &Response::Outcome(TransactionOutcome::Committed(at))));
        assert!(agrees(&no, &Response::Outcome(TransactionOutcome::Aborted)));
        assert!(!agrees(&yes, &ended(TransactionEnd::Aborted)) && !agrees(&no, &committed(1, at)));
        assert!(!agrees(&yes, &committed(2, at)) && !agrees(&yes, &committed(1, at.next())));
        assert!(!agrees(&record(TransactionStatus::Pending), &ended(TransactionEnd::Aborted)));
        assert!(agrees(&record(TransactionStatus::Pending), &Response::State(RecordState::Pending)));
    }
}
