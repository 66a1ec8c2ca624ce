//! A call to another node that ends early where the node has fallen silent.
//!
//! A long timeout suits a slow answer, not a dead node: whoever answers slowly still sends heartbeats. A waiting call looks
//! at the earliest moment at which the node can have been silent for long enough, and not before.

use std::time::Duration;

use bytes::Bytes;
use quorate_engine::clock::PhysicalClock;
use quorate_placement::topology::NodeId;

use crate::limits::NODE_SILENCE_MAX;
use crate::rpc::{Rpc, RpcError, Service};
use crate::transport::Lane;

/// A call to be made.
pub(crate) struct Call {
    /// Who is asked.
    pub to: NodeId,
    /// On which connection.
    pub lane: Lane,
    /// What for.
    pub service: Service,
    /// The request's bytes.
    pub payload: Bytes,
    /// Longest wait.
    pub timeout: Duration,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// The request was surely not worked on.
    #[error("not reached: {0}")]
    NotDone(String),
    /// It may have been worked on.
    #[error("no answer, it may have done what was asked: {0}")]
    NoAnswer(String),
}

impl Call {
    /// Makes the call.
    pub async fn watched(self, rpc: &Rpc, clock: &dyn PhysicalClock) -> Result<Bytes, CallError> {
        let to = self.to;
        let call = rpc.call(self.service.at(to, self.lane), self.payload, self.timeout);
        tokio::select! {
            biased;
            answer = call => answer.map_err(|error| match error {
                RpcError::NotSent(_) | RpcError::Refused => CallError::NotDone(error.to_string()),
                RpcError::TimedOut(_) | RpcError::Disconnected => CallError::NoAnswer(error.to_string()),
            }),
            () = fallen_silent(rpc, clock, to) => {
                Err(CallError::NoAnswer(format!("nothing heard for {NODE_SILENCE_MAX:?}")))
            }
        }
    }
}

/// Ends when nothing was heard of a node for [`NODE_SILENCE_MAX`], counted from now at the earliest.
async fn fallen_silent(rpc: &Rpc, clock: &dyn PhysicalClock, node: NodeId) {
    let begun = clock.boottime();
    if node == rpc.node() {
        return std::future::pending().await;
    }
    loop {
        let waited = clock.boottime().saturating_sub(begun);
        let silent = waited.min(rpc.last_heard(node).unwrap_or(Duration::MAX));
        if silent >= NODE_SILENCE_MAX {
            return;
        }
        // Before that it cannot have been silent for so long.
        tokio::time::sleep(NODE_SILENCE_MAX - silent).await;
    }
}
