//! Intents in the way of a request: ask their transaction's record, resolve, and ask again.
//!
//! ```text
//! send ──locked──▶ push at the anchor ──ended────▶ resolve where it was met ──▶ send again
//!                    ▲   └─ alive ──▶ wait ──┘
//! ```
//!
//! Invariant: intents are resolved only as a record says that the question has found, or written. Waiting for a
//! transaction that is alive takes nothing from the caller's [`QuorumBudget`]; it has a limit of its own.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use quorate_engine::kv::{Key, KvError, Span};
use quorate_engine::mvcc::intent::TransactionEnd;
use quorate_placement::topology::RangeId;

use super::{Router, SendError, wrong_answer};
use crate::api::{
    Holder, PushRequest, RangeError, Rank, RecordState, Request, ResolveRequest, Response, Transact,
};
use crate::client::budget::QuorumBudget;
use crate::descriptor::RangeDescriptor;
use crate::limits::LOCK_WAIT_MAX;

/// Shortest time between two questions about the same transaction.
const PUSH_PAUSE: Duration = Duration::from_millis(5);

/// A lock that a request met, and who waits.
struct Met<'a> {
    descriptor: &'a RangeDescriptor,
    key: Key,
    holder: Holder,
    rank: Option<Rank>,
    /// When the request gives up, by the clock that counts suspended time.
    until: Duration,
}

impl Router {
    /// Sends a request to a range, all of whose keys lie in `descriptor`, and waits for the leaseholder's answer; where
    /// an intent is in the way, until its transaction is over. `rank` is that of a sender that holds intents itself.
    ///
    /// # Errors
    /// See [`SendError`]; [`RangeError::Locked`] after [`LOCK_WAIT_MAX`].
    pub async fn send_as(
        &self,
        descriptor: &RangeDescriptor,
        request: Request,
        budget: &mut QuorumBudget,
        rank: Option<Rank>,
    ) -> Result<Response, SendError> {
        let until = self.transport().boottime() + LOCK_WAIT_MAX;
        let message = Self::message(descriptor, request);
        loop {
            match self.walk.send(descriptor, &message, budget).await {
                Err(SendError::Answered(RangeError::Locked { key, holder })) => {
                    let met = Met { descriptor, key, holder: *holder, rank, until };
                    self.clear(met, budget).await?;
                }
                done => return done,
            }
        }
    }

    /// Waits until the holder of a key is over, and resolves its intents.
    async fn clear(&self, met: Met<'_>, budget: &mut QuorumBudget) -> Result<(), SendError> {
        let outcome = loop {
            let request = PushRequest { holder: met.holder.clone(), pusher: met.rank };
            if let RecordState::Ended(outcome) = self.push(request, budget).await? {
                break outcome;
            }
            if self.transport().boottime() >= met.until {
                let Met { key, holder, .. } = met;
                return Err(SendError::Answered(RangeError::Locked { key, holder: Box::new(holder) }));
            }
            tokio::time::sleep(PUSH_PAUSE).await;
        };
        self.resolve_met(met, outcome, budget).await
    }

    /// Resolves the intent that was met, and a command's worth of others of its transaction in the same range: whoever
    /// reads on would meet them next.
    async fn resolve_met(
        &self,
        met: Met<'_>,
        outcome: TransactionEnd,
        budget: &mut QuorumBudget,
    ) -> Result<(), SendError> {
        let spans = vec![Span::point(met.key), met.descriptor.span.clone()];
        let request = ResolveRequest { transaction: met.holder.transaction, outcome, spans };
        let message = Self::message(met.descriptor, Request::Transact(Transact::Resolve(request)));
        let answer = self.walk.send(met.descriptor, &message, budget).await?;
        if !matches!(answer, Response::Resolved { .. }) {
            return Err(wrong_answer("a resolution"));
        }
        Ok(())
    }

    /// Asks how a transaction is. Where no range holds its record, its table was dropped, and it never committed: every
    /// intent of one that did was resolved before its range went (`txn/closing`).
    ///
    /// # Errors
    /// See [`SendError`], but for [`SendError::Stale`].
    pub async fn push(
        &self,
        request: PushRequest,
        budget: &mut QuorumBudget,
    ) -> Result<RecordState, SendError> {
        let anchor = request.holder.anchor.clone();
        match self.ask_anchor(&anchor, Transact::Push(request), budget).await? {
            Some(Response::State(state)) => Ok(state),
            None => Ok(RecordState::Ended(TransactionEnd::Aborted)),
            Some(_) => Err(wrong_answer("a question about a transaction")),
        }
    }

    /// Asks the range of an anchor, wherever it lies now; `None` where no range holds it any more.
    ///
    /// # Errors
    /// See [`SendError`], but for [`SendError::Stale`].
    pub async fn ask_anchor(
        &self,
        anchor: &Key,
        step: Transact,
        budget: &mut QuorumBudget,
    ) -> Result<Option<Response>, SendError> {
        loop {
            let range = match self.boxed_range_of(anchor, budget).await {
                Ok(range) => range,
                Err(KvError::NoRange { .. }) => return Ok(None),
                Err(KvError::Unavailable { range_id, detail }) => {
                    return Err(SendError::Unavailable { range_id: RangeId(range_id), detail });
                }
                Err(error) => return Err(SendError::Answered(RangeError::Storage(error.to_string()))),
            };
            let message = Self::message(&range, Request::Transact(step.clone()));
            match self.walk.send(&range, &message, budget).await {
                Err(SendError::Stale) => {}
                done => return done.map(Some),
            }
        }
    }

    /// Looking a range up may meet an intent itself, in range 1: without the box the type would contain itself.
    fn boxed_range_of<'a>(
        &'a self,
        key: &'a Key,
        budget: &'a mut QuorumBudget,
    ) -> BoxFuture<'a, Result<std::sync::Arc<RangeDescriptor>, KvError>> {
        self.range_of(key, budget).boxed()
    }
}
