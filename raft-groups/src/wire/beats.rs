//! Heartbeats of many groups from one node to another, and which of them were taken (`Service::Heartbeat`).

use bytes::Bytes;
use quorate_placement::topology::{RangeId, ReplicaId};

use super::raft::PositionForm;
use super::{WireError, forms, read, write};
use crate::heartbeat::Beat;
use crate::limits::BEATS_MAX;
use crate::log_position::LogPosition;

const BEATS: &str = "a message of heartbeats";
const TAKEN: &str = "an answer to heartbeats";

/// The bytes of a message; at most [`BEATS_MAX`] heartbeats.
pub(crate) fn write_beats(beats: &[Beat]) -> Bytes {
    write(&BeatsForm { beats: forms(beats) })
}

/// Reads a message.
pub(crate) fn read_beats(bytes: Bytes) -> Result<Vec<Beat>, WireError> {
    let beats = read::<BeatsForm>(BEATS, bytes)?.beats;
    limited(BEATS, "number of heartbeats", beats.len())?;
    Ok(beats.into_iter().map(Beat::from).collect())
}

/// The bytes of an answer: which heartbeats were taken, in the order of the message.
pub(crate) fn write_taken(taken: &[bool]) -> Bytes {
    write(&TakenForm { taken: taken.to_vec() })
}

/// Reads an answer.
pub(crate) fn read_taken(bytes: Bytes) -> Result<Vec<bool>, WireError> {
    let taken = read::<TakenForm>(TAKEN, bytes)?.taken;
    limited(TAKEN, "number of answers", taken.len())?;
    Ok(taken)
}

fn limited(message: &'static str, field: &'static str, count: usize) -> Result<(), WireError> {
    if count > BEATS_MAX {
        return Err(WireError::Invalid { message, field, value: count as u64 });
    }
    Ok(())
}

#[derive(Clone, PartialEq, prost::Message)]
struct BeatsForm {
    #[prost(message, repeated, tag = "1")]
    beats: Vec<BeatForm>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct BeatForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(uint64, tag = "2")]
    from: u64,
    #[prost(uint64, tag = "3")]
    to: u64,
    #[prost(uint64, tag = "4")]
    term: u64,
    #[prost(message, optional, tag = "5")]
    last: Option<PositionForm>,
}

impl From<&Beat> for BeatForm {
    fn from(beat: &Beat) -> Self {
        Self {
            range_id: beat.range_id.0,
            from: beat.from.0,
            to: beat.to.0,
            term: beat.term,
            last: beat.last.map(PositionForm::from),
        }
    }
}

impl From<BeatForm> for Beat {
    fn from(form: BeatForm) -> Self {
        Self {
            range_id: RangeId(form.range_id),
            from: ReplicaId(form.from),
            to: ReplicaId(form.to),
            term: form.term,
            last: form.last.map(LogPosition::from),
        }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct TakenForm {
    #[prost(bool, repeated, tag = "1")]
    taken: Vec<bool>,
}
