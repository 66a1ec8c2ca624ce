//! `End`: the coordinator commits or aborts its transaction: one record decides over all its intents.
//!
//! Runs under an exclusive latch on the anchor, so that a commit and a question about the transaction come one after
//! the other. Story 8 of section 14: where somebody has aborted it meanwhile, the commit finds that, and says so.

use quorate_engine::hlc::Timestamp;
use quorate_engine::mvcc::intent::TransactionEnd;
use quorate_engine::mvcc::record::{self, TransactionRecord, TransactionStatus};
use quorate_engine::store::Snapshot;

use super::query_transaction::{prevent, put};
use super::{Evaluated, is_too_old, mvcc_error};
use crate::api::{Decision, EndRequest, RangeError, RecordState, Response};

/// Ends a transaction, if it is not over yet. The answer is how it has ended, which may be the other way.
///
/// # Errors
/// Nothing is done for [`RangeError::PastDeadline`], for [`RangeError::Refused`]: a commit of another attempt, and for
/// [`RangeError::TooOld`]: nothing is known of the transaction any more.
pub fn evaluate(
    snapshot: &dyn Snapshot,
    request: &EndRequest,
    now: Timestamp,
) -> Result<Evaluated, RangeError> {
    let transaction = &request.transaction;
    let found = record::get(snapshot, &transaction.anchor, transaction.id).map_err(mvcc_error)?;
    let Some(record) = found else {
        if is_too_old(transaction.started, now) {
            return Err(RangeError::TooOld);
        }
        // Without a record no intent of it was left to the others' mercy: it cannot commit, and never will.
        let effects = prevent(transaction.id, &transaction.anchor, transaction.started, now)?;
        return Ok(Evaluated::Writes(effects, ended(TransactionEnd::Aborted)));
    };
    match record.status {
        TransactionStatus::Committed => Ok(Evaluated::Answer(ended(TransactionEnd::Committed {
            attempt: record.attempt,
            timestamp: record.timestamp,
        }))),
        TransactionStatus::Aborted => Ok(Evaluated::Answer(ended(TransactionEnd::Aborted))),
        TransactionStatus::Pending | TransactionStatus::Staging => decide(record, request, now),
    }
}

fn decide(record: TransactionRecord, request: &EndRequest, now: Timestamp) -> Result<Evaluated, RangeError> {
    let (status, timestamp, outcome) = match request.decision {
        Decision::Abort => (TransactionStatus::Aborted, now, TransactionEnd::Aborted),
        Decision::Commit { timestamp, deadline } => {
            let attempt = request.transaction.attempt;
            if attempt != record.attempt {
                return Err(RangeError::Refused(format!(
                    "attempt {attempt} cannot commit: the transaction is at attempt {}",
                    record.attempt
                )));
            }
            if deadline.is_some_and(|deadline| timestamp >= deadline) {
                return Err(RangeError::PastDeadline { timestamp });
            }
            if timestamp < record.timestamp {
                return Err(RangeError::Refused("a commit below what its transaction has read".to_owned()));
            }
            (TransactionStatus::Committed, timestamp, TransactionEnd::Committed { attempt, timestamp })
        }
    };
    let before = record::size_bytes(&record);
    let record =
        TransactionRecord { status, timestamp, intent_spans: request.intent_spans.clone(), ..record };
    let says = match outcome {
        TransactionEnd::Committed { .. } => TransactionStatus::Committed,
        TransactionEnd::Aborted => TransactionStatus::Aborted,
    };
    assert!(record.status == says, "what is answered is what the record says");
    Ok(Evaluated::Writes(put(&record, now.max(timestamp), before)?, ended(outcome)))
}

fn ended(outcome: TransactionEnd) -> Response {
    Response::State(RecordState::Ended(outcome))
}
