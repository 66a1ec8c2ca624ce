//! COMMIT: by one command where writes and reads lie in one range, as [`CommitSteps`] decides, else in two phases.

use std::sync::Arc;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, KvError, Write};
use uuid::Uuid;

use super::DistributedTransaction;
use super::commit_steps::{CommitEnd, CommitSteps, Effect, Event};
use super::two_phase::Coordinator;
use crate::api::{CommitRequest, RangeError, Request, Response, TransactionMeta};
use crate::client::router::{SendError, answered_error};
use crate::clock_bound::{no_timestamp, timestamp_within};
use crate::descriptor::RangeDescriptor;
use crate::limits::{ONE_COMMAND_MAX_BYTES, TRANSACTION_AGE_MAX};

impl DistributedTransaction {
    /// Commits these writes, which are not empty.
    pub(super) async fn commit_writes(
        &mut self,
        writes: Vec<Write>,
        deadline: Option<Timestamp>,
    ) -> Result<Timestamp, KvError> {
        let Some(anchor) = writes.first().map(|write| write.key.clone()) else {
            return Ok(self.read.timestamp);
        };
        self.refuse_if_old(&anchor)?;
        let mut commit = CommitRequest {
            transaction: self.shared.new_id(),
            attempt: 1,
            started: self.started,
            read_timestamp: self.read.timestamp,
            read_spans: self.reads.iter().collect(),
            writes,
            deadline,
        };
        let mut steps = CommitSteps::default();
        let mut effect = Effect::Send;
        let mut range_id = 0;
        loop {
            let sent = match effect {
                Effect::Send => self.send_commit(&anchor, &commit, &mut range_id).await?,
                Effect::SendUnderNewId => {
                    // A commit is refused as too old by when it started, so that the new one starts now.
                    commit.transaction = self.shared.new_id();
                    commit.started = self.now().await?;
                    self.send_commit(&anchor, &commit, &mut range_id).await?
                }
                Effect::AskRecord => Some(self.ask_record(&anchor, &commit).await),
                Effect::Done(outcome) => {
                    let committed = finish(outcome, &commit, range_id)?;
                    return self.acknowledged(committed, commit.transaction);
                }
            };
            let Some(event) = sent else {
                let transaction = commit.transaction;
                let committed = self.commit_in_two_phases(anchor, commit).await?;
                return self.acknowledged(committed, transaction);
            };
            effect = steps.step(event, self.budget.is_spent());
        }
    }

    /// A commit by a clock that is wrong may lie in others' future: it is not acknowledged before they could see it.
    fn acknowledged(&self, committed: Timestamp, transaction: Uuid) -> Result<Timestamp, KvError> {
        match self.check_clock() {
            Ok(()) => Ok(committed),
            Err(doubt) => Err(KvError::Ambiguous { transaction, detail: doubt.to_string() }),
        }
    }

    async fn now(&self) -> Result<Timestamp, KvError> {
        let now = timestamp_within(self.shared.router.clock(), self.budget.left()).await;
        now.map_err(no_timestamp)
    }

    fn refuse_if_old(&self, anchor: &Key) -> Result<(), KvError> {
        let age = self.shared.router.clock().peek().micros().saturating_sub(self.started.micros());
        if u128::from(age) < TRANSACTION_AGE_MAX.as_micros() {
            return Ok(());
        }
        let reason = format!("the transaction is older than {TRANSACTION_AGE_MAX:?}");
        Err(KvError::Retry { key: anchor.clone(), reason })
    }

    /// Commits over several ranges, or by several commands. Nothing was proposed under this id.
    async fn commit_in_two_phases(
        &mut self,
        anchor: Key,
        commit: CommitRequest,
    ) -> Result<Timestamp, KvError> {
        let transaction = TransactionMeta {
            id: commit.transaction,
            anchor,
            attempt: commit.attempt,
            started: commit.started,
            age: self.age,
            read_timestamp: commit.read_timestamp,
        };
        let coordinator = Coordinator {
            shared: Arc::clone(&self.shared),
            transaction,
            writes: Arc::new(commit.writes),
            read_spans: commit.read_spans,
            deadline: commit.deadline,
            budget: self.budget,
            anchored: 0,
        };
        let (committed, budget) = coordinator.commit().await;
        assert!(budget.left() <= self.budget.left(), "waiting fills no budget");
        self.budget = budget;
        committed
    }

    /// Sends the commit to its range; `None`, and nothing was proposed, where it does not fit into one command of one range,
    /// or where more was read than that range looks at again in one step.
    ///
    /// # Errors
    /// Before anything was sent: no range.
    async fn send_commit(
        &mut self,
        anchor: &Key,
        commit: &CommitRequest,
        range_id: &mut u64,
    ) -> Result<Option<Event>, KvError> {
        let router = Arc::clone(&self.shared.router);
        let range = router.range_of(anchor, &mut self.budget).await?;
        *range_id = range.range_id.0;
        if !fits(&range, commit) {
            return Ok(None);
        }
        let request = Request::Commit(commit.clone());
        Ok(Some(match router.send(&range, request, &mut self.budget).await {
            Ok(Response::Committed(timestamp)) => Event::Committed(timestamp),
            Ok(_) => Event::Lost("the range gave another answer than to a commit".to_owned()),
            Err(SendError::Stale) => Event::Stale,
            Err(SendError::Answered(RangeError::TooMuchRead)) => return Ok(None),
            Err(SendError::Answered(error)) => Event::Answered(error),
            Err(SendError::Unavailable { range_id, detail }) => {
                Event::Answered(RangeError::Unavailable { range_id, detail })
            }
            Err(SendError::Lost { range_id, detail }) => Event::Lost(format!("{range_id}: {detail}")),
        }))
    }

    /// Asks for the commit's record.
    async fn ask_record(&mut self, anchor: &Key, commit: &CommitRequest) -> Event {
        let router = Arc::clone(&self.shared.router);
        let range = match router.range_of(anchor, &mut self.budget).await {
            Ok(range) => range,
            Err(error) => return self.no_record(error.to_string()),
        };
        let request = Request::QueryTransaction {
            transaction: commit.transaction,
            anchor: anchor.clone(),
            started: commit.started,
        };
        match router.send(&range, request, &mut self.budget).await {
            Ok(Response::Outcome(outcome)) => Event::Record(outcome),
            Err(SendError::Stale) => Event::NoRecord("its range moved".to_owned()),
            Ok(_) => self.no_record("the range gave another answer".to_owned()),
            Err(SendError::Answered(error)) => self.no_record(error.to_string()),
            Err(SendError::Unavailable { detail, .. } | SendError::Lost { detail, .. }) => {
                self.no_record(detail)
            }
        }
    }

    /// An answer that another question would only get again: no more waiting.
    fn no_record(&mut self, detail: String) -> Event {
        self.budget.spend(self.budget.full());
        Event::NoRecord(detail)
    }
}

/// Whether everything that a commit writes or depends on lies in one range, and its writes fit one command.
fn fits(range: &RangeDescriptor, commit: &CommitRequest) -> bool {
    let bytes: usize = commit.writes.iter().map(Write::size_bytes).sum();
    bytes <= ONE_COMMAND_MAX_BYTES
        && commit.writes.iter().all(|write| range.span.contains(&write.key))
        && commit.read_spans.iter().all(|read| range.span.covers(&read.span))
}

fn finish(outcome: CommitEnd, commit: &CommitRequest, range_id: u64) -> Result<Timestamp, KvError> {
    let transaction: Uuid = commit.transaction;
    let anchor = commit.anchor().cloned().unwrap_or_default();
    match outcome {
        CommitEnd::Committed(timestamp) => Ok(timestamp),
        CommitEnd::Refused(error) => Err(answered_error(error, &anchor)),
        CommitEnd::Unavailable(detail) => Err(KvError::Unavailable { range_id, detail }),
        CommitEnd::Ambiguous(detail) => Err(KvError::Ambiguous { transaction, detail }),
    }
}
