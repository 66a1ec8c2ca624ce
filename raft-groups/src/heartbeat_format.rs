//! Heartbeats of many groups from one node to another, and the answer, in bytes: the payloads of `Service::Heartbeat`.
//!
//! ```text
//! message  version 2 · count u32 · { range u64 · from u64 · to u64 · term u64 · has last bool · { last term u64 · last index u64 } } …
//! answer   version 2 · count u32 · { taken bool } …
//! ```
//!
//! Each says that the replica `from` leads the term. Where its group rests it stands for an append without entries: all of its
//! log up to `last` is committed, and `to` has it already; what is not taken is told again, by an append. Where the group is
//! busy there is no `last`, and appends come beside it.

use bytes::Bytes;
use quorate_placement::topology::{RangeId, ReplicaId};

use crate::decode::{Decoder, FormatError, put_count};
use crate::raft::entry_format::{get_optional_position, put_optional_position};
use crate::raft::{LogPosition, VoteState};

const VERSION: u8 = 2;
/// Bytes of a heartbeat without, and with, a last entry.
const BEAT_BYTES_MIN: usize = 4 * 8 + 1;
const BEAT_BYTES: usize = BEAT_BYTES_MIN + 2 * 8;
/// Heartbeats in one message: 49 KiB of them.
pub const BEATS_MAX: usize = 1_024;
const _: () = assert!(BEATS_MAX * BEAT_BYTES < crate::transport::MESSAGE_MAX_BYTES / 16);

/// A heartbeat past the Raft task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The group's range.
    pub range_id: RangeId,
    /// The replica that leads.
    pub from: ReplicaId,
    /// The replica meant.
    pub to: ReplicaId,
    /// The term that it leads.
    pub term: u64,
    /// Its last entry, which is committed, where the group rests; none where its Raft task has more to tell.
    pub last: Option<LogPosition>,
}

impl Beat {
    /// The leader's vote.
    pub fn leader(&self) -> VoteState {
        VoteState { term: self.term, candidate: self.from, is_committed: true }
    }
}

/// The bytes of a message; at most [`BEATS_MAX`] heartbeats.
pub fn encode_beats(beats: &[Beat]) -> Bytes {
    let mut out = Vec::with_capacity(1 + 4 + beats.len() * BEAT_BYTES);
    out.push(VERSION);
    put_count(&mut out, beats.len());
    for beat in beats {
        for id in [beat.range_id.0, beat.from.0, beat.to.0, beat.term] {
            out.extend_from_slice(&id.to_be_bytes());
        }
        put_optional_position(&mut out, beat.last);
    }
    out.into()
}

/// Reads a message.
///
/// # Errors
/// Where the bytes are damaged, or of a version that this release does not know.
pub fn decode_beats(bytes: Bytes) -> Result<Vec<Beat>, FormatError> {
    let mut decoder = Decoder::new("a message of heartbeats", bytes);
    decoder.version(VERSION)?;
    let count = decoder.count("heartbeats", BEAT_BYTES_MIN)?;
    let mut beats = Vec::with_capacity(count);
    for _ in 0..count {
        let range_id = RangeId(decoder.u64("range")?);
        let (from, to) = (ReplicaId(decoder.u64("sender")?), ReplicaId(decoder.u64("receiver")?));
        let term = decoder.u64("term")?;
        let last = get_optional_position(&mut decoder)?;
        beats.push(Beat { range_id, from, to, term, last });
    }
    decoder.finish()?;
    Ok(beats)
}

/// The bytes of an answer: which heartbeats were taken, in the order of the message.
pub fn encode_taken(taken: &[bool]) -> Bytes {
    let mut out = Vec::with_capacity(1 + 4 + taken.len());
    out.push(VERSION);
    put_count(&mut out, taken.len());
    out.extend(taken.iter().copied().map(u8::from));
    out.into()
}

/// Reads an answer.
///
/// # Errors
/// Where the bytes are damaged, or of a version that this release does not know.
pub fn decode_taken(bytes: Bytes) -> Result<Vec<bool>, FormatError> {
    let mut decoder = Decoder::new("an answer to heartbeats", bytes);
    decoder.version(VERSION)?;
    let count = decoder.count("answers", 1)?;
    let taken = (0..count).map(|_| decoder.bool("taken")).collect::<Result<_, _>>()?;
    decoder.finish()?;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quorate_engine::testing::fixture;

    use super::*;

    fn fixed(name: &str, bytes: &Bytes) -> Bytes {
        fixture::check(env!("CARGO_MANIFEST_DIR"), name, bytes).into()
    }

    fn beat(range: u64) -> Beat {
        let last = (range != 9).then_some(LogPosition { term: 4, index: 70 + range });
        Beat { range_id: RangeId(range), from: ReplicaId(2), to: ReplicaId(3), term: 5, last }
    }

    #[test]
    fn fixtures() {
        let beats = [beat(1), beat(9)];
        assert_eq!(decode_beats(fixed("heartbeats", &encode_beats(&beats))).unwrap(), beats);
        let taken = [true, false, true];
        assert_eq!(decode_taken(fixed("heartbeats_taken", &encode_taken(&taken))).unwrap(), taken);
    }

    #[test]
    fn damage_is_an_error() {
        let (beats, taken) = (encode_beats(&[beat(1)]), encode_taken(&[true]));
        (0..beats.len()).for_each(|length| assert!(decode_beats(beats.slice(..length)).is_err()));
        (0..taken.len()).for_each(|length| assert!(decode_taken(taken.slice(..length)).is_err()));
        assert!(decode_taken(Bytes::from_static(&[VERSION, 0, 0, 0, 1, 2])).is_err());
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_beats(Bytes::from(bytes.clone()));
            let _ = decode_taken(Bytes::from(bytes));
        }
    }
}
