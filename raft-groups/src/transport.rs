//! What carries messages between nodes: the [`Transport`] trait, implemented by `server` over gRPC streams, by
//! `testing::network` in one process, and later by the simulator.
//!
//! Messages are opaque bytes, sent one way. Within a lane from one node to another they arrive in order, or, from some
//! point on until a reconnect, not at all. Three lanes (design.md section 6): heartbeats and votes never wait behind data, and
//! what keeps leases waits for nothing at all.

use bytes::Bytes;
use quorate_placement::topology::NodeId;

/// Largest message in bytes: a command of 1 MiB with its entry's and batch's overhead, or a page of a scan.
pub const MESSAGE_MAX_BYTES: usize = 4 << 20;

/// Which of the connections to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Log entries, requests of clients and their answers.
    Data,
    /// Raft's heartbeats, votes, liveness, catalog.
    Control,
    /// Heartbeats past the Raft tasks, and nothing else.
    Leases,
}

impl Lane {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Data, Self::Control, Self::Leases];
}

/// Why a message was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The lane's queue is full, or its connection is down.
    #[error("no connection, or its queue is full")]
    Unreachable,
    /// The node's address is not known.
    #[error("the node's address is not known")]
    UnknownNode,
    /// Beyond [`MESSAGE_MAX_BYTES`].
    #[error("the message is too large")]
    TooLarge,
}

/// Sends messages to other nodes. Never blocks.
pub trait Transport: Send + Sync + 'static {
    /// Queues a message.
    fn send(&self, to: NodeId, lane: Lane, message: Bytes) -> Result<(), SendError>;
}

/// Takes what arrives; `rpc::Rpc` implements it. Called in order for each sender and lane, and must not block.
pub trait Receiver: Send + Sync + 'static {
    /// A message came in.
    fn receive(&self, from: NodeId, lane: Lane, message: Bytes);

    /// The connection to a node broke, or could not be made: what was sent there may not have arrived, and whoever
    /// waits for an answer need not wait longer.
    fn disconnected(&self, to: NodeId, lane: Lane);
}
