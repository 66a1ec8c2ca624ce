//! `Heartbeat`: the coordinator of a pending transaction is alive. Runs under an exclusive latch on the anchor.

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::Key;
use quorate_engine::mvcc::intent::TransactionEnd;
use quorate_engine::mvcc::record::{self, TransactionRecord, TransactionStatus};
use quorate_engine::store::Snapshot;
use uuid::Uuid;

use super::{Evaluated, mvcc_error, query_transaction};
use crate::api::{RangeError, RecordState, Response};

/// Puts off the time from which others may abort the transaction.
///
/// # Errors
/// The store failed.
pub fn evaluate(
    snapshot: &dyn Snapshot,
    transaction: Uuid,
    anchor: &Key,
    now: Timestamp,
) -> Result<Evaluated, RangeError> {
    let ended = |outcome| Ok(Evaluated::Answer(Response::State(RecordState::Ended(outcome))));
    let Some(record) = record::get(snapshot, anchor, transaction).map_err(mvcc_error)? else {
        // It was laid before the first heartbeat, and only an aborted one was removed since.
        return ended(TransactionEnd::Aborted);
    };
    match record.status {
        TransactionStatus::Committed => {
            ended(TransactionEnd::Committed { attempt: record.attempt, timestamp: record.timestamp })
        }
        TransactionStatus::Aborted => ended(TransactionEnd::Aborted),
        TransactionStatus::Pending | TransactionStatus::Staging => {
            let before = record::size_bytes(&record);
            let record = TransactionRecord { heartbeat: record.heartbeat.max(now), ..record };
            let response = Response::State(RecordState::Pending);
            Ok(Evaluated::Writes(query_transaction::put(&record, now, before)?, response))
        }
    }
}
