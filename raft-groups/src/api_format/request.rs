//! Requests: [`RangeRequest`] to bytes and back.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer, owned};
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{ChangesRequest, Direction, ScanProgram, ScanRequest, Write, WriteCondition};
use quorate_placement::topology::RangeId;

use super::{
    put_key, put_list, put_read_span, put_span, take_key, take_list, take_read_span, take_span, take_value,
    transact,
};
use crate::api::{CommitRequest, RangeRequest, ReadAt, Request};

const GET: u8 = 1;
const SCAN: u8 = 2;
const REFRESH: u8 = 3;
const COMMIT: u8 = 4;
const QUERY_TRANSACTION: u8 = 5;
const TRANSACT: u8 = 6;
const CHANGES: u8 = 7;

pub(super) fn put(writer: &mut Writer, request: &RangeRequest) {
    writer.varint(request.range_id.0).varint(request.generation);
    match &request.request {
        Request::Get { keys, read } => {
            put_list(writer.u8(GET), keys, put_key);
            put_read_at(writer, read);
        }
        Request::Scan { scan, read } => {
            put_scan(writer.u8(SCAN), scan);
            put_read_at(writer, read);
        }
        Request::Changes { changes, read } => {
            put_changes(writer.u8(CHANGES), changes);
            put_read_at(writer, read);
        }
        Request::Refresh { spans, after, upto, own } => {
            put_list(writer.u8(REFRESH), spans, put_read_span);
            writer.timestamp(*after).timestamp(*upto);
            transact::put_owner(writer, *own);
        }
        Request::Commit(commit) => put_commit(writer.u8(COMMIT), commit),
        Request::Transact(step) => transact::put(writer.u8(TRANSACT), step),
        Request::QueryTransaction { transaction, anchor, started } => {
            put_key(writer.u8(QUERY_TRANSACTION).uuid(*transaction), anchor);
            writer.timestamp(*started);
        }
    }
}

pub(super) fn take(reader: &mut Reader<'_>) -> Result<RangeRequest, CodecError> {
    let range_id = RangeId(reader.varint()?);
    let generation = reader.varint()?;
    let request = match reader.u8()? {
        GET => Request::Get { keys: take_list(reader, take_key)?, read: take_read_at(reader)? },
        SCAN => Request::Scan { scan: take_scan(reader)?, read: take_read_at(reader)? },
        CHANGES => Request::Changes { changes: take_changes(reader)?, read: take_read_at(reader)? },
        REFRESH => Request::Refresh {
            spans: take_list(reader, take_read_span)?,
            after: reader.timestamp()?,
            upto: reader.timestamp()?,
            own: transact::take_owner(reader)?,
        },
        COMMIT => Request::Commit(take_commit(reader)?),
        QUERY_TRANSACTION => Request::QueryTransaction {
            transaction: reader.uuid()?,
            anchor: take_key(reader)?,
            started: reader.timestamp()?,
        },
        TRANSACT => Request::Transact(transact::take(reader)?),
        other => return Err(reader.invalid(u64::from(other))),
    };
    Ok(RangeRequest { range_id, generation, request })
}

fn put_read_at(writer: &mut Writer, read: &ReadAt) {
    writer.timestamp(read.timestamp).timestamp(read.uncertainty_limit);
}

fn take_read_at(reader: &mut Reader<'_>) -> Result<ReadAt, CodecError> {
    Ok(ReadAt { timestamp: reader.timestamp()?, uncertainty_limit: reader.timestamp()? })
}

fn put_scan(writer: &mut Writer, scan: &ScanRequest) {
    put_span(writer, &scan.span);
    writer.bool(scan.direction == Direction::Reverse);
    writer.optional_bytes(scan.program.as_ref().map(|program| program.0.as_ref()));
    writer.varint(scan.rows_max).varint(scan.bytes_max);
}

fn take_scan(reader: &mut Reader<'_>) -> Result<ScanRequest, CodecError> {
    Ok(ScanRequest {
        span: take_span(reader)?,
        direction: if reader.bool()? { Direction::Reverse } else { Direction::Forward },
        program: take_value(reader)?.map(ScanProgram),
        rows_max: reader.varint()?,
        bytes_max: reader.varint()?,
    })
}

fn put_changes(writer: &mut Writer, changes: &ChangesRequest) {
    put_span(writer, &changes.span);
    writer.timestamp(changes.after).varint(changes.keys_max).varint(changes.bytes_max);
}

fn take_changes(reader: &mut Reader<'_>) -> Result<ChangesRequest, CodecError> {
    Ok(ChangesRequest {
        span: take_span(reader)?,
        after: reader.timestamp()?,
        keys_max: reader.varint()?,
        bytes_max: reader.varint()?,
    })
}

fn put_commit(writer: &mut Writer, commit: &CommitRequest) {
    writer.uuid(commit.transaction).u32(commit.attempt);
    writer.timestamp(commit.started).timestamp(commit.read_timestamp);
    put_list(writer, &commit.read_spans, put_read_span);
    put_list(writer, &commit.writes, put_write);
    writer.bool(commit.deadline.is_some()).timestamp(commit.deadline.unwrap_or_default());
}

fn take_commit(reader: &mut Reader<'_>) -> Result<CommitRequest, CodecError> {
    Ok(CommitRequest {
        transaction: reader.uuid()?,
        attempt: reader.u32()?,
        started: reader.timestamp()?,
        read_timestamp: reader.timestamp()?,
        read_spans: take_list(reader, take_read_span)?,
        writes: take_list(reader, take_write)?,
        deadline: take_deadline(reader)?,
    })
}

pub(super) fn take_deadline(reader: &mut Reader<'_>) -> Result<Option<Timestamp>, CodecError> {
    let is_some = reader.bool()?;
    let timestamp = reader.timestamp()?;
    Ok(is_some.then_some(timestamp))
}

pub(super) fn put_write(writer: &mut Writer, write: &Write) {
    put_key(writer, &write.key);
    writer.optional_bytes(write.value.as_deref());
    writer.bool(write.condition == WriteCondition::Absent);
}

pub(super) fn take_write(reader: &mut Reader<'_>) -> Result<Write, CodecError> {
    Ok(Write {
        key: take_key(reader)?,
        value: reader.optional_bytes()?.map(owned),
        condition: if reader.bool()? { WriteCondition::Absent } else { WriteCondition::None },
    })
}
