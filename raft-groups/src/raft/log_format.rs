//! Keys and values of the family `raft`: votes, purge points and entries of all groups of a store.
//!
//! ```text
//! key    range id u64 · 1                 vote
//!        range id u64 · 2                 purge point
//!        range id u64 · 3 · index u64     entry
//! value  version 1 · vote | position | term u64 · payload        (see `entry_format`)
//! ```

use bytes::Bytes;
use quorate_placement::topology::RangeId;

use super::entry_command::EntryCommand;
use super::entry_format::{
    BLANK, COMMAND, MEMBERSHIP, get_membership, get_position, get_vote, put_membership, put_position,
    put_vote,
};
use super::types::{EntryPayload, LogEntry};
use crate::decode::{Decoder, FormatError};
use crate::log_position::{LogPosition, VoteState};

const VERSION: u8 = 1;
const VOTE: u8 = 1;
const PURGED: u8 = 2;
const ENTRY: u8 = 3;
/// After all kinds of a range.
const KINDS_END: u8 = 4;
/// Bytes of an entry before its payload's: version, term, kind.
pub(super) const ENTRY_HEAD_BYTES: usize = 1 + 8 + 1;
/// Bytes of an entry's key.
const ENTRY_KEY_BYTES: usize = 17;

fn kind_key(range: RangeId, kind: u8) -> Vec<u8> {
    let mut key = Vec::with_capacity(ENTRY_KEY_BYTES);
    key.extend_from_slice(&range.0.to_be_bytes());
    key.push(kind);
    key
}

pub(crate) fn vote_key(range: RangeId) -> Vec<u8> {
    kind_key(range, VOTE)
}

pub(crate) fn purged_key(range: RangeId) -> Vec<u8> {
    kind_key(range, PURGED)
}

pub(crate) fn entry_key(range: RangeId, index: u64) -> Vec<u8> {
    let mut key = kind_key(range, ENTRY);
    key.extend_from_slice(&index.to_be_bytes());
    key
}

/// After the last entry that a range can have.
pub(crate) fn entries_end(range: RangeId) -> Vec<u8> {
    kind_key(range, KINDS_END)
}

/// Everything that a group has in the family `raft`: first key, and the key after the last.
pub fn group_bounds(range: RangeId) -> (Vec<u8>, Vec<u8>) {
    (kind_key(range, 0), entries_end(range))
}

pub(crate) fn encode_vote(vote: VoteState) -> Bytes {
    let mut out = vec![VERSION];
    put_vote(&mut out, vote);
    out.into()
}

pub(crate) fn decode_vote(bytes: Bytes) -> Result<VoteState, FormatError> {
    let mut decoder = Decoder::new("a stored vote", bytes);
    decoder.version(VERSION)?;
    let vote = get_vote(&mut decoder)?;
    decoder.finish()?;
    Ok(vote)
}

pub(crate) fn encode_purged(position: LogPosition) -> Bytes {
    let mut out = vec![VERSION];
    put_position(&mut out, position);
    out.into()
}

pub(crate) fn decode_purged(bytes: Bytes) -> Result<LogPosition, FormatError> {
    let mut decoder = Decoder::new("a purge point", bytes);
    decoder.version(VERSION)?;
    let position = get_position(&mut decoder)?;
    decoder.finish()?;
    Ok(position)
}

/// Starts the value of an entry; its payload follows.
pub(super) fn put_entry_head(out: &mut Vec<u8>, term: u64) {
    out.push(VERSION);
    out.extend_from_slice(&term.to_be_bytes());
}

/// The value of an entry; its index stands in the key. That of a command is shared, not copied. It is also what messages
/// carry of an entry: other replicas store the same bytes.
pub(crate) fn encode_entry(entry: &LogEntry) -> Bytes {
    let term = entry.position.term;
    let mut out = Vec::new();
    put_entry_head(&mut out, term);
    match &entry.payload {
        EntryPayload::Command(command) => return command.stored(term),
        EntryPayload::Blank => out.push(BLANK),
        EntryPayload::Membership(membership) => {
            out.push(MEMBERSHIP);
            put_membership(&mut out, membership);
        }
    }
    out.into()
}

/// Reads the value of the entry at an index. A command's bytes are shared with it.
pub(crate) fn decode_stored(index: u64, bytes: Bytes) -> Result<LogEntry, FormatError> {
    let mut decoder = Decoder::new("a log entry", bytes.clone());
    decoder.version(VERSION)?;
    let term = decoder.u64("term")?;
    let payload = match decoder.u8("kind of entry")? {
        BLANK => EntryPayload::Blank,
        MEMBERSHIP => EntryPayload::Membership(get_membership(&mut decoder)?),
        COMMAND => {
            decoder.rest();
            EntryPayload::Command(EntryCommand::of_stored(term, bytes))
        }
        other => return Err(decoder.invalid("kind of entry", u64::from(other))),
    };
    decoder.finish()?;
    Ok(LogEntry { position: LogPosition { term, index }, payload })
}

pub(crate) fn decode_entry(key: &[u8], bytes: Bytes) -> Result<LogEntry, FormatError> {
    let mut of_key = Decoder::new("the key of a log entry", Bytes::copy_from_slice(key));
    of_key.u64("range")?;
    let kind = of_key.u8("kind")?;
    if kind != ENTRY {
        return Err(of_key.invalid("kind", u64::from(kind)));
    }
    let index = of_key.u64("index")?;
    of_key.finish()?;
    decode_stored(index, bytes)
}
