//! A row of SQL holds what was written last: what a read finds is no older than any write that was acknowledged before it
//! began, and was written by somebody.
//!
//! What was found once is there from then on, and so is the other row of its transaction: nobody needs an answer for that.
//!
//! Who has read a row and then written it, in one transaction, has read what was there right before: no other one has read the
//! same and written it too.
//!
//! Rows go with their table: only reads and writes are compared between which nobody may have changed it.

use std::collections::BTreeMap;

use super::Broken;
use crate::sql_history::{SqlKind, SqlOp, SqlOutcome};

const NAME: &str = "rows of SQL are as acknowledged";

/// Judges every read.
pub fn check(ops: &[SqlOp]) -> Result<(), Broken> {
    let found_at = found_at(ops);
    for read in ops {
        let (SqlKind::Read { row }, SqlOutcome::Done(found), Some(answered)) =
            (read.kind, &read.outcome, read.answered)
        else {
            continue;
        };
        let writes = || {
            let of_row = move |op: &&SqlOp| op.table == read.table && op.kind == SqlKind::Write { row };
            ops.iter().filter(of_row)
        };
        let writer = found.map(|found| writes().find(|write| write.id == found));
        if let Some(None) = writer {
            return Err((NAME, format!("sql {} found {found:?}, which nobody wrote there", read.id)));
        }
        let writer = writer.flatten();
        if let Some(writer) = writer
            && (writer.invoked > answered || matches!(writer.outcome, SqlOutcome::Failed(_)))
        {
            return Err((
                NAME,
                format!("sql {} found what sql {} did not write by then", read.id, writer.id),
            ));
        }
        // Writes that were over before the read began, and surely came after what it found.
        let newer = writes().filter(|write| {
            there_since(write, &found_at).is_some_and(|at| at < read.invoked)
                && writer.is_none_or(|writer| writer.answered.is_some_and(|at| at < write.invoked))
                && !table_may_change(ops, read.table, (write.invoked, answered))
        });
        if let Some(newer) = newer.max_by_key(|write| write.invoked) {
            let detail = format!("sql {} found {found:?}, and sql {} had written before", read.id, newer.id);
            return Err((NAME, detail));
        }
    }
    lost_update(ops)
}

/// Fails where two transactions have read the same, and both have written it.
fn lost_update(ops: &[SqlOp]) -> Result<(), Broken> {
    let mut seen: BTreeMap<(u64, u64, Option<u64>), &SqlOp> = BTreeMap::new();
    for op in ops {
        let (SqlKind::Write { row }, Some(after), SqlOutcome::Done(_), Some(answered)) =
            (op.kind, op.after, &op.outcome, op.answered)
        else {
            continue;
        };
        let Some(earlier) = seen.insert((op.table, row, after), op) else { continue };
        let from = earlier.invoked.min(op.invoked);
        let to = earlier.answered.map_or(answered, |at| at.max(answered));
        if !table_may_change(ops, op.table, (from, to)) {
            let detail = format!("sql {} and sql {} have both read {after:?} and written", earlier.id, op.id);
            return Err((NAME, detail));
        }
    }
    Ok(())
}

/// By when a write was found by a reader.
type FoundAt = BTreeMap<u64, u64>;

/// When each write was first found, or the other one of its transaction.
fn found_at(ops: &[SqlOp]) -> FoundAt {
    let mut all = FoundAt::new();
    let mut note = |id: u64, at: u64| {
        let first = all.entry(id).or_insert(at);
        *first = at.min(*first);
    };
    for read in ops {
        let (SqlKind::Read { .. }, SqlOutcome::Done(Some(id)), Some(at)) =
            (read.kind, &read.outcome, read.answered)
        else {
            continue;
        };
        note(*id, at);
        let writer = ops.iter().find(|op| op.id == *id);
        if let Some(twin) = writer.and_then(|writer| writer.twin) {
            note(twin, at);
        }
    }
    all
}

/// Since when a write is surely there, unless a newer one is.
fn there_since(write: &SqlOp, found_at: &FoundAt) -> Option<u64> {
    let answered = write.answered.filter(|_| matches!(write.outcome, SqlOutcome::Done(_)));
    answered.into_iter().chain(found_at.get(&write.id).copied()).min()
}

/// Whether somebody may have dropped or made the table within this time.
fn table_may_change(ops: &[SqlOp], table: u64, (from, to): (u64, u64)) -> bool {
    let mut changes = ops.iter().filter(|op| op.table == table && op.kind.is_ddl());
    changes.any(|op| match op.outcome {
        SqlOutcome::Failed(_) => false,
        SqlOutcome::Done(_) => op.invoked < to && op.answered.is_none_or(|at| at > from),
        SqlOutcome::Unknown | SqlOutcome::Pending => op.invoked < to,
    })
}
