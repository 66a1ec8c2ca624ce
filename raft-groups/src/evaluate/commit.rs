//! `Commit`: all writes of a transaction and its record, in one batch (design.md section 7, "one range").
//!
//! Runs under exclusive latches on the written keys and shared ones on what was read, so that nothing in either can
//! change before the batch is applied. Stories of section 14: the record makes a repeat harmless (1), and what the
//! transaction read is looked at again up to its commit timestamp (21).

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{ScanEvaluator, Write, WriteCondition};
use quorate_engine::limits::{COMMAND_MAX_BYTES, KEY_MAX_BYTES, VALUE_MAX_BYTES};
use quorate_engine::mvcc::intent::{have_no_intents, intent_at};
use quorate_engine::mvcc::record::{self, TransactionRecord, TransactionStatus};
use quorate_engine::mvcc::{self, ChangeWindow, Visits};
use quorate_engine::store::{Batch, Snapshot};
use uuid::Uuid;

use super::{Effects, holder, is_too_old, many, mvcc_error, refresh, sound};
use crate::api::{CommitRequest, RangeError};

/// What the commit timestamp must lie above, and what time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// The store's hybrid time: the commit comes at or after it.
    pub now: Timestamp,
    /// Newest read of any written key: the commit comes after it.
    pub read: Timestamp,
    /// No version in the range lies above this, if anybody knows: a write at a later time need not look for one.
    pub written: Option<Timestamp>,
}

/// What becomes of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitVerdict {
    /// It was committed before: there is nothing to do.
    Repeated(Timestamp),
    /// It commits when these effects are applied, at their timestamp.
    Commits(Effects),
}

/// What is visited to look again, under latches, at what a transaction has read: some milliseconds' worth.
const REFRESH_VISITS: Visits = Visits::new(10_000, 4 << 20);

/// Decides a commit.
///
/// # Errors
/// Nothing is done for: [`RangeError::TooOld`], [`RangeError::Refused`] (given up, beyond a limit),
/// [`RangeError::ConditionFailed`], [`RangeError::Conflict`], [`RangeError::Locked`], [`RangeError::PastDeadline`],
/// [`RangeError::TooMuchRead`].
pub fn evaluate(
    snapshot: &dyn Snapshot,
    request: &CommitRequest,
    floor: Floor,
    evaluator: &dyn ScanEvaluator,
) -> Result<CommitVerdict, RangeError> {
    check_limits(&request.writes)?;
    let anchor = request.anchor().ok_or_else(|| RangeError::Refused("a commit without writes".to_owned()))?;
    if let Some(record) = record::get(snapshot, anchor, request.transaction).map_err(mvcc_error)? {
        return known(&record, request);
    }
    if is_too_old(request.started, floor.now) {
        return Err(RangeError::TooOld);
    }
    refuse_intents(snapshot, &request.writes, None)?;
    let newest = check_conditions(snapshot, &request.writes, floor)?;
    let timestamp = floor.now.max(request.read_timestamp.next()).max(floor.read.next()).max(newest.next());
    assert!(timestamp > request.read_timestamp, "a commit comes after all that its transaction has read");
    assert!(timestamp > floor.read, "a commit comes after all that anybody has read of its keys");
    assert!(timestamp > newest, "a commit comes after all that was written to its keys");
    refresh(snapshot, request, (timestamp, floor), evaluator)?;
    if request.deadline.is_some_and(|deadline| timestamp >= deadline) {
        return Err(RangeError::PastDeadline { timestamp });
    }
    effects(request, timestamp).map(CommitVerdict::Commits)
}

/// What was read has to be the same at the commit's timestamp.
fn refresh(
    snapshot: &dyn Snapshot,
    request: &CommitRequest,
    (upto, floor): (Timestamp, Floor),
    evaluator: &dyn ScanEvaluator,
) -> Result<(), RangeError> {
    let window = ChangeWindow { after: request.read_timestamp, upto, own: None };
    let limits = (window, floor.written);
    let left = refresh::evaluate(snapshot, &request.read_spans, limits, REFRESH_VISITS, evaluator)?;
    if left.is_empty() { Ok(()) } else { Err(RangeError::TooMuchRead) }
}

fn known(record: &TransactionRecord, request: &CommitRequest) -> Result<CommitVerdict, RangeError> {
    match record.status {
        TransactionStatus::Committed if record.attempt == request.attempt => {
            Ok(CommitVerdict::Repeated(record.timestamp))
        }
        TransactionStatus::Committed => Err(RangeError::Refused(format!(
            "attempt {} of this transaction has committed already",
            record.attempt
        ))),
        TransactionStatus::Aborted => Err(RangeError::Refused(
            "the transaction was given up: somebody asked how it ended before this commit arrived".to_owned(),
        )),
        TransactionStatus::Pending | TransactionStatus::Staging => Err(RangeError::Refused(
            "the transaction has written intents, and cannot be committed by one command".to_owned(),
        )),
    }
}

/// No intent but the transaction's own may lie where it writes: before its owner is known to be over, nobody can tell
/// what is there.
pub(super) fn refuse_intents(
    snapshot: &dyn Snapshot,
    writes: &[Write],
    own: Option<Uuid>,
) -> Result<(), RangeError> {
    if many(writes.iter().map(|write| &write.key)).is_some_and(|ends| have_no_intents(snapshot, ends)) {
        return Ok(());
    }
    for write in writes {
        let found = intent_at(snapshot, &write.key).map_err(mvcc_error)?;
        if let Some(foreign) = found.filter(|intent| own != Some(intent.transaction)) {
            return Err(RangeError::Locked { key: write.key.clone(), holder: Box::new(holder(&foreign)) });
        }
    }
    Ok(())
}

/// The newest version of any written key that the floor's time is not above anyway, after all conditions were found to
/// hold.
pub(super) fn check_conditions(
    snapshot: &dyn Snapshot,
    writes: &[Write],
    floor: Floor,
) -> Result<Timestamp, RangeError> {
    let is_above_all = floor.written.is_some_and(|written| written < floor.now);
    if many(writes.iter().map(|write| &write.key)).is_some_and(|ends| mvcc::have_no_versions(snapshot, ends))
    {
        return Ok(Timestamp::MIN);
    }
    let mut newest = Timestamp::MIN;
    for write in writes {
        match write.condition {
            WriteCondition::None if is_above_all => continue,
            WriteCondition::None | WriteCondition::Absent => {}
        }
        let Some((timestamp, is_deletion)) = mvcc::newest(snapshot, &write.key).map_err(mvcc_error)? else {
            continue;
        };
        match write.condition {
            WriteCondition::Absent if !is_deletion => {
                return Err(RangeError::ConditionFailed { key: write.key.clone() });
            }
            WriteCondition::Absent | WriteCondition::None => newest = newest.max(timestamp),
        }
    }
    Ok(newest)
}

fn effects(request: &CommitRequest, timestamp: Timestamp) -> Result<Effects, RangeError> {
    let record = TransactionRecord {
        status: TransactionStatus::Committed,
        transaction: request.transaction,
        attempt: request.attempt,
        anchor: request.anchor().cloned().unwrap_or_default(),
        started: request.started,
        timestamp,
        heartbeat: timestamp,
        intent_spans: Vec::new(),
        in_flight: Vec::new(),
    };
    let mut batch = Batch::new();
    for write in &request.writes {
        mvcc::put(&mut batch, &write.key, timestamp, write.value.as_ref());
    }
    record::put(&mut batch, sound(&record)?);
    Ok(Effects::of(batch, timestamp, 0))
}

/// A request may come from another node: what it promises is checked here once.
pub(super) fn check_limits(writes: &[Write]) -> Result<(), RangeError> {
    let ordered = writes.iter().zip(writes.iter().skip(1)).all(|(first, second)| first.key < second.key);
    if !ordered {
        return Err(RangeError::Refused(
            "the writes of a commit are not in the order of their keys".to_owned(),
        ));
    }
    let mut bytes = 0;
    for write in writes {
        let value = write.value.as_ref().map_or(0, |value| value.len());
        if write.key.len() > KEY_MAX_BYTES || value > VALUE_MAX_BYTES {
            return Err(RangeError::Refused(format!(
                "a key of {} bytes (at most {KEY_MAX_BYTES}) with a value of {value} (at most {VALUE_MAX_BYTES})",
                write.key.len()
            )));
        }
        bytes += write.size_bytes();
    }
    if bytes > COMMAND_MAX_BYTES {
        return Err(RangeError::Refused(format!(
            "a commit of {bytes} bytes; at most {COMMAND_MAX_BYTES} fit"
        )));
    }
    Ok(())
}
