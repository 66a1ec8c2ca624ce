//! `Sweep`: what is left of transactions that are over, and of those whose coordinators have died.
//!
//! A record goes when its intents are resolved and nobody may ask for it any more (design.md section 7); an intent that
//! nobody has met for a while is told to the asker, who pushes its owner. Two steps: [`find`] looks without latches, a
//! page at a time, and [`evaluate`] removes records under exclusive latches on their anchors, after a second look.

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::Span;
use quorate_engine::mvcc::intent::TransactionEnd;
use quorate_engine::mvcc::record::{self, TransactionRecord, TransactionStatus};
use quorate_engine::mvcc::{intent_format, key_format, record_format};
use quorate_engine::store::{Batch, Family, Snapshot, StoreError};

use super::{Effects, Evaluated, holder, mvcc_error};
use crate::api::{EndedTransaction, Holder, Leftover, RangeError, RecordId, Response, SweepRequest, Swept};
use crate::limits::{INTENT_AGE_MICROS, RECORD_MARGIN_MICROS, TRANSACTION_AGE_MAX_MICROS};

/// Records, and intents, that are looked at for one page.
const LOOK_MAX: usize = 4_096;
/// Records that one command removes.
const FORGET_MAX: usize = 1_024;
/// Owners of old intents that the asker is told of for one page: where there are as many, it asks again.
pub const TOLD_MAX: usize = 16;
/// Transactions whose records are kept for their intents alone, of which the asker is told for one page: those whose
/// coordinators have died before they could say that the intents are gone.
const ENDED_TOLD_MAX: usize = 256;

/// What a page of sweeping found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Records to remove.
    pub forget: Vec<RecordId>,
    /// What the asker is told.
    pub swept: Swept,
}

/// Looks at one page of records, or for old intents.
///
/// # Errors
/// The store failed, or holds damaged bytes.
pub fn find(snapshot: &dyn Snapshot, request: &SweepRequest, now: Timestamp) -> Result<Found, RangeError> {
    let mut found = Found::default();
    match &request.wanted {
        Leftover::Intents => find_intents(snapshot, &request.span, now, &mut found.swept)?,
        Leftover::Records { after, resolved } => {
            found.forget.clone_from(resolved);
            find_records(snapshot, (&request.span, after.as_ref()), &mut found, |record, found| {
                look_at(record, now, found);
            })?;
        }
        Leftover::AllRecords { after } => {
            find_records(snapshot, (&request.span, after.as_ref()), &mut found, tell)?;
        }
    }
    Ok(found)
}

fn find_records(
    snapshot: &dyn Snapshot,
    (span, after): (&Span, Option<&RecordId>),
    found: &mut Found,
    look: impl Fn(&TransactionRecord, &mut Found),
) -> Result<(), RangeError> {
    let (mut start, end) = key_format::txn_span(span);
    if let Some(RecordId { transaction, anchor }) = after {
        start = key_format::txn_key(anchor, *transaction);
        start.push(0);
    }
    let mut records = snapshot.cursor(Family::Txn, &start, &end);
    records.next().map_err(store_error)?;
    let mut looked = 0;
    while let Some(bytes) = records.value() {
        let record = record_format::decode(bytes).map_err(|error| mvcc_error(error.into()))?;
        looked += 1;
        look(&record, found);
        let is_full = looked >= LOOK_MAX
            || found.swept.abandoned.len() >= TOLD_MAX
            || found.forget.len() >= FORGET_MAX
            || found.swept.ended.len() >= ENDED_TOLD_MAX;
        if is_full {
            found.swept.next = Some(RecordId { transaction: record.transaction, anchor: record.anchor });
            return Ok(());
        }
        records.next().map_err(store_error)?;
    }
    Ok(())
}

fn look_at(record: &TransactionRecord, now: Timestamp, found: &mut Found) {
    let id = id_of(record);
    let Some(outcome) = ended_long_ago(record, now).filter(|_| !found.forget.contains(&id)) else { return };
    if record.intent_spans.is_empty() {
        found.forget.push(id);
    } else {
        found.swept.ended.push(EndedTransaction { id, outcome, intent_spans: record.intent_spans.clone() });
    }
}

fn id_of(record: &TransactionRecord) -> RecordId {
    RecordId { transaction: record.transaction, anchor: record.anchor.clone() }
}

/// Tells of a record, whatever it says, that what it is needed for be done.
fn tell(record: &TransactionRecord, found: &mut Found) {
    let told = &mut found.swept;
    match ended(record) {
        Some(outcome) if !record.intent_spans.is_empty() => {
            let (id, intent_spans) = (id_of(record), record.intent_spans.clone());
            told.ended.push(EndedTransaction { id, outcome, intent_spans });
        }
        Some(_) => {}
        None => {
            let RecordId { transaction, anchor } = id_of(record);
            let (started, written) = (record.started, record.timestamp);
            told.abandoned.push(Holder { transaction, anchor, started, written });
        }
    }
}

/// How a transaction ended of which nobody may ask any more.
fn ended_long_ago(record: &TransactionRecord, now: Timestamp) -> Option<TransactionEnd> {
    let since = record.timestamp.max(record.heartbeat).max(record.started).micros();
    if now.micros().saturating_sub(since) <= TRANSACTION_AGE_MAX_MICROS + RECORD_MARGIN_MICROS {
        return None;
    }
    ended(record)
}

/// How a transaction ended.
fn ended(record: &TransactionRecord) -> Option<TransactionEnd> {
    match record.status {
        TransactionStatus::Committed => {
            Some(TransactionEnd::Committed { attempt: record.attempt, timestamp: record.timestamp })
        }
        TransactionStatus::Aborted => Some(TransactionEnd::Aborted),
        // Its intents lead to it: whoever pushes it ends it.
        TransactionStatus::Pending | TransactionStatus::Staging => None,
    }
}

fn find_intents(
    snapshot: &dyn Snapshot,
    span: &Span,
    now: Timestamp,
    swept: &mut Swept,
) -> Result<(), RangeError> {
    let mut locks = snapshot.cursor(Family::Lock, span.start.as_ref(), span.end.as_ref());
    locks.next().map_err(store_error)?;
    for _ in 0..LOOK_MAX {
        let Some(bytes) = locks.value().filter(|_| swept.abandoned.len() < TOLD_MAX) else { break };
        let intent = intent_format::decode(bytes).map_err(|error| mvcc_error(error.into()))?;
        let is_old = now.micros().saturating_sub(intent.write_timestamp.micros()) > INTENT_AGE_MICROS;
        let is_told = swept.abandoned.iter().any(|holder| holder.transaction == intent.transaction);
        if is_old && !is_told {
            swept.abandoned.push(holder(&intent));
        }
        locks.next().map_err(store_error)?;
    }
    Ok(())
}

fn store_error(error: StoreError) -> RangeError {
    mvcc_error(error.into())
}

/// Removes the records that were found, if they still are what they were.
///
/// # Errors
/// The store failed, or holds damaged bytes.
pub fn evaluate(snapshot: &dyn Snapshot, found: &Found, now: Timestamp) -> Result<Evaluated, RangeError> {
    let (mut batch, mut removed) = (Batch::new(), 0);
    for RecordId { transaction, anchor } in &found.forget {
        let record = record::get(snapshot, anchor, *transaction).map_err(mvcc_error)?;
        if let Some(record) = record.filter(|record| ended_long_ago(record, now).is_some()) {
            let is_over = matches!(record.status, TransactionStatus::Committed | TransactionStatus::Aborted);
            assert!(is_over, "a record lives as long as its transaction is not over");
            removed += record::size_bytes(&record);
            record::delete(&mut batch, anchor, *transaction);
        }
    }
    let response = Response::Swept(found.swept.clone());
    if batch.changes().is_empty() {
        return Ok(Evaluated::Answer(response));
    }
    Ok(Evaluated::Writes(Effects::of(batch, Timestamp::MIN, removed), response))
}
