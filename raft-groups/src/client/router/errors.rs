//! What a request's end means to the caller of a transaction.

use quorate_engine::kv::{Key, KvError};

use super::{SendError, unexpected};

use crate::api::RangeError;
use crate::limits::{BACK_PRESSURE_MAX, LOCK_WAIT_MAX};

/// A range answered something else than `to` asks for.
pub(crate) fn wrong_answer(to: &str) -> SendError {
    let detail = unexpected(&format!("another answer than to {to}")).to_string();
    SendError::Answered(RangeError::Storage(detail))
}

/// What a failed read of a single range means to the caller of a transaction. `key` is where it looked.
pub(crate) fn read_error(error: SendError, key: &Key) -> KvError {
    match error {
        SendError::Stale => {
            KvError::Retry { key: key.clone(), reason: "the ranges changed meanwhile".to_owned() }
        }
        SendError::Unavailable { range_id, detail } | SendError::Lost { range_id, detail } => {
            KvError::Unavailable { range_id: range_id.0, detail }
        }
        SendError::Answered(error) => answered_error(error, key),
    }
}

/// What a range's own answer means to the caller of a transaction.
pub(crate) fn answered_error(error: RangeError, fallback: &Key) -> KvError {
    let retry = |key: Key, reason: String| KvError::Retry { key, reason };
    match error {
        RangeError::Uncertain { key, timestamp } => {
            retry(key, format!("a version of {timestamp} lies within the clocks' uncertainty"))
        }
        RangeError::Conflict { key, timestamp } => {
            retry(key, format!("another transaction wrote it at {timestamp}"))
        }
        RangeError::Locked { key, holder } => retry(
            key,
            format!("transaction {} holds it and has not ended within {LOCK_WAIT_MAX:?}", holder.transaction),
        ),
        RangeError::ConditionFailed { key } => KvError::ConditionFailed { key },
        RangeError::PastDeadline { timestamp } => retry(
            fallback.clone(),
            format!("the commit at {timestamp} would outlive the node's catalog lease"),
        ),
        RangeError::Unavailable { range_id, detail } => KvError::Unavailable { range_id: range_id.0, detail },
        RangeError::Busy { range_id, size_bytes } => KvError::Unavailable {
            range_id: range_id.0,
            detail: format!(
                "it has {size_bytes} bytes, at least twice range_max_bytes, and takes no writes before it is split, which \
                 took longer than {BACK_PRESSURE_MAX:?}; nothing was written; look at SHOW RANGES and the node's log, or \
                 raise range_max_bytes, and repeat the statement"
            ),
        },
        RangeError::Program(error) => KvError::Program(error),
        RangeError::TooOld => {
            retry(fallback.clone(), "the transaction began more than ten minutes ago".to_owned())
        }
        RangeError::Refused(detail) => KvError::Storage(format!("the range refused the request: {detail}")),
        RangeError::Storage(detail) | RangeError::Damaged(detail) => KvError::Storage(detail),
        other @ (RangeError::NotLeaseholder { .. }
        | RangeError::TooMuchRead
        | RangeError::Mismatch { .. }
        | RangeError::Ambiguous { .. }) => retry(fallback.clone(), other.to_string()),
    }
}
