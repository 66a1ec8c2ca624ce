//! Acknowledged DDL is seen by every statement that begins after its answer, on every node.
//!
//! Names are judged one by one, and only where it is clear what must be seen: the last change of the name that was
//! acknowledged before a statement began, with no other change of it that was or may have been under way since.

use super::Broken;
use crate::sql_history::{SqlKind, SqlOp, SqlOutcome};

const NAME: &str = "acknowledged DDL is seen by all";
const UNDEFINED: &str = "42P01";
const DUPLICATE: &str = "42P07";

/// Judges every statement.
pub fn check(ops: &[SqlOp]) -> Result<(), Broken> {
    for op in ops {
        let Some(answered) = op.answered else { continue };
        let Some(is_there) = state_before(ops, op, answered) else { continue };
        let is_wrong = match (&op.outcome, op.kind) {
            (SqlOutcome::Done(_), SqlKind::Create) => is_there,
            (
                SqlOutcome::Done(_),
                SqlKind::Drop
                | SqlKind::Truncate
                | SqlKind::AddKey
                | SqlKind::Write { .. }
                | SqlKind::Read { .. },
            ) => !is_there,
            (SqlOutcome::Done(_), SqlKind::Next | SqlKind::SetTo) => false,
            (SqlOutcome::Failed(UNDEFINED), _) => is_there,
            (SqlOutcome::Failed(DUPLICATE), _) => !is_there,
            (SqlOutcome::Failed(_) | SqlOutcome::Unknown | SqlOutcome::Pending, _) => false,
        };
        if is_wrong {
            let state = if is_there { "there" } else { "gone" };
            let detail = format!(
                "s{} was {state}, and sql {} ({:?}) ended {:?}",
                op.table, op.id, op.kind, op.outcome
            );
            return Err((NAME, detail));
        }
    }
    Ok(())
}

/// Whether the table surely was there, or surely was not, all the while a statement ran.
fn state_before(ops: &[SqlOp], op: &SqlOp, answered: u64) -> Option<bool> {
    let is_change = |other: &&SqlOp| match other.kind {
        SqlKind::Create | SqlKind::Drop => other.table == op.table && other.id != op.id,
        // Another table, but the name is there all the while.
        SqlKind::Truncate
        | SqlKind::AddKey
        | SqlKind::Write { .. }
        | SqlKind::Read { .. }
        | SqlKind::Next
        | SqlKind::SetTo => false,
    };
    let changes = || ops.iter().filter(is_change);
    let done = |other: &&SqlOp| matches!(other.outcome, SqlOutcome::Done(_));
    let before = changes().filter(done).filter(|other| other.answered.is_some_and(|at| at < op.invoked));
    let last = before.max_by_key(|other| other.invoked)?;
    let may_have_acted = |other: &&SqlOp| {
        let is_failed = matches!(other.outcome, SqlOutcome::Failed(_));
        let ends = match other.outcome {
            SqlOutcome::Done(_) => other.answered.unwrap_or(u64::MAX),
            SqlOutcome::Failed(_) | SqlOutcome::Unknown | SqlOutcome::Pending => u64::MAX,
        };
        !is_failed && other.id != last.id && other.invoked < answered && ends > last.invoked
    };
    if changes().any(|other| may_have_acted(&other)) {
        return None;
    }
    Some(last.kind == SqlKind::Create)
}
