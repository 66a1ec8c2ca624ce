//! `LayIntents`: provisional writes of a transaction over several ranges, the first of them with its record.
//!
//! Runs under exclusive latches on the written keys. Stories of section 14: whoever meets the first intent finds the
//! PENDING record, since both come in one command (20); a repeat finds what stands and does nothing (1).

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, Write};
use quorate_engine::limits::KEY_MAX_BYTES;
use quorate_engine::mvcc::intent::{self, Intent, IntentKind, Laid, TransactionEnd};
use quorate_engine::mvcc::record::{self, TransactionRecord, TransactionStatus};
use quorate_engine::store::{Batch, Snapshot};

use super::commit::{Floor, check_conditions, check_limits, refuse_intents};
use super::{Effects, Evaluated, is_too_old, mvcc_error, sound};
use crate::api::{IntentsRequest, RangeError, RecordState, Response};

/// Allowance per intent for its ids, timestamps and lengths.
const INTENT_OVERHEAD_BYTES: usize = 96;

/// Bytes that a write adds to a command as an intent.
pub fn intent_bytes(anchor: &Key, write: &Write) -> usize {
    let value = write.value.as_ref().map_or(0, |value| value.len());
    write.key.len() + value + anchor.len() + INTENT_OVERHEAD_BYTES
}

/// Lays the intents, at one timestamp.
///
/// # Errors
/// Nothing is done for: [`RangeError::TooOld`], [`RangeError::Refused`] (beyond a limit), [`RangeError::Locked`],
/// [`RangeError::ConditionFailed`].
pub fn evaluate(
    snapshot: &dyn Snapshot,
    request: &IntentsRequest,
    floor: Floor,
) -> Result<Evaluated, RangeError> {
    check_limits(&request.writes)?;
    let transaction = &request.transaction;
    if is_too_old(transaction.started, floor.now) {
        return Err(RangeError::TooOld);
    }
    let record = match stands(snapshot, request)? {
        Record::Ended(outcome) => {
            return Ok(Evaluated::Answer(Response::State(RecordState::Ended(outcome))));
        }
        Record::NotNeeded => None,
        Record::Missing => Some(pending(request, floor.now)),
    };
    refuse_intents(snapshot, &request.writes, Some(transaction.id))?;
    let newest = check_conditions(snapshot, &request.writes, floor)?;
    let timestamp =
        floor.now.max(transaction.read_timestamp.next()).max(floor.read.next()).max(newest.next());
    assert!(timestamp > transaction.read_timestamp, "a transaction writes above its reads");
    assert!(timestamp > floor.read, "an intent lies above all that anybody has read of its key");
    assert!(timestamp > newest, "an intent lies above all that was written to its key");
    let mut batch = Batch::new();
    let stands_at = lay(snapshot, &mut batch, request, timestamp)?;
    if let Some(record) = &record {
        record::put(&mut batch, sound(record)?);
    }
    let response = Response::IntentsLaid(stands_at);
    if batch.changes().is_empty() {
        return Ok(Evaluated::Answer(response));
    }
    Ok(Evaluated::Writes(Effects::of(batch, timestamp, 0), response))
}

/// What there is of a record that goes with the intents.
enum Record {
    NotNeeded,
    Missing,
    Ended(TransactionEnd),
}

fn stands(snapshot: &dyn Snapshot, request: &IntentsRequest) -> Result<Record, RangeError> {
    let transaction = &request.transaction;
    if !request.with_record {
        return Ok(Record::NotNeeded);
    }
    if !request.writes.iter().any(|write| write.key == transaction.anchor) {
        return Err(RangeError::Refused("a record goes with the intent of its anchor".to_owned()));
    }
    let found = record::get(snapshot, &transaction.anchor, transaction.id).map_err(mvcc_error)?;
    let Some(record) = found else { return Ok(Record::Missing) };
    Ok(match record.status {
        TransactionStatus::Committed => {
            Record::Ended(TransactionEnd::Committed { attempt: record.attempt, timestamp: record.timestamp })
        }
        TransactionStatus::Aborted => Record::Ended(TransactionEnd::Aborted),
        TransactionStatus::Pending | TransactionStatus::Staging => Record::NotNeeded,
    })
}

fn pending(request: &IntentsRequest, now: Timestamp) -> TransactionRecord {
    let transaction = &request.transaction;
    TransactionRecord {
        status: TransactionStatus::Pending,
        transaction: transaction.id,
        attempt: transaction.attempt,
        anchor: transaction.anchor.clone(),
        started: transaction.age,
        timestamp: transaction.read_timestamp,
        heartbeat: now,
        intent_spans: Vec::new(),
        in_flight: Vec::new(),
    }
}

/// Adds the intents that are not there yet; the newest timestamp of any of them.
fn lay(
    snapshot: &dyn Snapshot,
    batch: &mut Batch,
    request: &IntentsRequest,
    timestamp: Timestamp,
) -> Result<Timestamp, RangeError> {
    let transaction = &request.transaction;
    if transaction.anchor.is_empty() || transaction.anchor.len() > KEY_MAX_BYTES {
        return Err(RangeError::Refused("a transaction whose anchor is no key".to_owned()));
    }
    let mut newest = Timestamp::MIN;
    for (write, sequence) in request.writes.iter().zip(request.sequence..) {
        let intent = Intent {
            transaction: transaction.id,
            anchor: transaction.anchor.clone(),
            started: transaction.started,
            attempt: transaction.attempt,
            sequence,
            read_timestamp: transaction.read_timestamp,
            write_timestamp: timestamp,
            kind: write.value.clone().map_or(IntentKind::Delete, IntentKind::Put),
        };
        newest = newest.max(match intent::lay(snapshot, batch, &write.key, &intent).map_err(mvcc_error)? {
            Laid::Now => timestamp,
            Laid::Before(before) => before,
        });
    }
    assert!(request.writes.is_empty() || newest > Timestamp::MIN, "what is laid stands at a time");
    Ok(newest)
}
