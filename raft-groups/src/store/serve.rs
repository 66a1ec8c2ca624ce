//! Requests and Raft messages find their replica.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use quorate_engine::kv::Span;

use super::RangeStore;
use crate::api::{RangeError, RangeRequest, Request, Response};
use crate::descriptor::RangeDescriptor;
use crate::raft_message_format::{RaftMessage, RaftReply, Refusal};

/// An answer at once: nothing was done.
pub(super) fn refused(reason: Refusal) -> BoxFuture<'static, Bytes> {
    futures::future::ready(RaftReply::Refused(reason).encode()).boxed()
}

impl RangeStore {
    pub(super) async fn serve(&self, request: RangeRequest) -> Result<Response, RangeError> {
        match self.replica(request.range_id) {
            Some(replica) => replica.execute(request).await,
            None => {
                let known = self.overlapping(&spans_of(&request.request));
                Err(RangeError::Mismatch { range_id: request.range_id, known })
            }
        }
    }

    /// Descriptors of local replicas that hold keys of these spans.
    fn overlapping(&self, spans: &[Span]) -> Vec<RangeDescriptor> {
        let replicas = self.all();
        let descriptors = replicas.iter().map(|replica| replica.descriptor());
        descriptors
            .filter(|descriptor| spans.iter().any(|span| descriptor.span.overlaps(span)))
            .map(|descriptor| RangeDescriptor::clone(&descriptor))
            .collect()
    }

    /// Gives a Raft message to its replica. A peer that gets a refusal tries again later, more slowly.
    pub(super) fn handle_raft(&self, payload: Bytes) -> BoxFuture<'static, Bytes> {
        let message = match RaftMessage::decode(payload) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!(%error, "Raft message not read");
                return refused(Refusal::Unreadable);
            }
        };
        match self.replica(message.range_id) {
            Some(replica) => replica.handle_encoded(message).boxed(),
            None => refused(Refusal::UnknownReplica),
        }
    }
}

fn spans_of(request: &Request) -> Vec<Span> {
    match request {
        Request::Get { keys, .. } => keys.iter().cloned().map(Span::point).collect(),
        Request::Scan { scan, .. } => vec![scan.span.clone()],
        Request::Refresh { spans, .. } => spans.clone(),
        Request::Commit(commit) => commit.writes.iter().map(|write| Span::point(write.key.clone())).collect(),
        Request::Transact(step) => step.spans(),
        Request::QueryTransaction { anchor, .. } => vec![Span::point(anchor.clone())],
    }
}
