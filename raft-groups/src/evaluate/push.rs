//! `Push`: how is the owner of an intent that is in the way?
//!
//! A transaction that has given no sign of life for [`TRANSACTION_EXPIRY_MICROS`] is aborted by the question, through
//! the log: a commit that comes later finds it. Of two that hold intents and wait for each other the younger is aborted
//! by the older, so that no circle of waiting lasts. Runs under an exclusive latch on the anchor.

use quorate_engine::hlc::Timestamp;
use quorate_engine::mvcc::intent::TransactionEnd;
use quorate_engine::mvcc::record::{self, TransactionStatus};
use quorate_engine::store::Snapshot;

use super::query_transaction::{aborted, prevent};
use super::{Evaluated, mvcc_error};
use crate::api::{PushRequest, RangeError, Rank, RecordState, Response};
use crate::limits::TRANSACTION_EXPIRY_MICROS;

/// Looks at the record, and aborts the transaction where that is due.
///
/// # Errors
/// The store failed.
pub fn evaluate(
    snapshot: &dyn Snapshot,
    request: &PushRequest,
    now: Timestamp,
) -> Result<Evaluated, RangeError> {
    let holder = &request.holder;
    let is_expired =
        |alive: Timestamp| now.micros().saturating_sub(alive.micros()) > TRANSACTION_EXPIRY_MICROS;
    let Some(record) = record::get(snapshot, &holder.anchor, holder.transaction).map_err(mvcc_error)? else {
        // A record lives as long as its intents (section 14, story 19), and comes with the first of them: without one
        // the transaction never committed.
        if !is_expired(holder.written) {
            return Ok(Evaluated::Answer(pending()));
        }
        let effects = prevent(holder.transaction, &holder.anchor, holder.started, now)?;
        return Ok(Evaluated::Writes(effects, ended(TransactionEnd::Aborted)));
    };
    let rank = Rank { age: record.started, id: record.transaction };
    match record.status {
        TransactionStatus::Committed => Ok(Evaluated::Answer(ended(TransactionEnd::Committed {
            attempt: record.attempt,
            timestamp: record.timestamp,
        }))),
        TransactionStatus::Aborted => Ok(Evaluated::Answer(ended(TransactionEnd::Aborted))),
        TransactionStatus::Pending
            if is_expired(record.heartbeat) || request.pusher.is_some_and(|pusher| pusher < rank) =>
        {
            Ok(Evaluated::Writes(aborted(record, now)?, ended(TransactionEnd::Aborted)))
        }
        // Nobody writes staging records yet: their writes in flight would have to be looked for first.
        TransactionStatus::Pending | TransactionStatus::Staging => Ok(Evaluated::Answer(pending())),
    }
}

fn pending() -> Response {
    Response::State(RecordState::Pending)
}

fn ended(outcome: TransactionEnd) -> Response {
    Response::State(RecordState::Ended(outcome))
}
