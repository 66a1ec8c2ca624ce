//! The messages of a snapshot on its way, and their answers: the payloads of `Service::Snapshot`. Their bytes are those of
//! `wire::snapshot`.
//!
//! A transfer's number is never given twice by a node, not even by a later process of it.

use bytes::Bytes;
use quorate_engine::staging::Pair;
use quorate_placement::topology::{RangeId, ReplicaId};

use super::SnapshotHead;
use crate::log_position::VoteState;
use crate::wire::{self, WireError};

/// A message of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotMessage {
    /// The range.
    pub range_id: RangeId,
    /// Which transfer.
    pub transfer: u64,
    /// What it says.
    pub body: SnapshotBody,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotBody {
    /// May I send this?
    Begin(Box<SnapshotOffer>),
    /// The next pairs of a span.
    Chunk {
        /// Number of the chunk, from 0.
        sequence: u32,
        /// Number of the span in the head.
        span: u32,
        /// Its pairs, by key, after those of the chunk before.
        pairs: Vec<Pair>,
    },
    /// That was all: install it.
    End {
        /// How many chunks there were.
        chunks: u32,
    },
    /// Forget it.
    Abort,
}

/// A snapshot that a leader wants to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotOffer {
    /// The leader.
    pub from_replica: ReplicaId,
    /// Who shall get it.
    pub to_replica: ReplicaId,
    /// The leader's vote.
    pub vote: VoteState,
    /// About how many bytes it is.
    pub bytes_expected: u64,
    /// What it is.
    pub head: SnapshotHead,
}

/// The answer to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotReply {
    /// Go on.
    Ready,
    /// The replica has it on its disk, or had more already; with its vote.
    Installed(VoteState),
    /// Not now, or not so.
    Refused(SnapshotRefusal),
}

/// Why a snapshot is not taken. Each may be over when it is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotRefusal {
    /// Another one is coming in.
    Busy,
    /// No such replica here.
    UnknownReplica,
    /// Its keys overlap those of another range here, which has to catch up with its split first.
    Overlap,
    /// The replica is stopped, starting, or failed.
    Stopped,
    /// No such transfer, or not its next message.
    Lost,
    /// It could not be staged.
    Failed,
    /// The message could not be read, or contradicts itself.
    Unreadable,
}

impl SnapshotMessage {
    /// Its bytes.
    pub fn encode(&self) -> Bytes {
        wire::snapshot::write_message(self)
    }

    /// Reads a message.
    ///
    /// # Errors
    /// Damaged bytes, or what only a newer release knows.
    pub fn decode(bytes: Bytes) -> Result<Self, WireError> {
        wire::snapshot::read_message(bytes)
    }
}

/// The bytes of a refusal.
pub fn refuse_snapshot(reason: SnapshotRefusal) -> Bytes {
    SnapshotReply::Refused(reason).encode()
}

impl SnapshotReply {
    /// Its bytes.
    pub fn encode(self) -> Bytes {
        wire::snapshot::write_reply(self)
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// Damaged bytes, or what only a newer release knows.
    pub fn decode(bytes: Bytes) -> Result<Self, WireError> {
        wire::snapshot::read_reply(bytes)
    }
}
