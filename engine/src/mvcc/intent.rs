//! Intents: provisional writes of a transaction that is not over, one at most for each key.
//!
//! An intent names its transaction, the attempt and the sequence, so that nobody takes the intent of an earlier attempt
//! for one of this (design.md section 7). It becomes a version by [`resolve`], or goes without a trace.

use uuid::Uuid;

use super::{MvccError, intent_format, key_format, write};
use crate::codec::check::{Broken, holds};
use crate::hlc::Timestamp;
use crate::kv::{Key, Span, Value};
use crate::store::{Batch, Family, Snapshot};

/// A provisional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Whose it is.
    pub transaction: Uuid,
    /// Where that transaction's record lies: whoever meets the intent asks there.
    pub anchor: Key,
    /// When the transaction started: of two that wait for each other the younger gives way.
    pub started: Timestamp,
    /// Which attempt of the transaction: each restart counts one up.
    pub attempt: u32,
    /// Which write of the attempt.
    pub sequence: u32,
    /// When the transaction reads.
    pub read_timestamp: Timestamp,
    /// Lowest timestamp at which the write can be committed.
    pub write_timestamp: Timestamp,
    /// What it writes.
    pub kind: IntentKind,
}

impl Intent {
    /// What must hold of an intent.
    ///
    /// # Errors
    /// The rule that does not.
    pub fn validate(&self) -> Result<(), Broken> {
        holds(!self.anchor.is_empty(), "an intent leads to its transaction's record, by the anchor")?;
        holds(self.write_timestamp > Timestamp::MIN, "an intent has a time at which it can be committed")?;
        holds(self.read_timestamp <= self.write_timestamp, "a transaction writes at or above its reads")
    }
}

/// What an intent writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntentKind {
    /// This value.
    Put(Value),
    /// Nothing: it removes the key.
    Delete,
}

impl IntentKind {
    /// The provisional value; `None` for a deletion.
    pub fn value(&self) -> Option<&Value> {
        match self {
            Self::Put(value) => Some(value),
            Self::Delete => None,
        }
    }
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionEnd {
    /// Its writes of this attempt are committed at the timestamp.
    Committed {
        /// The attempt of the transaction's record.
        attempt: u32,
        /// The commit timestamp.
        timestamp: Timestamp,
    },
    /// None of its writes took effect.
    Aborted,
}

/// What [`lay`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Laid {
    /// The intent is laid.
    Now,
    /// It was laid before, or a later one of the same transaction was, at this timestamp; that one stays as it is.
    Before(Timestamp),
}

/// What [`resolve`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// No intent of the transaction: resolved before, or never laid.
    Absent,
    /// The intent became a version.
    Committed,
    /// The intent was removed.
    Removed,
}

/// The intent at a key.
///
/// # Errors
/// The store failed, or holds damaged bytes.
pub fn intent_at(snapshot: &dyn Snapshot, key: &Key) -> Result<Option<Intent>, MvccError> {
    let bytes = snapshot.get(Family::Lock, key_format::lock_key(key).as_ref())?;
    Ok(bytes.map(|bytes| intent_format::decode(&bytes)).transpose()?)
}

/// Whether one look shows that no key of a range of keys, both ends included, has an intent. `false` says nothing.
pub fn have_no_intents(snapshot: &dyn Snapshot, (first, last): (&Key, &Key)) -> bool {
    let end = last.successor();
    snapshot.is_vacant(
        Family::Lock,
        key_format::lock_key(first).as_ref(),
        key_format::lock_key(&end).as_ref(),
    )
}

/// The first `max` intents of a span, in key order.
///
/// # Errors
/// The store failed, or holds damaged bytes.
pub fn intents_in(snapshot: &dyn Snapshot, span: &Span, max: usize) -> Result<Vec<(Key, Intent)>, MvccError> {
    let mut cursor = snapshot.cursor(Family::Lock, span.start.as_ref(), span.end.as_ref());
    let mut found = Vec::new();
    while found.len() < max {
        cursor.next()?;
        let (Some(key), Some(value)) = (cursor.key(), cursor.value()) else { break };
        let key = Key::from(key);
        holds(span.contains(&key), "the intents of a span lie in it")?;
        found.push((key, intent_format::decode(value)?));
    }
    Ok(found)
}

/// Lays an intent. One of the same transaction with this or a higher attempt and sequence stays: this one is then a
/// repeat.
///
/// The caller has checked that no version at or above the write timestamp exists.
///
/// # Errors
/// [`MvccError::Intent`] where another transaction's intent lies.
pub fn lay(
    snapshot: &dyn Snapshot,
    batch: &mut Batch,
    key: &Key,
    intent: &Intent,
) -> Result<Laid, MvccError> {
    if let Some(found) = intent_at(snapshot, key)? {
        if found.transaction != intent.transaction {
            return Err(MvccError::Intent { key: key.clone(), intent: Box::new(found) });
        }
        if (found.attempt, found.sequence) >= (intent.attempt, intent.sequence) {
            return Ok(Laid::Before(found.write_timestamp));
        }
        holds(found.anchor == intent.anchor, "a transaction keeps its anchor for its life")?;
    }
    batch.put(Family::Lock, key_format::lock_key(key).bytes().clone(), intent_format::encode(intent));
    Ok(Laid::Now)
}

/// Turns the transaction's intent at a key into what became of the transaction. Repeats do nothing.
///
/// # Errors
/// The store failed, or holds damaged bytes.
pub fn resolve(
    snapshot: &dyn Snapshot,
    batch: &mut Batch,
    key: &Key,
    transaction: Uuid,
    outcome: TransactionEnd,
) -> Result<Resolved, MvccError> {
    let Some(intent) = intent_at(snapshot, key)?.filter(|intent| intent.transaction == transaction) else {
        return Ok(Resolved::Absent);
    };
    Ok(resolve_found(batch, key, &intent, outcome))
}

/// Turns an intent that was found at a key into what became of its transaction.
///
/// An intent of another attempt than the committed one is removed: its write was taken back by a restart. So is one
/// above the commit timestamp: the coordinator never heard of it, as a late repeat of a request laid it once more.
pub fn resolve_found(batch: &mut Batch, key: &Key, intent: &Intent, outcome: TransactionEnd) -> Resolved {
    batch.delete(Family::Lock, key_format::lock_key(key).bytes().clone());
    match outcome {
        TransactionEnd::Committed { attempt, timestamp }
            if attempt == intent.attempt && intent.write_timestamp <= timestamp =>
        {
            assert!(intent.read_timestamp <= timestamp, "a transaction commits at or above its reads");
            write::put(batch, key, timestamp, intent.kind.value());
            Resolved::Committed
        }
        TransactionEnd::Committed { .. } | TransactionEnd::Aborted => Resolved::Removed,
    }
}
