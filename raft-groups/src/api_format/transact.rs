//! The steps of transactions with intents: [`Transact`] and what belongs to it, to bytes and back.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};
use quorate_engine::mvcc::intent::Outcome;
use uuid::Uuid;

use super::request::{put_write, take_deadline, take_write};
use super::{put_key, put_list, put_span, take_key, take_list, take_span};
use crate::api::{
    Decision, EndRequest, EndedTransaction, Holder, IntentsRequest, Leftover, PushRequest, Rank, RecordId,
    ResolveRequest, SweepRequest, Swept, Transact, TransactionMeta, TransactionState,
};

const LAY_INTENTS: u8 = 1;
const HEARTBEAT: u8 = 2;
const END: u8 = 3;
const PUSH: u8 = 4;
const RESOLVE: u8 = 5;
const SWEEP: u8 = 6;
const SETTLE: u8 = 7;

const INTENTS: u8 = 1;
const RECORDS: u8 = 2;

const COMMIT: u8 = 1;
const ABORT: u8 = 2;

const PENDING: u8 = 1;
const ENDED: u8 = 2;

pub(super) fn put(writer: &mut Writer, step: &Transact) {
    match step {
        Transact::LayIntents(request) => {
            put_meta(writer.u8(LAY_INTENTS), &request.transaction);
            put_list(writer.u32(request.sequence), &request.writes, put_write);
            writer.bool(request.with_record);
        }
        Transact::Heartbeat { transaction, anchor } => {
            put_key(writer.u8(HEARTBEAT).uuid(*transaction), anchor);
        }
        Transact::End(request) => {
            put_meta(writer.u8(END), &request.transaction);
            put_decision(writer, request.decision);
            put_list(writer, &request.intent_spans, put_span);
        }
        Transact::Push(request) => {
            put_holder(writer.u8(PUSH), &request.holder);
            writer.bool(request.pusher.is_some());
            if let Some(Rank { age, id }) = request.pusher {
                writer.timestamp(age).uuid(id);
            }
        }
        Transact::Settle(records) => put_list(writer.u8(SETTLE), records, put_record_id),
        Transact::Sweep(request) => {
            put_span(writer.u8(SWEEP), &request.span);
            put_leftover(writer, &request.wanted);
        }
        Transact::Resolve(request) => {
            put_outcome(writer.u8(RESOLVE).uuid(request.transaction), request.outcome);
            put_list(writer, &request.spans, put_span);
        }
    }
}

pub(super) fn take(reader: &mut Reader<'_>) -> Result<Transact, CodecError> {
    Ok(match reader.u8()? {
        LAY_INTENTS => Transact::LayIntents(IntentsRequest {
            transaction: take_meta(reader)?,
            sequence: reader.u32()?,
            writes: take_list(reader, take_write)?,
            with_record: reader.bool()?,
        }),
        HEARTBEAT => Transact::Heartbeat { transaction: reader.uuid()?, anchor: take_key(reader)? },
        END => Transact::End(EndRequest {
            transaction: take_meta(reader)?,
            decision: take_decision(reader)?,
            intent_spans: take_list(reader, take_span)?,
        }),
        PUSH => {
            let holder = take_holder(reader)?;
            let pusher = if reader.bool()? {
                Some(Rank { age: reader.timestamp()?, id: reader.uuid()? })
            } else {
                None
            };
            Transact::Push(PushRequest { holder, pusher })
        }
        SETTLE => Transact::Settle(take_list(reader, take_record_id)?),
        SWEEP => Transact::Sweep(SweepRequest { span: take_span(reader)?, wanted: take_leftover(reader)? }),
        RESOLVE => Transact::Resolve(ResolveRequest {
            transaction: reader.uuid()?,
            outcome: take_outcome(reader)?,
            spans: take_list(reader, take_span)?,
        }),
        other => return Err(reader.invalid(u64::from(other))),
    })
}

fn put_leftover(writer: &mut Writer, wanted: &Leftover) {
    match wanted {
        Leftover::Intents => {
            writer.u8(INTENTS);
        }
        Leftover::Records { after, resolved } => {
            put_after(writer.u8(RECORDS), after.as_ref());
            put_list(writer, resolved, put_record_id);
        }
    }
}

fn take_leftover(reader: &mut Reader<'_>) -> Result<Leftover, CodecError> {
    Ok(match reader.u8()? {
        INTENTS => Leftover::Intents,
        RECORDS => {
            Leftover::Records { after: take_after(reader)?, resolved: take_list(reader, take_record_id)? }
        }
        other => return Err(reader.invalid(u64::from(other))),
    })
}

fn put_meta(writer: &mut Writer, meta: &TransactionMeta) {
    put_key(writer.uuid(meta.id), &meta.anchor);
    writer.u32(meta.attempt).timestamp(meta.started).timestamp(meta.age).timestamp(meta.read_timestamp);
}

fn take_meta(reader: &mut Reader<'_>) -> Result<TransactionMeta, CodecError> {
    Ok(TransactionMeta {
        id: reader.uuid()?,
        anchor: take_key(reader)?,
        attempt: reader.u32()?,
        started: reader.timestamp()?,
        age: reader.timestamp()?,
        read_timestamp: reader.timestamp()?,
    })
}

fn put_decision(writer: &mut Writer, decision: Decision) {
    match decision {
        Decision::Commit { timestamp, deadline } => {
            writer.u8(COMMIT).timestamp(timestamp);
            writer.bool(deadline.is_some()).timestamp(deadline.unwrap_or_default());
        }
        Decision::Abort => {
            writer.u8(ABORT);
        }
    }
}

fn take_decision(reader: &mut Reader<'_>) -> Result<Decision, CodecError> {
    Ok(match reader.u8()? {
        COMMIT => Decision::Commit { timestamp: reader.timestamp()?, deadline: take_deadline(reader)? },
        ABORT => Decision::Abort,
        other => return Err(reader.invalid(u64::from(other))),
    })
}

pub(super) fn put_holder(writer: &mut Writer, holder: &Holder) {
    put_key(writer.uuid(holder.transaction), &holder.anchor);
    writer.timestamp(holder.started).timestamp(holder.written);
}

pub(super) fn take_holder(reader: &mut Reader<'_>) -> Result<Holder, CodecError> {
    Ok(Holder {
        transaction: reader.uuid()?,
        anchor: take_key(reader)?,
        started: reader.timestamp()?,
        written: reader.timestamp()?,
    })
}

/// The transaction that asks, where it has intents.
pub(super) fn put_owner(writer: &mut Writer, owner: Option<Uuid>) {
    writer.bool(owner.is_some());
    if let Some(owner) = owner {
        writer.uuid(owner);
    }
}

pub(super) fn take_owner(reader: &mut Reader<'_>) -> Result<Option<Uuid>, CodecError> {
    Ok(if reader.bool()? { Some(reader.uuid()?) } else { None })
}

fn put_outcome(writer: &mut Writer, outcome: Outcome) {
    match outcome {
        Outcome::Committed { attempt, timestamp } => {
            writer.u8(COMMIT).u32(attempt).timestamp(timestamp);
        }
        Outcome::Aborted => {
            writer.u8(ABORT);
        }
    }
}

fn take_outcome(reader: &mut Reader<'_>) -> Result<Outcome, CodecError> {
    Ok(match reader.u8()? {
        COMMIT => Outcome::Committed { attempt: reader.u32()?, timestamp: reader.timestamp()? },
        ABORT => Outcome::Aborted,
        other => return Err(reader.invalid(u64::from(other))),
    })
}

pub(super) fn put_state(writer: &mut Writer, state: TransactionState) {
    match state {
        TransactionState::Pending => {
            writer.u8(PENDING);
        }
        TransactionState::Ended(outcome) => put_outcome(writer.u8(ENDED), outcome),
    }
}

pub(super) fn take_state(reader: &mut Reader<'_>) -> Result<TransactionState, CodecError> {
    Ok(match reader.u8()? {
        PENDING => TransactionState::Pending,
        ENDED => TransactionState::Ended(take_outcome(reader)?),
        other => return Err(reader.invalid(u64::from(other))),
    })
}

fn put_record_id(writer: &mut Writer, id: &RecordId) {
    put_key(writer.uuid(id.transaction), &id.anchor);
}

fn take_record_id(reader: &mut Reader<'_>) -> Result<RecordId, CodecError> {
    Ok(RecordId { transaction: reader.uuid()?, anchor: take_key(reader)? })
}

fn put_after(writer: &mut Writer, after: Option<&RecordId>) {
    writer.bool(after.is_some());
    if let Some(after) = after {
        put_record_id(writer, after);
    }
}

fn take_after(reader: &mut Reader<'_>) -> Result<Option<RecordId>, CodecError> {
    Ok(if reader.bool()? { Some(take_record_id(reader)?) } else { None })
}

pub(super) fn put_swept(writer: &mut Writer, swept: &Swept) {
    put_list(writer, &swept.abandoned, put_holder);
    put_list(writer, &swept.ended, |writer, ended| {
        put_record_id(writer, &ended.id);
        put_outcome(writer, ended.outcome);
        put_list(writer, &ended.intent_spans, put_span);
    });
    put_after(writer, swept.next.as_ref());
}

pub(super) fn take_swept(reader: &mut Reader<'_>) -> Result<Swept, CodecError> {
    let take_ended = |reader: &mut Reader<'_>| {
        Ok(EndedTransaction {
            id: take_record_id(reader)?,
            outcome: take_outcome(reader)?,
            intent_spans: take_list(reader, take_span)?,
        })
    };
    Ok(Swept {
        abandoned: take_list(reader, take_holder)?,
        ended: take_list(reader, take_ended)?,
        next: take_after(reader)?,
    })
}
