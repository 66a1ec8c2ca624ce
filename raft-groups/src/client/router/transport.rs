//! One attempt at one node: a function call here, a message elsewhere. The lowest layer of the router.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_engine::clock::HybridClock;
use quorate_placement::topology::NodeId;

use crate::api::{RangeError, RangeRequest, Request, Response};
use crate::client::call::{Call, CallError};
use crate::limits::{COMMIT_ATTEMPT_MAX, LOCAL_GRACE, READ_ATTEMPT_MAX};
use crate::local_ranges::LocalRanges;
use crate::rpc::{Rpc, Service};
use crate::telling::shown;
use crate::transport::Lane;
use crate::wire::range::write_request;
use crate::wire::range_answer::read_answer;

/// How one attempt at one node ended.
pub(super) enum Attempt {
    /// The range's own answer.
    Answered(Result<Response, RangeError>),
    /// Surely not worked on.
    NotDone(String),
    /// Perhaps worked on.
    NoAnswer(String),
}

/// A request with its bytes, which are made for the first other node and sent to all.
pub(super) struct Outgoing<'a> {
    /// What is asked.
    pub message: &'a RangeRequest,
    encoded: Option<Bytes>,
}

impl<'a> Outgoing<'a> {
    /// A request that was sent to nobody yet.
    pub fn new(message: &'a RangeRequest) -> Self {
        Self { message, encoded: None }
    }

    fn bytes(&mut self) -> Bytes {
        self.encoded.get_or_insert_with(|| write_request(self.message)).clone()
    }

    /// Longest wait for one node's answer.
    fn attempt_max(&self) -> Duration {
        let waits_for_quorum = matches!(self.message.request, Request::Commit(_) | Request::Transact(_));
        if waits_for_quorum { COMMIT_ATTEMPT_MAX } else { READ_ATTEMPT_MAX }
    }
}

/// Replicas of this node, and links to the others.
pub(super) struct Transport {
    /// This node.
    pub node: NodeId,
    /// Its replicas.
    pub ranges: Arc<dyn LocalRanges>,
    /// Calls to other nodes.
    pub rpc: Arc<Rpc>,
    /// The node's clock.
    pub clock: Arc<HybridClock>,
}

impl Transport {
    /// Asks a node, and waits for its answer, no longer than `left`.
    pub async fn attempt(&self, node: NodeId, outgoing: &mut Outgoing<'_>, left: Duration) -> Attempt {
        if node == self.node {
            self.attempt_here(outgoing.message, left).await
        } else {
            self.attempt_there(node, outgoing, left).await
        }
    }

    async fn attempt_here(&self, message: &RangeRequest, left: Duration) -> Attempt {
        let local = self.ranges.execute(message.clone());
        match tokio::time::timeout(left + LOCAL_GRACE, local).await {
            Ok(answer) => Attempt::Answered(answer),
            Err(_) => Attempt::NoAnswer(format!("no answer within {}", shown(left))),
        }
    }

    async fn attempt_there(&self, to: NodeId, outgoing: &mut Outgoing<'_>, left: Duration) -> Attempt {
        let (payload, timeout) = (outgoing.bytes(), left.min(outgoing.attempt_max()));
        let call = Call { to, lane: Lane::Data, service: Service::Range, payload, timeout };
        match call.watched(&self.rpc, self.clock.physical().as_ref()).await {
            Ok(bytes) => read_answer(bytes).map_or_else(
                |error| Attempt::NoAnswer(format!("its answer cannot be read: {error}")),
                Attempt::Answered,
            ),
            Err(CallError::NotDone(detail)) => Attempt::NotDone(detail),
            Err(CallError::NoAnswer(detail)) => Attempt::NoAnswer(detail),
        }
    }

    /// Time since some start, also while the machine slept.
    pub fn boottime(&self) -> Duration {
        self.clock.physical().boottime()
    }
}
