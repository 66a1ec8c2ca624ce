//! What carries messages between nodes: the [`Transport`] trait, implemented by `server` over gRPC streams, by
//! `testing::network` in one process, and later by the simulator.
//!
//! Messages are opaque bytes, sent one way. Within a lane from one node to another they arrive in order, or, from some
//! point on until a reconnect, not at all. Three lanes (design.md section 6): heartbeats and votes never wait behind data, and
//! what keeps leases waits for nothing at all.

use bytes::Bytes;
use quorate_placement::topology::NodeId;

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

/// From how many bytes on a piece of a message is shared instead of copied: below it a piece of its own costs more.
const SHARED_MIN_BYTES: usize = 512;

/// A message, in the pieces of which it was made: what is large and lies somewhere already, as an entry of a log does, is
/// shared by all messages that carry it, and copied once by whatever puts it on the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    first: Bytes,
    rest: Vec<Bytes>,
}

impl Message {
    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.pieces().map(Bytes::len).sum()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its pieces, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// All of it in one piece; copied where it has several.
    pub fn into_bytes(self) -> Bytes {
        if self.rest.is_empty() {
            return self.first;
        }
        let mut whole = Vec::with_capacity(self.len());
        self.pieces().for_each(|piece| whole.extend_from_slice(piece));
        whole.into()
    }

    /// The same behind a head.
    pub fn behind(self, head: &[u8]) -> Self {
        let mut builder = MessageBuilder::new(head.to_vec());
        builder.share(self.first);
        self.rest.into_iter().for_each(|piece| builder.share(piece));
        builder.finish()
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self { first: bytes, rest: Vec::new() }
    }
}

/// Makes a [`Message`] of pieces.
#[derive(Debug)]
pub struct MessageBuilder {
    pieces: Vec<Bytes>,
    open: Vec<u8>,
}

impl MessageBuilder {
    /// Begins with these bytes.
    pub fn new(head: Vec<u8>) -> Self {
        Self { pieces: Vec::new(), open: head }
    }

    /// Where the next bytes are written.
    pub fn open(&mut self) -> &mut Vec<u8> {
        &mut self.open
    }

    /// Adds bytes that lie somewhere already.
    pub fn share(&mut self, bytes: Bytes) {
        if bytes.len() < SHARED_MIN_BYTES {
            self.open.extend_from_slice(&bytes);
            return;
        }
        self.close();
        self.pieces.push(bytes);
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.pieces.push(std::mem::take(&mut self.open).into());
        }
    }

    /// The message.
    pub fn finish(mut self) -> Message {
        self.close();
        let mut pieces = self.pieces.into_iter();
        Message { first: pieces.next().unwrap_or_default(), rest: pieces.collect() }
    }
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
    /// Beyond [`crate::limits::MESSAGE_MAX_BYTES`].
    #[error("the message is too large")]
    TooLarge,
}

/// Sends messages to other nodes. Never blocks.
pub trait Transport: Send + Sync + 'static {
    /// Queues a message.
    fn send(&self, to: NodeId, lane: Lane, message: Message) -> Result<(), SendError>;
}

/// Takes what arrives; `rpc::Rpc` implements it. Called in order for each sender and lane, and must not block.
pub trait Receiver: Send + Sync + 'static {
    /// A message came in.
    fn receive(&self, from: NodeId, lane: Lane, message: Bytes);

    /// The connection to a node broke, or could not be made: what was sent there may not have arrived, and whoever
    /// waits for an answer need not wait longer.
    fn disconnected(&self, to: NodeId, lane: Lane);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_shares_what_is_large_and_copies_what_is_small() {
        let large = Bytes::from(vec![7; SHARED_MIN_BYTES]);
        let mut builder = MessageBuilder::new(b"head".to_vec());
        builder.share(Bytes::from_static(b"small"));
        builder.share(large.clone());
        builder.open().extend_from_slice(b"tail");
        let message = builder.finish().behind(b"envelope");
        let pieces: Vec<&Bytes> = message.pieces().collect();
        assert_eq!(pieces.len(), 3);
        assert_eq!((pieces[0].as_ref(), pieces[2].as_ref()), (&b"envelopeheadsmall"[..], &b"tail"[..]));
        assert_eq!(pieces[1].as_ptr(), large.as_ptr(), "the same allocation");
        let whole = [b"envelopeheadsmall", large.as_ref(), b"tail"].concat();
        assert_eq!((message.len(), message.into_bytes()), (whole.len(), whole.into()));
    }

    #[test]
    fn message_of_one_piece_is_that_piece() {
        let bytes = Bytes::from(vec![7; 9]);
        assert_eq!(Message::from(bytes.clone()).into_bytes().as_ptr(), bytes.as_ptr());
        assert!(Message::default().is_empty() && MessageBuilder::new(Vec::new()).finish().is_empty());
    }
}
