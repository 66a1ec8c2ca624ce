//! A row of SQL holds what was written last: what a read finds is no older than any write that was acknowledged before it
//! began, and was written by somebody.
//!
//! Rows go with their table: only reads and writes are compared between which nobody may have changed it.

use super::Broken;
use crate::sql_history::{SqlKind, SqlOp, SqlOutcome};

const NAME: &str = "rows of SQL are as acknowledged";

/// Judges every read.
pub fn check(ops: &[SqlOp]) -> Result<(), Broken> {
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
            matches!(write.outcome, SqlOutcome::Done(_))
                && write.answered.is_some_and(|at| at < read.invoked)
                && writer.is_none_or(|writer| writer.answered.is_some_and(|at| at < write.invoked))
                && !table_may_change(ops, read.table, (write.invoked, answered))
        });
        if let Some(newer) = newer.max_by_key(|write| write.invoked) {
            let detail = format!("sql {} found {found:?}, and sql {} had written before", read.id, newer.id);
            return Err((NAME, detail));
        }
    }
    Ok(())
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
