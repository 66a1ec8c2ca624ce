//! `QueryTransaction`: how did a transaction end? An answer of "aborted" makes itself true.
//!
//! Asked after a lost answer, while the commit itself may still be on its way: where there is no record, an ABORTED one
//! is written through the log, and a commit that arrives later finds it. Runs under an exclusive latch on the anchor,
//! as the commit does, so that one of both comes first.

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::Key;
use quorate_engine::mvcc::record::{self, TransactionRecord, TransactionStatus};
use quorate_engine::store::{Batch, Snapshot};
use uuid::Uuid;

use super::{Effects, is_too_old, mvcc_error};
use crate::api::{RangeError, TransactionOutcome};

/// What becomes of the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
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
) -> Result<Outcome, RangeError> {
    match record::get(snapshot, anchor, transaction).map_err(mvcc_error)? {
        Some(record) => Ok(Outcome::Known(outcome(&record))),
        // Its record may have been removed: nothing can be said any more. A commit that old is refused.
        None if is_too_old(started, now) => Ok(Outcome::Known(TransactionOutcome::Unknown)),
        None => Ok(Outcome::Aborts(abort(transaction, anchor, now))),
    }
}

fn outcome(record: &TransactionRecord) -> TransactionOutcome {
    match record.status {
        TransactionStatus::Committed => TransactionOutcome::Committed(record.timestamp),
        TransactionStatus::Aborted => TransactionOutcome::Aborted,
        TransactionStatus::Pending | TransactionStatus::Staging => TransactionOutcome::Unknown,
    }
}

fn abort(transaction: Uuid, anchor: &Key, now: Timestamp) -> Effects {
    let record = TransactionRecord {
        status: TransactionStatus::Aborted,
        transaction,
        // Whoever asks does not name an attempt: none can commit any more.
        attempt: u32::MAX,
        anchor: anchor.clone(),
        timestamp: now,
        heartbeat: now,
        intent_spans: Vec::new(),
        in_flight: Vec::new(),
    };
    let mut batch = Batch::new();
    record::put(&mut batch, &record);
    Effects { batch, timestamp: now, size_delta: 0 }
}
