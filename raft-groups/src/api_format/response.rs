//! What went well: [`Response`] to bytes and back.

use bytes::Bytes;
use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer, owned};
use quorate_engine::kv::{Change, ChangesPage, Key, ScanPage, ScanRows, ScanServed, Value};

use super::{
    put_key, put_list, put_read_span, put_span, take_key, take_list, take_read_span, take_span, take_value,
    transact,
};
use crate::api::{Response, TransactionOutcome};

const VALUES: u8 = 1;
const PAGE: u8 = 2;
const REFRESHED: u8 = 3;
const COMMITTED: u8 = 4;
const OUTCOME: u8 = 5;
const INTENTS_LAID: u8 = 6;
const STATE: u8 = 7;
const RESOLVED: u8 = 8;
const SWEPT: u8 = 9;
const SETTLED: u8 = 10;
const CHANGES: u8 = 11;

const PAIRS: u8 = 1;
const OUTPUTS: u8 = 2;

const OUTCOME_COMMITTED: u8 = 1;
const OUTCOME_ABORTED: u8 = 2;
const OUTCOME_UNKNOWN: u8 = 3;

pub(super) fn put(writer: &mut Writer, response: &Response) {
    match response {
        Response::Values(values) => put_list(writer.u8(VALUES), values, |writer, value| {
            writer.optional_bytes(value.as_deref());
        }),
        Response::Page(page) => put_page(writer.u8(PAGE), page),
        Response::Changes(page) => put_changes(writer.u8(CHANGES), page),
        Response::Refreshed { left } => put_list(writer.u8(REFRESHED), left, put_read_span),
        Response::Committed(timestamp) => {
            writer.u8(COMMITTED).timestamp(*timestamp);
        }
        Response::Outcome(outcome) => put_outcome(writer.u8(OUTCOME), outcome),
        Response::IntentsLaid(timestamp) => {
            writer.u8(INTENTS_LAID).timestamp(*timestamp);
        }
        Response::State(state) => transact::put_state(writer.u8(STATE), *state),
        Response::Settled => {
            writer.u8(SETTLED);
        }
        Response::Swept(swept) => transact::put_swept(writer.u8(SWEPT), swept),
        Response::Resolved { rest } => put_list(writer.u8(RESOLVED), rest, put_span),
    }
}

pub(super) fn take(reader: &mut Reader<'_>) -> Result<Response, CodecError> {
    Ok(match reader.u8()? {
        VALUES => Response::Values(take_list(reader, take_value)?),
        PAGE => Response::Page(take_page(reader)?),
        CHANGES => Response::Changes(take_changes(reader)?),
        REFRESHED => Response::Refreshed { left: take_list(reader, take_read_span)? },
        COMMITTED => Response::Committed(reader.timestamp()?),
        OUTCOME => Response::Outcome(take_outcome(reader)?),
        INTENTS_LAID => Response::IntentsLaid(reader.timestamp()?),
        STATE => Response::State(transact::take_state(reader)?),
        SETTLED => Response::Settled,
        SWEPT => Response::Swept(transact::take_swept(reader)?),
        RESOLVED => Response::Resolved { rest: take_list(reader, take_span)? },
        other => return Err(reader.invalid(u64::from(other))),
    })
}

fn put_page(writer: &mut Writer, page: &ScanPage) {
    match &page.rows {
        ScanRows::Pairs(pairs) => put_list(writer.u8(PAIRS), pairs, |writer, (key, value)| {
            put_key(writer, key);
            writer.bytes(value);
        }),
        ScanRows::Outputs(outputs) => put_list(writer.u8(OUTPUTS), outputs, |writer, output| {
            writer.bytes(output);
        }),
    }
    writer.bool(page.resume.is_some());
    if let Some(resume) = &page.resume {
        put_span(writer, resume);
    }
    writer.bool(page.is_stopped);
    let served = &page.served;
    writer.varint(served.range_id).varint(served.node_id);
    writer.varint(served.rows_read).varint(served.rows_returned).varint(served.visited);
}

fn take_page(reader: &mut Reader<'_>) -> Result<ScanPage, CodecError> {
    let rows = match reader.u8()? {
        PAIRS => ScanRows::Pairs(take_list(reader, take_pair)?),
        OUTPUTS => ScanRows::Outputs(take_list(reader, take_output)?),
        other => return Err(reader.invalid(u64::from(other))),
    };
    let resume = if reader.bool()? { Some(take_span(reader)?) } else { None };
    let is_stopped = reader.bool()?;
    let served = ScanServed {
        range_id: reader.varint()?,
        node_id: reader.varint()?,
        rows_read: reader.varint()?,
        rows_returned: reader.varint()?,
        visited: reader.varint()?,
    };
    Ok(ScanPage { rows, resume, is_stopped, served })
}

fn put_changes(writer: &mut Writer, page: &ChangesPage) {
    put_list(writer, &page.changes, |writer, change| {
        put_key(writer, &change.key);
        writer.timestamp(change.timestamp).optional_bytes(change.value.as_deref());
    });
    writer.bool(page.resume.is_some());
    if let Some(resume) = &page.resume {
        put_span(writer, resume);
    }
}

fn take_changes(reader: &mut Reader<'_>) -> Result<ChangesPage, CodecError> {
    let changes = take_list(reader, |reader| {
        Ok(Change { key: take_key(reader)?, timestamp: reader.timestamp()?, value: take_value(reader)? })
    })?;
    let resume = if reader.bool()? { Some(take_span(reader)?) } else { None };
    Ok(ChangesPage { changes, resume })
}

fn take_pair(reader: &mut Reader<'_>) -> Result<(Key, Value), CodecError> {
    Ok((take_key(reader)?, take_output(reader)?))
}

fn take_output(reader: &mut Reader<'_>) -> Result<Bytes, CodecError> {
    reader.bytes().map(owned)
}

fn put_outcome(writer: &mut Writer, outcome: &TransactionOutcome) {
    match outcome {
        TransactionOutcome::Committed(timestamp) => writer.u8(OUTCOME_COMMITTED).timestamp(*timestamp),
        TransactionOutcome::Aborted => writer.u8(OUTCOME_ABORTED),
        TransactionOutcome::Unknown => writer.u8(OUTCOME_UNKNOWN),
    };
}

fn take_outcome(reader: &mut Reader<'_>) -> Result<TransactionOutcome, CodecError> {
    Ok(match reader.u8()? {
        OUTCOME_COMMITTED => TransactionOutcome::Committed(reader.timestamp()?),
        OUTCOME_ABORTED => TransactionOutcome::Aborted,
        OUTCOME_UNKNOWN => TransactionOutcome::Unknown,
        other => return Err(reader.invalid(u64::from(other))),
    })
}
