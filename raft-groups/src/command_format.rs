//! Commands of the replicated log, in bytes.
//!
//! ```text
//! command   version 1 · term u64 · generation u64 · closed u64 · high water u64 · size delta i64 · kind u8 · body
//!   1 write      changes u32 · change …
//!   2 end lease  read high water u64 · closed u64
//!   3 split      right range u64 · leader u64 · bytes left u64 · right u64 · right read high water u64
//!                · right closed u64 · key
//! change    1 put          family u8 · key · value
//!           2 delete       family u8 · key
//!           3 delete range family u8 · start · end        (keys and values after their length, u32)
//! family    3 txn · 4 lock · 5 data
//! ```
//!
//! Invariants: every replica reads the same bytes in the same way, so that a kind that a release does not know stops
//! the replica, and is never skipped; a command touches users' data only, never the state of Raft or of the replica.

use bytes::Bytes;
use quorate_engine::codec::check::{Broken, holds, must_hold};
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::Key;
use quorate_engine::limits::COMMAND_MAX_BYTES;
use quorate_engine::mvcc::key_format::split_data_key;
use quorate_engine::store::{Batch, Change, Family};
use quorate_placement::topology::{RangeId, ReplicaId};

use crate::cluster::version::{ClusterVersion, Feature};
use crate::decode::{Decoder, FormatError, put_bytes, put_count};
use crate::limits::COMMAND_ENCODED_MAX_BYTES;
use crate::raft::EntryCommand;

const VERSION: u8 = 1;
/// Kind of an EndLease.
const END_LEASE: u8 = 2;
/// Kind of a split.
const SPLIT: u8 = 3;
/// Where the kind stands: after version, term, generation, closed timestamp, high water and size delta.
const KIND_AT: usize = 1 + 5 * 8;
/// Least bytes of a change: kind, family and two lengths or one.
const CHANGE_BYTES_MIN: usize = 2 + 4;
/// Most bytes of a change besides its key and value.
const CHANGE_HEAD_BYTES_MAX: usize = 2 + 2 * 4;

/// One command: what a request became when it was evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Term in which it was evaluated; it is proposed in this term only.
    pub term: u64,
    /// Generation of the descriptor under which it was evaluated: it touches keys within those bounds only.
    pub generation: u64,
    /// No write at or below this timestamp follows.
    pub closed: Timestamp,
    /// The newest timestamp that it writes: whoever applies it forwards its clock.
    pub high_water: Timestamp,
    /// By how much it changes the range's size in bytes, as estimated at its evaluation.
    pub size_delta: i64,
    /// What it does.
    pub kind: CommandKind,
}

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandKind {
    /// Changes of the families `txn`, `lock` and `data`.
    Write(Batch),
    /// The leaseholder serves nothing any more (design.md section 6).
    EndLease {
        /// Its newest read: the next one writes above it.
        read_high_water: Timestamp,
        /// What it had closed.
        closed: Timestamp,
    },
    /// The range becomes two (design.md section 6).
    Split(SplitCommand),
}

impl CommandKind {
    /// What the cluster's version must allow before it is proposed: a replica that does not know a kind stops.
    pub fn feature(&self) -> Feature {
        match self {
            Self::Write(_) | Self::EndLease { .. } | Self::Split(_) => Feature::FirstCommands,
        }
    }
}

/// How a range becomes two. Evaluated while a latch is held over all of the right side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitCommand {
    /// First key of the right side.
    pub at: Key,
    /// Id of the right side; the left side keeps its own.
    pub right_id: RangeId,
    /// The replica that proposes this: its node stands for the right side's first election at once.
    pub leader: ReplicaId,
    /// About how many bytes stay on the left.
    pub left_bytes: u64,
    /// About how many bytes go to the right.
    pub right_bytes: u64,
    /// Newest read of the right side: its leaders write above it.
    pub right_read: Timestamp,
    /// What is closed of the right side.
    pub right_closed: Timestamp,
}

/// When a change writes a version; `None` for what writes none.
fn written_at(change: &Change) -> Option<Timestamp> {
    match change {
        Change::Put(Family::Data, key, _) => split_data_key(key).ok().map(|(_, timestamp)| timestamp),
        Change::Put(..) | Change::Delete(..) | Change::DeleteRange(..) => None,
    }
}

impl SplitCommand {
    /// What must hold of a split.
    ///
    /// # Errors
    /// The rule that does not.
    pub fn validate(&self) -> Result<(), Broken> {
        holds(!self.at.is_empty(), "a split leaves keys on its left side")?;
        holds(self.right_id != RangeId(0), "the right side of a split is a range")?;
        holds(self.leader != ReplicaId(0), "a split is proposed by a replica")?;
        holds(self.right_read < Timestamp::MAX, "the right side's leaders can write above all reads")?;
        holds(self.right_closed < Timestamp::MAX, "the right side's leaders can write above what is closed")
    }

    fn encode(&self, out: &mut Vec<u8>) {
        for number in [self.right_id.0, self.leader.0, self.left_bytes, self.right_bytes] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        for timestamp in [self.right_read, self.right_closed] {
            out.extend_from_slice(&timestamp.raw().to_be_bytes());
        }
        put_bytes(out, self.at.as_ref());
    }

    fn decode(decoder: &mut Decoder) -> Result<Self, FormatError> {
        Ok(Self {
            right_id: RangeId(decoder.u64("right range")?),
            leader: ReplicaId(decoder.u64("leader")?),
            left_bytes: decoder.u64("bytes on the left")?,
            right_bytes: decoder.u64("bytes on the right")?,
            right_read: Timestamp::from_raw(decoder.u64("right read high water")?),
            right_closed: Timestamp::from_raw(decoder.u64("right closed timestamp")?),
            at: Key::from(decoder.bytes("split key")?.to_vec()),
        })
    }
}

/// Why a command cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Beyond [`COMMAND_MAX_BYTES`].
    #[error(
        "a command of {bytes} bytes of keys and values: at most {COMMAND_MAX_BYTES} can be written at once"
    )]
    TooLarge {
        /// Bytes of its keys and values, or all of its bytes.
        bytes: usize,
    },
    /// The cluster's version does not allow the kind yet.
    #[error(
        "the cluster is at version {version}, and such a command may be proposed from version {since} on"
    )]
    NotYet {
        /// The cluster's version.
        version: u32,
        /// The one from which on it may be.
        since: u32,
    },
    /// A change of a family that commands must not touch.
    #[error("a command must not change the family {}", .0.name())]
    ForeignFamily(Family),
}

impl Command {
    /// What must hold of a command.
    ///
    /// # Errors
    /// The rule that does not.
    pub fn validate(&self) -> Result<(), Broken> {
        holds(self.term > 0, "a command is evaluated under a lease, which has a term")?;
        holds(self.generation > 0, "a command is evaluated under bounds that are known")?;
        holds(self.high_water < Timestamp::MAX, "a command writes before the end of time")?;
        match &self.kind {
            CommandKind::Write(batch) => {
                let is_below = |change: &Change| written_at(change).is_none_or(|at| at <= self.high_water);
                let are_below = batch.changes().iter().all(is_below);
                holds(are_below, "a command writes no version above its high water")
            }
            CommandKind::EndLease { read_high_water, closed } => {
                holds(*read_high_water < Timestamp::MAX, "a later leader can write above all reads")?;
                holds(*closed < Timestamp::MAX, "a later leader can write above what is closed")
            }
            CommandKind::Split(split) => {
                split.validate()?;
                holds(split.right_read <= self.high_water, "whoever applies a split knows its newest read")
            }
        }
    }

    /// The bytes, in those of an entry of the command's term: nothing copies them any more.
    ///
    /// # Errors
    /// Where the command is too large, changes what is not a user's, or is of a kind that the cluster's version does not
    /// allow.
    ///
    /// # Panics
    /// Where the command breaks a rule of its own.
    pub fn encode(&self, cluster: &ClusterVersion) -> Result<EntryCommand, CommandError> {
        must_hold("a command", self.validate());
        let feature = self.kind.feature();
        if !cluster.allows(feature) {
            return Err(CommandError::NotYet { version: cluster.get(), since: feature.since() });
        }
        let command = EntryCommand::build(self.term, self.capacity(), |out| self.put(out))?;
        let bytes = command.size_bytes();
        if bytes > COMMAND_ENCODED_MAX_BYTES { Err(CommandError::TooLarge { bytes }) } else { Ok(command) }
    }

    /// Enough for the bytes, so that they are not moved while they grow.
    fn capacity(&self) -> usize {
        let body = match &self.kind {
            CommandKind::Write(batch) => {
                4 + batch.size_bytes() + batch.changes().len().saturating_mul(CHANGE_HEAD_BYTES_MAX)
            }
            CommandKind::EndLease { .. } => 2 * 8,
            CommandKind::Split(split) => 6 * 8 + 4 + split.at.len(),
        };
        KIND_AT + 1 + body.min(COMMAND_ENCODED_MAX_BYTES)
    }

    fn put(&self, out: &mut Vec<u8>) -> Result<(), CommandError> {
        out.push(VERSION);
        out.extend_from_slice(&self.term.to_be_bytes());
        out.extend_from_slice(&self.generation.to_be_bytes());
        out.extend_from_slice(&self.closed.raw().to_be_bytes());
        out.extend_from_slice(&self.high_water.raw().to_be_bytes());
        out.extend_from_slice(&self.size_delta.to_be_bytes());
        match &self.kind {
            CommandKind::Write(batch) => {
                if batch.size_bytes() > COMMAND_MAX_BYTES {
                    return Err(CommandError::TooLarge { bytes: batch.size_bytes() });
                }
                out.push(1);
                put_count(out, batch.changes().len());
                batch.changes().iter().try_for_each(|change| encode_change(out, change))?;
            }
            CommandKind::Split(split) => {
                out.push(SPLIT);
                split.encode(out);
            }
            CommandKind::EndLease { read_high_water, closed } => {
                out.push(END_LEASE);
                out.extend_from_slice(&read_high_water.raw().to_be_bytes());
                out.extend_from_slice(&closed.raw().to_be_bytes());
            }
        }
        Ok(())
    }

    /// Reads a command.
    ///
    /// # Errors
    /// Where the bytes are damaged or of a kind or version that this release does not know: the replica stops.
    pub fn decode(bytes: Bytes) -> Result<Self, FormatError> {
        let mut decoder = Decoder::new("a command", bytes);
        decoder.version(VERSION)?;
        let term = decoder.u64("term")?;
        let generation = decoder.u64("generation")?;
        let closed = Timestamp::from_raw(decoder.u64("closed timestamp")?);
        let high_water = Timestamp::from_raw(decoder.u64("high water")?);
        let size_delta = decoder.i64("size delta")?;
        let kind = match decoder.u8("kind")? {
            1 => CommandKind::Write(decode_batch(&mut decoder)?),
            END_LEASE => CommandKind::EndLease {
                read_high_water: Timestamp::from_raw(decoder.u64("read high water")?),
                closed: Timestamp::from_raw(decoder.u64("closed timestamp")?),
            },
            SPLIT => CommandKind::Split(SplitCommand::decode(&mut decoder)?),
            other => return Err(decoder.invalid("kind", u64::from(other))),
        };
        let command = Self { term, generation, closed, high_water, size_delta, kind };
        decoder.sound(command.validate())?;
        decoder.finish()?;
        Ok(command)
    }
}

/// Whether an encoded command is an EndLease, without reading all of it.
pub fn is_end_lease(bytes: &[u8]) -> bool {
    bytes.first() == Some(&VERSION) && bytes.get(KIND_AT) == Some(&END_LEASE)
}

fn family_code(family: Family) -> Result<u8, CommandError> {
    match family {
        Family::Txn => Ok(3),
        Family::Lock => Ok(4),
        Family::Data => Ok(5),
        Family::Raft | Family::Range => Err(CommandError::ForeignFamily(family)),
    }
}

fn encode_change(out: &mut Vec<u8>, change: &Change) -> Result<(), CommandError> {
    match change {
        Change::Put(family, key, value) => {
            out.extend_from_slice(&[1, family_code(*family)?]);
            put_bytes(out, key);
            put_bytes(out, value);
        }
        Change::Delete(family, key) => {
            out.extend_from_slice(&[2, family_code(*family)?]);
            put_bytes(out, key);
        }
        Change::DeleteRange(family, start, end) => {
            out.extend_from_slice(&[3, family_code(*family)?]);
            put_bytes(out, start);
            put_bytes(out, end);
        }
    }
    Ok(())
}

fn decode_batch(decoder: &mut Decoder) -> Result<Batch, FormatError> {
    let count = decoder.count("changes", CHANGE_BYTES_MIN)?;
    let mut batch = Batch::new();
    for _ in 0..count {
        let kind = decoder.u8("kind of change")?;
        let family = decode_family(decoder)?;
        let key = decoder.bytes("key")?;
        match kind {
            1 => batch.put(family, key, decoder.bytes("value")?),
            2 => batch.delete(family, key),
            3 => batch.delete_range(family, key, decoder.bytes("end")?),
            other => return Err(decoder.invalid("kind of change", u64::from(other))),
        }
    }
    Ok(batch)
}

fn decode_family(decoder: &mut Decoder) -> Result<Family, FormatError> {
    match decoder.u8("family")? {
        3 => Ok(Family::Txn),
        4 => Ok(Family::Lock),
        5 => Ok(Family::Data),
        other => Err(decoder.invalid("family", u64::from(other))),
    }
}

#[cfg(test)]
mod tests;
