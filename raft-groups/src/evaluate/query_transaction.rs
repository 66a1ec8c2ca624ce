//! `QueryTransaction`: how did a transaction end? An answer of "aborted" makes itself true.
//!
//! Asked after a lost answer, while the commit itself may still be on its way: where there is no record, or one of a
//! transaction that is not over, an ABORTED one is written through the log, and a commit that arrives later finds it. Runs under an exclusive latch on the anchor,
//! as the commit does, so that one of both comes first.

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::Key;
use quorate_engine::mvcc::record::{self, TransactionRecord, TransactionStatus};
use quorate_engine::store::{Batch, Snapshot};
use uuid::Uuid;

use super::{Effects, is_too_old, mvcc_error, sound};
use crate::api::{RangeError, TransactionOutcome};

/// What becomes of the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryVerdict {
    /// The answer stands already.
    Known(TransactionOutcome),
    /// The answer is [`TransactionOutcome::Aborted`] once these effects are applied.
    Aborts(Effects),
}

/// Looks for the record, and prevents it where there is none.
///
/// # Errors
/// The store failed.
pub fn evaluate(
    snapshot: &dyn Snapshot,
    transaction: Uuid,
    anchor: &Key,
    started: Timestamp,
    now: Timestamp,
) -> Result<QueryVerdict, RangeError> {
    match record::get(snapshot, anchor, transaction).map_err(mvcc_error)? {
        Some(record) => Ok(match record.status {
            TransactionStatus::Committed => {
                QueryVerdict::Known(TransactionOutcome::Committed(record.timestamp))
            }
            TransactionStatus::Aborted => QueryVerdict::Known(TransactionOutcome::Aborted),
            TransactionStatus::Pending => QueryVerdict::Aborts(aborted(record, now)?),
            // Its writes in flight decide, and nobody writes such records yet.
            TransactionStatus::Staging => QueryVerdict::Known(TransactionOutcome::Unknown),
        }),
        // Its record may have been removed: nothing can be said any more. A commit that old is refused.
        None if is_too_old(started, now) => Ok(QueryVerdict::Known(TransactionOutcome::Unknown)),
        None => Ok(QueryVerdict::Aborts(prevent(transaction, anchor, started, now)?)),
    }
}

/// A transaction that is not over ends here, without effect; where its intents lie stays known.
pub(super) fn aborted(record: TransactionRecord, now: Timestamp) -> Result<Effects, RangeError> {
    assert!(record.status == TransactionStatus::Pending, "only a transaction that is not over is aborted");
    let before = record::size_bytes(&record);
    put(&TransactionRecord { status: TransactionStatus::Aborted, timestamp: now, ..record }, now, before)
}

/// A transaction without a record can never have one that says otherwise.
pub(super) fn prevent(
    transaction: Uuid,
    anchor: &Key,
    started: Timestamp,
    now: Timestamp,
) -> Result<Effects, RangeError> {
    let record = TransactionRecord {
        status: TransactionStatus::Aborted,
        transaction,
        // Whoever asks does not name an attempt: none can commit any more.
        attempt: u32::MAX,
        anchor: anchor.clone(),
        started,
        timestamp: now,
        heartbeat: now,
        intent_spans: Vec::new(),
        in_flight: Vec::new(),
    };
    put(&record, now, 0)
}

/// The record alone, written at `now` in place of one of `before` bytes.
pub(super) fn put(record: &TransactionRecord, now: Timestamp, before: usize) -> Result<Effects, RangeError> {
    let mut batch = Batch::new();
    record::put(&mut batch, sound(record)?);
    Ok(Effects::of(batch, now, before))
}
