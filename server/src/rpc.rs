//! Between nodes, over gRPC: one stream per lane from each node to each other ([`link`]), and what answers them
//! ([`service`]). Implements `raft_groups::transport::Transport`; the only room of tonic; prost's
//! other one is `raft_groups::wire`, which makes what is in the frames.

pub mod ask;
pub mod frame;
pub mod link;
pub mod service;
pub mod socket;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use quorate_placement::topology::NodeId;
use quorate_raft_groups::limits::MESSAGE_MAX_BYTES;
use quorate_raft_groups::tasks::Tasks;
use quorate_raft_groups::transport::{Lane, Message, Receiver, SendError, Transport};

use link::Link;

/// What the generator made of `proto/peer.proto`.
#[expect(missing_docs, clippy::too_many_lines, reason = "generated code")]
pub mod proto {
    tonic::include_proto!("quorate.peer.v1");
}

/// With this byte a connection begins whose messages keep leases; HTTP/2 begins with another one, and follows it.
const LEASES_FIRST_BYTE: u8 = b'L';

/// What the transport asks of the node's membership.
#[async_trait]
pub trait Peers: Send + Sync + 'static {
    /// This node.
    fn node_id(&self) -> NodeId;

    /// What this node says of itself in the first frame of a stream.
    fn hello(&self) -> Bytes;

    /// Address of a node, `host:port`.
    fn address(&self, node: NodeId) -> Option<String>;

    /// Whether to talk to whoever says this of itself, and who it is.
    ///
    /// # Errors
    /// Why not, in words: another cluster, an old copy of a data directory, …
    async fn admit(&self, hello: Bytes) -> Result<NodeId, String>;

    /// A node does not believe what this one says of itself.
    async fn denied(&self, by: NodeId);
}

/// What a node does once it is a member: knows its peers, takes their messages.
#[derive(Clone)]
pub struct Membership {
    /// Who is who.
    pub peers: Arc<dyn Peers>,
    /// Takes messages, and is told of broken connections.
    pub receiver: Arc<dyn Receiver>,
}

/// Sends messages over gRPC. Links are opened when they are first used.
pub struct GrpcTransport {
    membership: OnceLock<Membership>,
    links: Mutex<HashMap<(NodeId, Lane), Arc<Link>>>,
    tasks: Tasks,
}

impl GrpcTransport {
    /// A transport that knows nobody until [`GrpcTransport::set_membership`].
    pub fn new(tasks: Tasks) -> Arc<Self> {
        Arc::new(Self { membership: OnceLock::new(), links: Mutex::new(HashMap::new()), tasks })
    }

    /// Tells who is who, and whom to tell of broken connections; the first call counts.
    pub fn set_membership(&self, membership: Membership) {
        let _ = self.membership.set(membership);
    }

    /// Ends all links.
    pub fn shutdown(&self) {
        self.links.lock().clear();
    }

    fn link(&self, to: NodeId, lane: Lane) -> Result<Arc<Link>, SendError> {
        let mut links = self.links.lock();
        if let Some(link) = links.get(&(to, lane)) {
            return Ok(Arc::clone(link));
        }
        let membership = self.membership.get().ok_or(SendError::UnknownNode)?;
        membership.peers.address(to).ok_or(SendError::UnknownNode)?;
        let link = Link::open(to, lane, membership.clone(), &self.tasks);
        links.insert((to, lane), Arc::clone(&link));
        Ok(link)
    }
}

impl Transport for GrpcTransport {
    fn send(&self, to: NodeId, lane: Lane, message: Message) -> Result<(), SendError> {
        if message.len() > MESSAGE_MAX_BYTES {
            return Err(SendError::TooLarge);
        }
        self.link(to, lane)?.send(message)
    }
}

/// Number of a lane on the wire.
const fn lane_code(lane: Lane) -> u32 {
    match lane {
        Lane::Data => 1,
        Lane::Control => 2,
        Lane::Leases => 3,
    }
}

fn lane_from_code(code: u32) -> Option<Lane> {
    Lane::ALL.into_iter().find(|lane| lane_code(*lane) == code)
}

#[cfg(test)]
mod tests;
