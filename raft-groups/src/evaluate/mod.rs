//! What a request means over a snapshot of one range: answers for reads, batches for writes.
//!
//! Everything here is pure. Who waits for latches, takes timestamps, proposes batches and checks the lease is
//! [`crate::replica`].

pub mod commit;
pub mod get;
pub mod query_transaction;
pub mod refresh;
pub mod scan;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{KEY_MAX_BYTES, VALUE_MAX_BYTES};
use quorate_engine::mvcc::MvccError;
use quorate_engine::store::Batch;

use crate::api::RangeError;
use crate::transport::MESSAGE_MAX_BYTES;

/// How long after its start a transaction may commit and be asked for, in microseconds: records are kept as long
/// (design.md section 7).
pub const TRANSACTION_AGE_MAX_MICROS: u64 = 10 * 60 * 1_000_000;

/// Most bytes that an answer carries: it has to fit into one message with its envelope.
pub const ANSWER_BYTES_MAX: u64 = 2 << 20;
/// Most bytes of one row.
const ROW_BYTES_MAX: u64 = (VALUE_MAX_BYTES + KEY_MAX_BYTES) as u64;
const MESSAGE_BYTES: u64 = MESSAGE_MAX_BYTES as u64;
const _: () = assert!(
    ANSWER_BYTES_MAX + ROW_BYTES_MAX < MESSAGE_BYTES,
    "an answer that is one row over its limit still fits into a message"
);

/// What has to be replicated for a request to take effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effects {
    /// Changes of the data and of transaction records.
    pub batch: Batch,
    /// Newest timestamp written.
    pub timestamp: Timestamp,
    /// About how many bytes the range grows by.
    pub size_delta: i64,
}

/// Whether a transaction that started then is too old to commit or to be known.
fn is_too_old(started: Timestamp, now: Timestamp) -> bool {
    now.micros().saturating_sub(started.micros()) > TRANSACTION_AGE_MAX_MICROS
}

fn mvcc_error(error: MvccError) -> RangeError {
    match error {
        MvccError::Uncertain { key, timestamp } => RangeError::Uncertain { key, timestamp },
        MvccError::Intent { key, intent } => RangeError::Storage(format!(
            "key {key} holds an intent of transaction {}, which no release up to this one writes",
            intent.transaction
        )),
        MvccError::Store(error) => RangeError::Storage(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
