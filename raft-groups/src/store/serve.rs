//! Requests and Raft messages find their replica.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use quorate_engine::kv::Span;
use quorate_placement::topology::RangeId;

use super::RangeStore;
use crate::api::{RangeError, RangeRequest, Request, Response};
use crate::descriptor::RangeDescriptor;
use crate::heartbeat::Beat;
use crate::raft_message::{RaftMessage, RaftReply, Refusal};
use crate::replica::Replica;
use crate::wire::beats::read_beats;

/// Longest wait of a request or message for the right side of a split (design.md section 6).
const SPLIT_WAIT_MAX: Duration = Duration::from_secs(1);

/// An answer at once: nothing was done.
pub(super) fn refused(reason: Refusal) -> BoxFuture<'static, Bytes> {
    futures::future::ready(RaftReply::Refused(reason).encode()).boxed()
}

impl RangeStore {
    pub(super) async fn serve(&self, request: RangeRequest) -> Result<Response, RangeError> {
        let range_id = request.range_id;
        let spans = spans_of(&request.request);
        let answer = match self.replica_soon(range_id).await {
            Some(replica) => replica.execute(request).await,
            None => Err(RangeError::Mismatch { range_id, known: Vec::new() }),
        };
        match answer {
            // After a split the other side's keys are here too, most of the time: whoever asks learns both sides at once.
            Err(RangeError::Mismatch { range_id, known }) => {
                let others = self.overlapping(&spans);
                let others = others.into_iter().filter(|other| !known.contains(other)).collect();
                Err(RangeError::Mismatch { range_id, known: [known, others].concat() })
            }
            answer => answer,
        }
    }

    /// A local replica; the right side of a split that is about to start is waited for.
    async fn replica_soon(&self, range_id: RangeId) -> Option<Arc<Replica>> {
        if let Some(replica) = self.replica(range_id) {
            return Some(replica);
        }
        if !self.shared.nursery.has(range_id) {
            return self.replica(range_id);
        }
        self.replica_in_time(range_id).await
    }

    /// A local replica, as soon as it is there.
    async fn replica_in_time(&self, range_id: RangeId) -> Option<Arc<Replica>> {
        let arrival = async {
            loop {
                let arrived = self.arrived.notified();
                tokio::pin!(arrived);
                arrived.as_mut().enable();
                if let Some(replica) = self.replica(range_id) {
                    return replica;
                }
                arrived.await;
            }
        };
        tokio::time::timeout(SPLIT_WAIT_MAX, arrival).await.ok()
    }

    /// Descriptors of local replicas that hold keys of these spans.
    fn overlapping(&self, spans: &[Span]) -> Vec<RangeDescriptor> {
        let replicas = self.all();
        let descriptors: Vec<_> = replicas.iter().map(|replica| replica.descriptor()).collect();
        let newborn = self.shared.nursery.descriptors();
        let newborn = newborn.into_iter().filter(|newborn| self.replica(newborn.range_id).is_none());
        descriptors
            .into_iter()
            .chain(newborn)
            .filter(|descriptor| spans.iter().any(|span| descriptor.span.overlaps(span)))
            .map(|descriptor| RangeDescriptor::clone(&descriptor))
            .collect()
    }

    /// Gives a Raft message to its replica. A peer that gets a refusal tries again later, more slowly.
    pub(super) fn handle_raft(self: &Arc<Self>, payload: Bytes) -> BoxFuture<'static, Bytes> {
        let message = match RaftMessage::decode(payload) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!(%error, "Raft message not read");
                return refused(Refusal::Unreadable);
            }
        };
        match self.replica(message.range_id) {
            Some(replica) => replica.handle_encoded(message).boxed(),
            None => Arc::clone(self).await_split(message).boxed(),
        }
    }

    /// Which heartbeats of a message were taken. The others come again as Raft messages.
    pub(super) fn take_beats(&self, payload: Bytes) -> Vec<bool> {
        let beats = read_beats(payload).unwrap_or_else(|error| {
            tracing::warn!(%error, "heartbeats not read");
            Vec::new()
        });
        let replicas = self.replicas.read();
        let take = |beat: &Beat| replicas.get(&beat.range_id).is_some_and(|replica| replica.take_beat(beat));
        beats.iter().map(take).collect()
    }

    /// A message for a range that is not here: its split may be applied here a moment later than at the sender's. It
    /// waits a little, and never creates anything. One whose replica was removed here waits for nothing.
    async fn await_split(self: Arc<Self>, message: RaftMessage) -> Bytes {
        let unknown = || RaftReply::Refused(Refusal::UnknownReplica).encode();
        let Ok(_room) = self.waiting.try_acquire() else { return unknown() };
        if self.check_tombstone(message.range_id, message.to_replica).is_err() {
            return unknown();
        }
        match self.replica_in_time(message.range_id).await {
            Some(replica) => replica.handle_encoded(message).await,
            None => unknown(),
        }
    }
}

fn spans_of(request: &Request) -> Vec<Span> {
    match request {
        Request::Get { keys, .. } => keys.iter().cloned().map(Span::point).collect(),
        Request::Scan { scan, .. } => vec![scan.span.clone()],
        Request::Changes { changes, .. } => vec![changes.span.clone()],
        Request::Refresh { spans, .. } => spans.iter().map(|read| read.span.clone()).collect(),
        Request::Commit(commit) => commit.writes.iter().map(|write| Span::point(write.key.clone())).collect(),
        Request::Transact(step) => step.spans(),
        Request::QueryTransaction { anchor, .. } => vec![Span::point(anchor.clone())],
    }
}
