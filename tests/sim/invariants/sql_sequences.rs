//! A sequence gives no value twice, and none of before once a setval has been acknowledged.
//!
//! Each setval goes to a place of its own ([`PLACE`]), so that a value tells behind which of them it was given.

use std::collections::BTreeMap;

use super::Broken;
use crate::sql_history::{PLACE, SqlKind, SqlOp, SqlOutcome};

const NAME: &str = "a sequence gives no value twice, and none of before its setval";

/// Judges every value.
pub fn check(ops: &[SqlOp]) -> Result<(), Broken> {
    let mut given: BTreeMap<u64, u64> = BTreeMap::new();
    for op in ops {
        let (SqlKind::Next, SqlOutcome::Done(value), Some(answered)) = (op.kind, &op.outcome, op.answered)
        else {
            continue;
        };
        let Some(value) = value else {
            return Err((NAME, format!("sql {} got no value", op.id)));
        };
        if let Some(earlier) = given.insert(*value, op.id) {
            return Err((NAME, format!("sql {earlier} and sql {} both got {value}", op.id)));
        }
        not_of_before(ops, op, (*value, answered))?;
    }
    Ok(())
}

/// Fails for a value of a place that another setval had surely left when the statement began, and for one of no place.
fn not_of_before(ops: &[SqlOp], op: &SqlOp, (value, answered): (u64, u64)) -> Result<(), Broken> {
    let place = value / PLACE;
    let sets = || ops.iter().filter(|set| set.kind == SqlKind::SetTo);
    // When the sequence surely was at that place.
    let since = match sets().find(|set| set.id == place) {
        None if place == 0 => Some(0),
        Some(set) if set.invoked <= answered && !matches!(set.outcome, SqlOutcome::Failed(_)) => {
            set.answered.filter(|_| matches!(set.outcome, SqlOutcome::Done(_)))
        }
        Some(_) | None => {
            return Err((NAME, format!("sql {} got {value}, and nobody had set it there", op.id)));
        }
    };
    let Some(since) = since else { return Ok(()) };
    let mut later = sets().filter(|set| {
        let is_done = matches!(set.outcome, SqlOutcome::Done(_));
        is_done && set.invoked > since && set.answered.is_some_and(|at| at < op.invoked)
    });
    match later.next() {
        Some(set) => Err((NAME, format!("sql {} got {value}, and sql {} had set it before", op.id, set.id))),
        None => Ok(()),
    }
}
