//! Transaction records: the one place that says how a transaction ended (design.md section 7).

use uuid::Uuid;

use super::{MvccError, key_format, record_format};
use crate::codec::check::{Broken, are_apart, holds};
use crate::hlc::Timestamp;
use crate::kv::{Key, Span};
use crate::store::{Batch, Family, Snapshot};

/// How far a transaction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionStatus {
    /// Intents are being laid; the coordinator's heartbeat keeps it alive.
    Pending,
    /// Committed as soon as all writes in flight are there.
    Staging,
    /// All its writes are committed.
    Committed,
    /// None of its writes took effect.
    Aborted,
}

/// A write that was sent along with a staging record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlightWrite {
    /// Its key.
    pub key: Key,
    /// Its sequence in the record's attempt.
    pub sequence: u32,
}

/// What is known of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionRecord {
    /// How far it has come.
    pub status: TransactionStatus,
    /// Its id.
    pub transaction: Uuid,
    /// Its attempt; intents of others do not count.
    pub attempt: u32,
    /// First key it wrote; fixed for its life, and where this record lies.
    pub anchor: Key,
    /// When the transaction started, over all attempts at the same work: its age among those that wait for each other.
    pub started: Timestamp,
    /// Commit timestamp, provisional before the commit.
    pub timestamp: Timestamp,
    /// Last sign of life of its coordinator.
    pub heartbeat: Timestamp,
    /// Where its intents lie.
    pub intent_spans: Vec<Span>,
    /// Writes sent along with a staging record; empty otherwise.
    pub in_flight: Vec<InFlightWrite>,
}

impl TransactionRecord {
    /// What must hold of a record.
    ///
    /// # Errors
    /// The rule that does not.
    pub fn validate(&self) -> Result<(), Broken> {
        let is_staging = match self.status {
            TransactionStatus::Staging => true,
            TransactionStatus::Pending | TransactionStatus::Committed | TransactionStatus::Aborted => false,
        };
        let spans = self.intent_spans.iter().map(|span| (span.start.as_ref(), span.end.as_ref()));
        holds(!self.anchor.is_empty(), "a record lies at its transaction's anchor")?;
        holds(self.timestamp > Timestamp::MIN, "a record has a timestamp")?;
        holds(self.timestamp < Timestamp::MAX, "a record's timestamp lies before the end of time")?;
        holds(self.heartbeat > Timestamp::MIN, "a record has a sign of life")?;
        holds(are_apart(spans), "the spans of a record's intents are in order, and none is empty")?;
        holds(is_staging || self.in_flight.is_empty(), "only a staging record has writes in flight")
    }

    /// What must hold of a record found under a key.
    fn is_of(&self, anchor: &Key, transaction: Uuid) -> Result<(), Broken> {
        holds(self.transaction == transaction, "a record lies under its transaction's id")?;
        holds(self.anchor == *anchor, "a record lies under its anchor")
    }
}

/// The record of a transaction.
///
/// # Errors
/// The store failed, or holds damaged bytes.
pub fn get(
    snapshot: &dyn Snapshot,
    anchor: &Key,
    transaction: Uuid,
) -> Result<Option<TransactionRecord>, MvccError> {
    let bytes = snapshot.get(Family::Txn, &key_format::txn_key(anchor, transaction))?;
    let record = bytes.map(|bytes| record_format::decode(&bytes)).transpose()?;
    record.as_ref().map_or(Ok(()), |record| record.is_of(anchor, transaction))?;
    Ok(record)
}

/// Writes a record, in place of the one before.
pub fn put(batch: &mut Batch, record: &TransactionRecord) {
    let key = key_format::txn_key(&record.anchor, record.transaction);
    batch.put(Family::Txn, key, record_format::encode(record));
}

/// Bytes that a record takes in the store, its key included.
pub fn size_bytes(record: &TransactionRecord) -> usize {
    key_format::txn_key(&record.anchor, record.transaction).len() + record_format::encode(record).len()
}

/// Removes a record.
pub fn delete(batch: &mut Batch, anchor: &Key, transaction: Uuid) {
    batch.delete(Family::Txn, key_format::txn_key(anchor, transaction));
}

/// The first `max` records whose anchors lie in a span, in key order.
///
/// # Errors
/// The store failed, or holds damaged bytes.
pub fn records_in(
    snapshot: &dyn Snapshot,
    span: &Span,
    max: usize,
) -> Result<Vec<TransactionRecord>, MvccError> {
    let (start, end) = key_format::txn_span(span);
    let mut cursor = snapshot.cursor(Family::Txn, &start, &end);
    let mut found = Vec::new();
    while found.len() < max {
        cursor.next()?;
        let (Some(key), Some(value)) = (cursor.key(), cursor.value()) else { break };
        let record = record_format::decode(value)?;
        let (anchor, transaction) = key_format::decode_txn_key(key)?;
        record.is_of(&anchor, transaction)?;
        holds(span.contains(&anchor), "the records of a span have their anchors in it")?;
        found.push(record);
    }
    Ok(found)
}
