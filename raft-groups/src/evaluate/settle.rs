//! `Settle`: the intents of transactions that are over are gone, so that their records need not know them any more.
//!
//! Such a record goes by itself when nobody may ask for it any more; one that still names intents has to be asked for
//! one by one. Runs under exclusive latches on the anchors.

use quorate_engine::hlc::Timestamp;
use quorate_engine::mvcc::record::{self, TransactionRecord, TransactionStatus};
use quorate_engine::store::{Batch, Snapshot};

use super::{Effects, Evaluated, mvcc_error};
use crate::api::{RangeError, RecordId, Response};

/// Takes the intents out of the records that say how their transactions have ended.
///
/// # Errors
/// The store failed, or holds damaged bytes.
pub fn evaluate(snapshot: &dyn Snapshot, records: &[RecordId]) -> Result<Evaluated, RangeError> {
    let (mut batch, mut removed) = (Batch::new(), 0);
    for RecordId { transaction, anchor } in records {
        let Some(record) = record::get(snapshot, anchor, *transaction).map_err(mvcc_error)? else { continue };
        let is_over = match record.status {
            TransactionStatus::Committed | TransactionStatus::Aborted => true,
            TransactionStatus::Pending | TransactionStatus::Staging => false,
        };
        if is_over && !record.intent_spans.is_empty() {
            assert!(record.in_flight.is_empty(), "nothing of a transaction that is over is in flight");
            removed += record::size_bytes(&record);
            record::put(&mut batch, &TransactionRecord { intent_spans: Vec::new(), ..record });
        }
    }
    if batch.is_empty() {
        return Ok(Evaluated::Answer(Response::Settled));
    }
    // No version is written: nothing comes after anything because of it.
    Ok(Evaluated::Writes(Effects::of(batch, Timestamp::MIN, removed), Response::Settled))
}
