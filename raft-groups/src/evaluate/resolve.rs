//! `Resolve`: intents become what became of their transaction.
//!
//! Two steps: [`find`] looks for them, a command's worth at a time, and [`evaluate`] resolves those keys under exclusive
//! latches. It looks at each key once more, so that what somebody else resolved, or laid, meanwhile is left alone.

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, Span};
use quorate_engine::limits::{COMMAND_MAX_BYTES, KEY_MAX_BYTES, VALUE_MAX_BYTES};
use quorate_engine::mvcc::intent::{self, Intent, TransactionEnd};
use quorate_engine::mvcc::intent_format;
use quorate_engine::mvcc::record::{self, TransactionStatus};
use quorate_engine::store::{Batch, Family, Snapshot, StoreError};
use uuid::Uuid;

use super::{Effects, Evaluated, mvcc_error};
use crate::api::{RangeError, ResolveRequest, Response};
use crate::limits::{RESOLVE_KEYS_MAX, RESOLVE_LOOK_MAX, RESOLVE_PAGE_BYTES};
use crate::safeguard::{self, Safeguard};

/// Allowance per key for timestamps and lengths.
const KEY_OVERHEAD_BYTES: usize = 48;
const _: () = assert!(
    // A key is written twice: as a lock, and escaped, which may double it.
    RESOLVE_PAGE_BYTES + 3 * KEY_MAX_BYTES + VALUE_MAX_BYTES + KEY_OVERHEAD_BYTES < COMMAND_MAX_BYTES,
    "a page that is one intent over its limit still fits one command"
);

/// What there is to resolve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Keys with intents of the transaction.
    pub keys: Vec<Key>,
    /// What was not looked at.
    pub rest: Vec<Span>,
    /// About how many bytes resolving them writes.
    pub bytes: usize,
}

/// Looks for a command's worth of the transaction's intents.
///
/// # Errors
/// The store failed.
pub fn find(snapshot: &dyn Snapshot, request: &ResolveRequest) -> Result<Found, RangeError> {
    let mut page = Page::default();
    let mut spans = request.spans.iter();
    while !page.is_full()
        && let Some(span) = spans.next()
    {
        let mut locks = snapshot.cursor(Family::Lock, span.start.as_ref(), span.end.as_ref());
        locks.next().map_err(store_error)?;
        while let (Some(key), Some(value)) = (locks.key(), locks.value()) {
            let key = Key::from(key);
            if page.is_full() {
                let rest = std::iter::once(Span::new(key, span.end.clone())).chain(spans.cloned()).collect();
                return Ok(Found { keys: page.keys, rest, bytes: page.bytes });
            }
            let intent = intent_format::decode(value).map_err(|error| mvcc_error(error.into()))?;
            page.look_at(key, &intent, request.transaction);
            locks.next().map_err(store_error)?;
        }
    }
    Ok(Found { keys: page.keys, rest: spans.cloned().collect(), bytes: page.bytes })
}

/// A command's worth of keys.
#[derive(Default)]
struct Page {
    keys: Vec<Key>,
    bytes: usize,
    looked_at: usize,
}

impl Page {
    fn is_full(&self) -> bool {
        self.bytes >= RESOLVE_PAGE_BYTES
            || self.keys.len() >= RESOLVE_KEYS_MAX
            || self.looked_at >= RESOLVE_LOOK_MAX
    }

    fn look_at(&mut self, key: Key, intent: &Intent, transaction: Uuid) {
        self.looked_at += 1;
        if intent.transaction == transaction {
            let value = intent.kind.value().map_or(0, |value| value.len());
            self.bytes += 3 * key.len() + value + KEY_OVERHEAD_BYTES;
            self.keys.push(key);
        }
    }
}

fn store_error(error: StoreError) -> RangeError {
    mvcc_error(error.into())
}

/// Whether a record that lies on this node says otherwise. The first intent's will do: a transaction has one anchor. A
/// replica that is behind may not know yet how the transaction ended; but what it knows of an end stays.
fn refuse_contradiction(
    snapshot: &dyn Snapshot,
    intent: &Intent,
    outcome: TransactionEnd,
) -> Result<(), RangeError> {
    let record = record::get(snapshot, &intent.anchor, intent.transaction).map_err(mvcc_error)?;
    let Some(record) = record.filter(|_| safeguard::holds(Safeguard::RecordBeforeResolve)) else {
        return Ok(());
    };
    let agrees = match (record.status, outcome) {
        (TransactionStatus::Committed, TransactionEnd::Committed { attempt, timestamp }) => {
            (attempt, timestamp) == (record.attempt, record.timestamp)
        }
        (TransactionStatus::Aborted, TransactionEnd::Aborted)
        | (
            TransactionStatus::Pending | TransactionStatus::Staging,
            TransactionEnd::Committed { .. } | TransactionEnd::Aborted,
        ) => true,
        (TransactionStatus::Committed, TransactionEnd::Aborted)
        | (TransactionStatus::Aborted, TransactionEnd::Committed { .. }) => false,
    };
    if agrees {
        Ok(())
    } else {
        Err(RangeError::Refused("its record says that the transaction ended otherwise".to_owned()))
    }
}

/// Resolves the intents at the keys that were found.
///
/// # Errors
/// The store failed.
pub fn evaluate(
    snapshot: &dyn Snapshot,
    transaction: Uuid,
    outcome: TransactionEnd,
    found: &Found,
) -> Result<Evaluated, RangeError> {
    let mut batch = Batch::new();
    let mut intents = 0;
    for key in &found.keys {
        let Some(bytes) = snapshot.get(Family::Lock, key.as_ref()).map_err(store_error)? else { continue };
        let intent = intent_format::decode(&bytes).map_err(|error| mvcc_error(error.into()))?;
        if intent.transaction == transaction {
            if intents == 0 {
                refuse_contradiction(snapshot, &intent, outcome)?;
            }
            intents += key.len() + bytes.len();
            intent::resolve_found(&mut batch, key, &intent, outcome);
        }
    }
    let response = Response::Resolved { rest: found.rest.clone() };
    if batch.changes().is_empty() {
        return Ok(Evaluated::Answer(response));
    }
    let timestamp = match outcome {
        TransactionEnd::Committed { timestamp, .. } => timestamp,
        TransactionEnd::Aborted => Timestamp::MIN,
    };
    Ok(Evaluated::Writes(Effects::of(batch, timestamp, intents), response))
}
