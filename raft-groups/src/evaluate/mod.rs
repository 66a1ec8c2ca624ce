//! What a request means over a snapshot of one range: answers for reads, batches for writes.
//!
//! Everything here is pure. Who waits for latches, takes timestamps, proposes batches and checks the lease is
//! [`crate::replica`].

pub mod changes;
pub mod commit;
pub mod end;
pub mod get;
pub mod heartbeat;
pub mod intents;
pub mod push;
pub mod query_transaction;
pub mod refresh;
pub mod resolve;
pub mod scan;
pub mod settle;
pub mod sweep;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::Key;

use quorate_engine::mvcc::record::TransactionRecord;
use quorate_engine::mvcc::{Intent, MvccError, PageError};
use quorate_engine::store::Batch;

use crate::api::{Holder, RangeError, Response};
use crate::limits::TRANSACTION_AGE_MAX_MICROS;

/// What has to be replicated for a request to take effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effects {
    /// Changes of the data and of transaction records.
    pub batch: Batch,
    /// Newest timestamp written.
    pub timestamp: Timestamp,
    /// By how many bytes the range grows: versions, intents and records.
    pub size_delta: i64,
}

impl Effects {
    /// The effects of a batch that replaces or removes so many bytes of what is stored.
    fn of(batch: Batch, timestamp: Timestamp, removed: usize) -> Self {
        let signed = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        let size_delta = signed(batch.put_bytes()).saturating_sub(signed(removed));
        assert!(timestamp < Timestamp::MAX, "a later write can come after every one");
        Self { batch, timestamp, size_delta }
    }
}

/// What evaluation makes of a step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evaluated {
    /// The answer stands without writing.
    Answer(Response),
    /// The answer stands once the effects are applied.
    Writes(Effects, Response),
}

/// Keys from which on it pays to look first whether anything lies between them: new rows often come in the order of their
/// keys, behind all others.
const MANY_KEYS: usize = 8;

/// The first and the last of keys, where they are many.
fn many<'a>(keys: impl ExactSizeIterator<Item = &'a Key> + Clone) -> Option<(&'a Key, &'a Key)> {
    if keys.len() < MANY_KEYS {
        return None;
    }
    keys.clone().min().zip(keys.max())
}

/// A record that is made of what a request says: what would break a rule is the asker's fault.
fn sound(record: &TransactionRecord) -> Result<&TransactionRecord, RangeError> {
    let checked = record.validate().map(|()| record);
    checked.map_err(|broken| RangeError::Refused(format!("a transaction that cannot be: {broken}")))
}

/// Whether a transaction that started then is too old to commit or to be known.
fn is_too_old(started: Timestamp, now: Timestamp) -> bool {
    now.micros().saturating_sub(started.micros()) > TRANSACTION_AGE_MAX_MICROS
}

fn mvcc_error(error: MvccError) -> RangeError {
    match error {
        MvccError::Uncertain { key, timestamp } => RangeError::Uncertain { key, timestamp },
        MvccError::Intent { key, intent } => RangeError::Locked { key, holder: Box::new(holder(&intent)) },
        MvccError::Store(error) => error.into(),
    }
}

fn page_error(error: PageError) -> RangeError {
    match error {
        PageError::Mvcc(error) => mvcc_error(error),
        PageError::Program(error) => RangeError::Program(error),
    }
}

fn holder(intent: &Intent) -> Holder {
    Holder {
        transaction: intent.transaction,
        anchor: intent.anchor.clone(),
        started: intent.started,
        written: intent.write_timestamp,
    }
}

#[cfg(test)]
mod tests;
