//! What went wrong: [`RangeError`] to bytes and back.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};
use quorate_engine::kv::ProgramError;
use quorate_placement::topology::{NodeId, RangeId};

use super::{put_key, put_list, take_key, take_list, transact};
use crate::api::RangeError;
use crate::range_format::{get_descriptor, put_descriptor};

const NOT_LEASEHOLDER: u8 = 1;
const MISMATCH: u8 = 2;
const UNCERTAIN: u8 = 3;
const CONFLICT: u8 = 4;
const CONDITION_FAILED: u8 = 5;
const PAST_DEADLINE: u8 = 6;
const UNAVAILABLE: u8 = 7;
const AMBIGUOUS: u8 = 8;
const PROGRAM: u8 = 9;
const REFUSED: u8 = 10;
const STORAGE: u8 = 11;
const LOCKED: u8 = 12;
const BUSY: u8 = 13;
const TOO_OLD: u8 = 14;
const DAMAGED: u8 = 15;
const TOO_MUCH_READ: u8 = 16;

pub(super) fn put(writer: &mut Writer, error: &RangeError) {
    match error {
        RangeError::NotLeaseholder { range_id, leaseholder } => {
            writer.u8(NOT_LEASEHOLDER).varint(range_id.0);
            writer.bool(leaseholder.is_some()).varint(leaseholder.map_or(0, |node| node.0));
        }
        RangeError::Mismatch { range_id, known } => {
            put_list(writer.u8(MISMATCH).varint(range_id.0), known, put_descriptor);
        }
        RangeError::Uncertain { key, timestamp } => {
            put_key(writer.u8(UNCERTAIN).timestamp(*timestamp), key);
        }
        RangeError::Conflict { key, timestamp } => {
            put_key(writer.u8(CONFLICT).timestamp(*timestamp), key);
        }
        RangeError::Locked { key, holder } => {
            put_key(writer.u8(LOCKED), key);
            transact::put_holder(writer, holder);
        }
        RangeError::ConditionFailed { key } => put_key(writer.u8(CONDITION_FAILED), key),
        RangeError::PastDeadline { timestamp } => {
            writer.u8(PAST_DEADLINE).timestamp(*timestamp);
        }
        RangeError::Unavailable { range_id, detail } => {
            writer.u8(UNAVAILABLE).varint(range_id.0).text(detail);
        }
        RangeError::Busy { range_id, size_bytes } => {
            writer.u8(BUSY).varint(range_id.0).varint(*size_bytes);
        }
        RangeError::Ambiguous { range_id, detail } => {
            writer.u8(AMBIGUOUS).varint(range_id.0).text(detail);
        }
        RangeError::Program(error) => {
            writer.u8(PROGRAM).text(&error.sqlstate).text(&error.message);
        }
        RangeError::TooOld => {
            writer.u8(TOO_OLD);
        }
        RangeError::TooMuchRead => {
            writer.u8(TOO_MUCH_READ);
        }
        RangeError::Refused(detail) => {
            writer.u8(REFUSED).text(detail);
        }
        RangeError::Storage(detail) => {
            writer.u8(STORAGE).text(detail);
        }
        RangeError::Damaged(detail) => {
            writer.u8(DAMAGED).text(detail);
        }
    }
}

pub(super) fn take(reader: &mut Reader<'_>) -> Result<RangeError, CodecError> {
    Ok(match reader.u8()? {
        NOT_LEASEHOLDER => RangeError::NotLeaseholder {
            range_id: RangeId(reader.varint()?),
            leaseholder: take_node(reader)?,
        },
        MISMATCH => RangeError::Mismatch {
            range_id: RangeId(reader.varint()?),
            known: take_list(reader, get_descriptor)?,
        },
        UNCERTAIN => {
            let timestamp = reader.timestamp()?;
            RangeError::Uncertain { key: take_key(reader)?, timestamp }
        }
        CONFLICT => {
            let timestamp = reader.timestamp()?;
            RangeError::Conflict { key: take_key(reader)?, timestamp }
        }
        LOCKED => {
            RangeError::Locked { key: take_key(reader)?, holder: Box::new(transact::take_holder(reader)?) }
        }
        CONDITION_FAILED => RangeError::ConditionFailed { key: take_key(reader)? },
        PAST_DEADLINE => RangeError::PastDeadline { timestamp: reader.timestamp()? },
        UNAVAILABLE => {
            RangeError::Unavailable { range_id: RangeId(reader.varint()?), detail: take_text(reader)? }
        }
        AMBIGUOUS => {
            RangeError::Ambiguous { range_id: RangeId(reader.varint()?), detail: take_text(reader)? }
        }
        PROGRAM => {
            RangeError::Program(ProgramError { sqlstate: take_text(reader)?, message: take_text(reader)? })
        }
        TOO_OLD => RangeError::TooOld,
        TOO_MUCH_READ => RangeError::TooMuchRead,
        REFUSED => RangeError::Refused(take_text(reader)?),
        STORAGE => RangeError::Storage(take_text(reader)?),
        DAMAGED => RangeError::Damaged(take_text(reader)?),
        BUSY => RangeError::Busy { range_id: RangeId(reader.varint()?), size_bytes: reader.varint()? },
        other => return Err(reader.invalid(u64::from(other))),
    })
}

fn take_node(reader: &mut Reader<'_>) -> Result<Option<NodeId>, CodecError> {
    let is_some = reader.bool()?;
    let node = NodeId(reader.varint()?);
    Ok(is_some.then_some(node))
}

fn take_text(reader: &mut Reader<'_>) -> Result<String, CodecError> {
    reader.text().map(str::to_owned)
}
