//! Writes: from a request to an entry that is applied here (design.md section 3, steps 5 to 8).
//!
//! Evaluation and proposal run in a task of their own, which owns the latches: a client that goes away frees none
//! (section 14, story 9). A proposal that the group surely did not take is evaluated again with a new timestamp, never
//! proposed again as it was (story 3).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, Span};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::Serving;
use super::serve::{Deadline, ServingTerm};
use super::transact::ProposedStep;
use crate::api::{CommitRequest, RangeError, Response, TransactionOutcome};
use crate::command_format::{Command, CommandKind};
use crate::concurrency::latch::LatchGuard;
use crate::concurrency::latch_table::{Access, LatchSpans};
use crate::evaluate::{Effects, Evaluated, commit, query_transaction};
use crate::lease::Event;
use crate::raft::{Applied, EntryCommand, ProposeError, RaftGroup};
use crate::replica::machine::{EntryOutcome, covers};

/// Writes that are evaluated on the spot; more are evaluated on a thread that may block.
const INLINE_WRITES_MAX: usize = 16;
/// Pause before a proposal that was refused is evaluated again. A group refuses as soon as it hears of a later term,
/// and the lease ends only once the new vote is on the disk: without a pause this would spin meanwhile.
const AGAIN_PAUSE: Duration = Duration::from_millis(2);
/// Smallest share of the store's bytes of writes that a request takes.
const PERMIT_BYTES_MIN: usize = 1 << 10;

/// Proposals on their way: when each was made.
#[derive(Debug, Default)]
pub struct InFlight {
    state: Mutex<(u64, BTreeMap<u64, u64>)>,
}

impl InFlight {
    /// Notes a proposal made at `now`, until the guard is dropped.
    pub(super) fn enter(self: &Arc<Self>, now: u64) -> InFlightGuard {
        let mut state = self.state.lock();
        state.0 += 1;
        let id = state.0;
        state.1.insert(id, now);
        InFlightGuard { in_flight: Arc::clone(self), id }
    }

    /// When the oldest was made.
    pub fn oldest(&self) -> Option<u64> {
        self.state.lock().1.values().next().copied()
    }
}

pub(super) struct InFlightGuard {
    in_flight: Arc<InFlight>,
    id: u64,
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.in_flight.state.lock().1.remove(&self.id);
    }
}

/// A request that may write.
#[derive(Clone)]
pub(super) enum Intention {
    Commit(CommitRequest),
    Transact(ProposedStep),
    QueryTransaction { transaction: Uuid, anchor: Key, started: Timestamp },
}

/// What a request holds until it is over, whether or not anybody waits for it.
struct Held {
    /// The least span that covers its latches.
    hull: Option<Span>,
    _latches: LatchGuard,
    _room: OwnedSemaphorePermit,
}

/// Why one round of evaluation and proposal led to no answer.
enum Retry {
    /// Surely not in the log: evaluate again.
    Again,
    Failed(RangeError),
}

impl From<RangeError> for Retry {
    fn from(error: RangeError) -> Self {
        Self::Failed(error)
    }
}

impl Intention {
    fn latches(&self) -> LatchSpans {
        match self {
            Self::Commit(commit) => {
                let writes =
                    commit.writes.iter().map(|write| (Span::point(write.key.clone()), Access::Exclusive));
                let reads = commit.read_spans.iter().map(|read| (read.span.clone(), Access::Shared));
                LatchSpans::new(writes.chain(reads))
            }
            Self::Transact(step) => step.latches(),
            Self::QueryTransaction { anchor, .. } => {
                LatchSpans::new([(Span::point(anchor.clone()), Access::Exclusive)])
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Commit(commit) => commit.writes.iter().map(quorate_engine::kv::Write::size_bytes).sum(),
            Self::Transact(step) => step.bytes(),
            Self::QueryTransaction { anchor, .. } => anchor.len(),
        }
    }

    fn is_long(&self) -> bool {
        match self {
            Self::Commit(commit) => commit.writes.len() > INLINE_WRITES_MAX || !commit.read_spans.is_empty(),
            Self::Transact(step) => step.is_long(),
            Self::QueryTransaction { .. } => false,
        }
    }

    /// Whether it waits where the range is too large: what ends a transaction that has begun, and shows that it is alive,
    /// does not, since others wait for that.
    fn brings_data(&self) -> bool {
        match self {
            Self::Commit(_) => true,
            Self::Transact(step) => step.brings_data(),
            Self::QueryTransaction { .. } => false,
        }
    }

    /// Whether an answer that never comes leaves a transaction's fate open.
    fn unknown(&self, serving: &Serving, detail: String) -> RangeError {
        match self {
            Self::Commit(_) => RangeError::Ambiguous { range_id: serving.range_id, detail },
            Self::Transact(step) if step.decides() => {
                RangeError::Ambiguous { range_id: serving.range_id, detail }
            }
            Self::Transact(_) | Self::QueryTransaction { .. } => serving.unavailable(detail),
        }
    }
}

impl Serving {
    pub(super) async fn commit(self: &Arc<Self>, commit: CommitRequest) -> Result<Response, RangeError> {
        self.forward_clock(commit.read_timestamp)?;
        let response = self.write(Intention::Commit(commit)).await?;
        if let Response::Committed(timestamp) = &response {
            self.wait_until_passed(*timestamp).await;
        }
        Ok(response)
    }

    pub(super) async fn query_transaction(
        self: &Arc<Self>,
        transaction: Uuid,
        anchor: Key,
        started: Timestamp,
    ) -> Result<Response, RangeError> {
        let answer = self.write(Intention::QueryTransaction { transaction, anchor, started }).await;
        self.ended.tell(transaction);
        answer
    }

    pub(super) async fn write(self: &Arc<Self>, intention: Intention) -> Result<Response, RangeError> {
        let deadline = self.deadline();
        if intention.brings_data() {
            self.wait_for_split(deadline).await?;
        }
        let room = self.room(&intention, deadline).await?;
        self.wait_to_serve(deadline).await?;
        let latches = intention.latches();
        let hull = latches.hull();
        let held = Held { hull, _latches: self.latch(latches, deadline).await?, _room: room };
        let work = tokio::spawn(Arc::clone(self).drive(intention.clone(), held, deadline));
        let limited = self.or_tripped(tokio::time::timeout(self.remaining(deadline), work));
        match limited.await {
            Ok(Ok(Ok(answer))) => answer,
            Ok(Ok(Err(error))) => Err(intention.unknown(self, format!("its task failed: {error}"))),
            Ok(Err(_)) => Err(intention.unknown(self, "no quorum confirmed it in time".to_owned())),
            Err(tripped) => Err(intention.unknown(self, tripped.to_string())),
        }
    }

    /// The request's share of the bytes that a store works on at a time.
    async fn room(
        &self,
        intention: &Intention,
        deadline: Deadline,
    ) -> Result<OwnedSemaphorePermit, RangeError> {
        let bytes = intention.bytes().max(PERMIT_BYTES_MIN);
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.shared.write_bytes).acquire_many_owned(permits);
        let waited = self.or_tripped(tokio::time::timeout(self.remaining(deadline), room)).await?;
        match waited {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(self.unavailable("the store is shutting down".to_owned())),
            Err(_) => Err(self.unavailable("the store has too many writes to do".to_owned())),
        }
    }

    /// Brings an intention to its end. Runs on whether or not anybody waits for the answer.
    async fn drive(
        self: Arc<Self>,
        intention: Intention,
        held: Held,
        deadline: Deadline,
    ) -> Result<Response, RangeError> {
        let answer = loop {
            match self.round(&intention, &held, deadline).await {
                Ok(response) => break Ok(response),
                Err(Retry::Failed(error)) => break Err(error),
                Err(Retry::Again) => tokio::time::sleep(AGAIN_PAUSE).await,
            }
        };
        drop(held);
        answer
    }

    async fn round(
        self: &Arc<Self>,
        intention: &Intention,
        held: &Held,
        deadline: Deadline,
    ) -> Result<Response, Retry> {
        let term = self.wait_to_serve(deadline).await?;
        // The latches may be older than the term: another leader may have split the range in between.
        let descriptor = self.check_hull(held.hull.as_ref())?;
        let now = self.hybrid_time(deadline).await?;
        let to_evaluate = intention.clone();
        let evaluated =
            self.offload(intention.is_long(), move |this| this.evaluate(&to_evaluate, now)).await?;
        match evaluated {
            Ok(Evaluated::Writes(effects, response)) => {
                let is_own = covers(&descriptor.span, &effects.batch);
                assert!(is_own, "a request writes within the bounds under which it was evaluated");
                self.replicate((term, descriptor.generation), effects, intention).await?;
                self.confirm(intention, &response)?;
                Ok(response)
            }
            Ok(Evaluated::Answer(response)) => self.if_still_serving(term, response).ok_or(Retry::Again),
            Err(error) => Err(self.if_still_serving(term, error).map_or(Retry::Again, Retry::Failed)),
        }
    }

    /// What the intention means for the data as it is now, under its latches. `now` is a time since they are held.
    fn evaluate(&self, intention: &Intention, now: Timestamp) -> Result<Evaluated, RangeError> {
        let snapshot = self.shared.engine.snapshot();
        match intention {
            Intention::Commit(request) => {
                let floor = self.floor(&request.writes, now);
                let evaluator = self.shared.evaluator.as_ref();
                match commit::evaluate(snapshot.as_ref(), request, floor, evaluator)? {
                    commit::CommitVerdict::Repeated(timestamp) => {
                        Ok(Evaluated::Answer(Response::Committed(timestamp)))
                    }
                    commit::CommitVerdict::Commits(effects) => {
                        self.protect_reads(request, effects.timestamp);
                        let response = Response::Committed(effects.timestamp);
                        Ok(Evaluated::Writes(effects, response))
                    }
                }
            }
            Intention::Transact(step) => self.evaluate_step(step, now),
            Intention::QueryTransaction { transaction, anchor, started } => {
                match query_transaction::evaluate(snapshot.as_ref(), *transaction, anchor, *started, now)? {
                    query_transaction::QueryVerdict::Known(outcome) => {
                        Ok(Evaluated::Answer(Response::Outcome(outcome)))
                    }
                    query_transaction::QueryVerdict::Aborts(effects) => {
                        Ok(Evaluated::Writes(effects, Response::Outcome(TransactionOutcome::Aborted)))
                    }
                }
            }
        }
    }

    /// A commit reads, in effect, at its own timestamp: nothing is written below it into what it read.
    fn protect_reads(&self, request: &CommitRequest, timestamp: Timestamp) {
        let mut cache = self.cache.lock();
        for read in &request.read_spans {
            cache.add(&read.span, timestamp);
        }
    }

    /// Proposes the effects, and waits until they are applied here, or can never be.
    async fn replicate(
        &self,
        (ServingTerm(term), generation): (ServingTerm, u64),
        effects: Effects,
        intention: &Intention,
    ) -> Result<(), Retry> {
        let command = Command {
            term,
            generation,
            // Nothing is closed yet: no read is served by followers.
            closed: Timestamp::MIN,
            high_water: effects.timestamp,
            size_delta: effects.size_delta,
            kind: CommandKind::Write(effects.batch),
        };
        let bytes = command
            .encode(&self.shared.cluster_version)
            .map_err(|error| RangeError::Refused(error.to_string()))?;
        let Some(group) = self.machine.group() else { return Err(Retry::Again) };
        let _in_flight = self.in_flight.enter(self.shared.now());
        match self.enqueue_and_wait(&group, term, bytes).await {
            Ok(applied) => match EntryOutcome::decode(&applied.outcome) {
                Some(EntryOutcome::Applied) => Ok(()),
                Some(EntryOutcome::OtherTerm | EntryOutcome::OtherBounds | EntryOutcome::NotSplit) => {
                    Err(Retry::Again)
                }
                None => Err(Retry::Failed(intention.unknown(self, "its outcome cannot be read".to_owned()))),
            },
            Err(error) => Err(self.not_proposed(term, error, intention)),
        }
    }

    pub(super) async fn enqueue_and_wait(
        &self,
        group: &RaftGroup,
        term: u64,
        command: EntryCommand,
    ) -> Result<Applied, ProposeError> {
        let proposal = {
            let _enqueued = self.enqueue_lock.read().await;
            if self.lease.lock().is_handing_over() {
                return Err(ProposeError::Rejected);
            }
            group.enqueue(term, command).await?
        };
        proposal.applied().await
    }

    fn not_proposed(&self, term: u64, error: ProposeError, intention: &Intention) -> Retry {
        if error.is_ambiguous() {
            // The entry may still be committed, and its latches end now: this replica must not serve in this term any
            // more. A later term's blank entry settles what became of it.
            self.depose(term);
            return Retry::Failed(intention.unknown(self, error.to_string()));
        }
        match error {
            ProposeError::NotLeader { .. } | ProposeError::Rejected => Retry::Again,
            ProposeError::TooLarge { .. } | ProposeError::LogFull { .. } => {
                Retry::Failed(RangeError::Refused(error.to_string()))
            }
            ProposeError::Ambiguous | ProposeError::Fatal(_) => unreachable!("these are ambiguous"),
        }
    }

    pub(super) fn depose(&self, term: u64) {
        let leads = self.lease.lock().leads();
        if leads == Some(term) {
            self.note(Event::Deposed);
        }
    }
}

const _: () = assert!(
    crate::limits::TRANSACTION_AGE_MAX_MICROS > crate::lease::timing::LAN.request,
    "a request is over long before its transaction's record may go"
);
