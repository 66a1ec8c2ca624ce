//! The messages of a snapshot on its way, and their answers, in bytes: the payloads of `Service::Snapshot`.
//!
//! ```text
//! message  version 1 · range u64 · transfer u64 · kind u8 · body
//!   1 begin    from replica u64 · to replica u64 · vote of the leader · bytes expected u64 · head (`head_format`)
//!   2 chunk    sequence u32 · span u32 · count u32 { key · value }
//!   3 end      chunks u32
//!   4 abort
//! reply    version 1 · kind u8
//!   1 ready, or taken
//!   2 installed    vote
//!   3 refused      reason u8
//! ```
//!
//! A transfer's number is never given twice by a node, not even by a later process of it.

use bytes::Bytes;
use quorate_engine::staging::Pair;
use quorate_placement::topology::{RangeId, ReplicaId};

use super::SnapshotHead;
use super::head_format::{get_head, get_pairs, put_head, put_pairs};
use crate::decode::{Decoder, FormatError};
use crate::raft::VoteState;
use crate::raft::entry_format::{get_vote, put_vote};

const VERSION: u8 = 1;

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

impl SnapshotRefusal {
    const ALL: [Self; 7] = [
        Self::Busy,
        Self::UnknownReplica,
        Self::Overlap,
        Self::Stopped,
        Self::Lost,
        Self::Failed,
        Self::Unreadable,
    ];

    const fn code(self) -> u8 {
        match self {
            Self::Busy => 1,
            Self::UnknownReplica => 2,
            Self::Overlap => 3,
            Self::Stopped => 4,
            Self::Lost => 5,
            Self::Failed => 6,
            Self::Unreadable => 7,
        }
    }
}

impl SnapshotMessage {
    /// Its bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.range_id.0.to_be_bytes());
        out.extend_from_slice(&self.transfer.to_be_bytes());
        match &self.body {
            SnapshotBody::Begin(offer) => {
                out.push(1);
                out.extend_from_slice(&offer.from_replica.0.to_be_bytes());
                out.extend_from_slice(&offer.to_replica.0.to_be_bytes());
                put_vote(&mut out, offer.vote);
                out.extend_from_slice(&offer.bytes_expected.to_be_bytes());
                put_head(&mut out, &offer.head);
            }
            SnapshotBody::Chunk { sequence, span, pairs } => {
                out.push(2);
                out.extend_from_slice(&sequence.to_be_bytes());
                out.extend_from_slice(&span.to_be_bytes());
                put_pairs(&mut out, pairs);
            }
            SnapshotBody::End { chunks } => {
                out.push(3);
                out.extend_from_slice(&chunks.to_be_bytes());
            }
            SnapshotBody::Abort => out.push(4),
        }
        out.into()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// Damaged bytes, or a newer version.
    pub fn decode(bytes: Bytes) -> Result<Self, FormatError> {
        let mut decoder = Decoder::new("a snapshot's message", bytes);
        decoder.version(VERSION)?;
        let range_id = RangeId(decoder.u64("range")?);
        let transfer = decoder.u64("transfer")?;
        let body = match decoder.u8("kind")? {
            1 => SnapshotBody::Begin(Box::new(SnapshotOffer {
                from_replica: ReplicaId(decoder.u64("from")?),
                to_replica: ReplicaId(decoder.u64("to")?),
                vote: get_vote(&mut decoder)?,
                bytes_expected: decoder.u64("bytes expected")?,
                head: get_head(&mut decoder)?,
            })),
            2 => SnapshotBody::Chunk {
                sequence: decoder.u32("sequence")?,
                span: decoder.u32("span")?,
                pairs: get_pairs(&mut decoder)?,
            },
            3 => SnapshotBody::End { chunks: decoder.u32("chunks")? },
            4 => SnapshotBody::Abort,
            other => return Err(decoder.invalid("kind", u64::from(other))),
        };
        decoder.finish()?;
        Ok(Self { range_id, transfer, body })
    }
}

/// The bytes of a refusal.
pub fn refuse_snapshot(reason: SnapshotRefusal) -> Bytes {
    SnapshotReply::Refused(reason).encode()
}

impl SnapshotReply {
    /// Its bytes.
    pub fn encode(self) -> Bytes {
        let mut out = vec![VERSION];
        match self {
            Self::Ready => out.push(1),
            Self::Installed(vote) => {
                out.push(2);
                put_vote(&mut out, vote);
            }
            Self::Refused(reason) => out.extend_from_slice(&[3, reason.code()]),
        }
        out.into()
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// Damaged bytes, or a newer version.
    pub fn decode(bytes: Bytes) -> Result<Self, FormatError> {
        let mut decoder = Decoder::new("an answer to a snapshot's message", bytes);
        decoder.version(VERSION)?;
        let reply = match decoder.u8("kind")? {
            1 => Self::Ready,
            2 => Self::Installed(get_vote(&mut decoder)?),
            3 => {
                let code = decoder.u8("reason")?;
                let reason = SnapshotRefusal::ALL.into_iter().find(|reason| reason.code() == code);
                Self::Refused(reason.ok_or_else(|| decoder.invalid("reason", u64::from(code)))?)
            }
            other => return Err(decoder.invalid("kind", u64::from(other))),
        };
        decoder.finish()?;
        Ok(reply)
    }
}
