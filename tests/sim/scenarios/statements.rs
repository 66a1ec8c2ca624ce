//! Statements of told stories: begun on a machine, noted in the history, and awaited.

use quorate_sql::session::SessionOptions;

use super::eyes;
use crate::network::MachineId;
use crate::sql_client::{outcome_of, run_text};
use crate::sql_history::{SqlKind, SqlOutcome};
use crate::world::{SECOND, World};

/// Longest wait for one statement.
const STATEMENT_MAX: u64 = 20 * SECOND;

/// Begins a statement on a machine; gives its number.
pub fn begin(
    world: &mut World,
    machine: MachineId,
    (table, kind): (u64, SqlKind),
    text: impl Fn(u64) -> String,
) -> Option<u64> {
    let node = world.machine(machine).node().and_then(|node| node.sql()).cloned()?;
    let sql = world.workload.sql.clone();
    let id = sql.invoke(machine, table, kind);
    let text = text(id);
    world.machine(machine).spawn(async move {
        let mut session = node.session(SessionOptions::default());
        let (outcome, told) = match run_text(&mut session, &text).await {
            Ok(found) => (SqlOutcome::Done(found), String::new()),
            Err(error) => (outcome_of(&error), error.to_string()),
        };
        sql.answer(id, outcome, &told);
    });
    Some(id)
}

/// Waits for a statement's end; what it found, where it was done.
pub fn end(world: &mut World, id: u64) -> Option<Option<u64>> {
    let found = |world: &mut World| match world.workload.sql.outcome(id) {
        SqlOutcome::Pending => None,
        SqlOutcome::Done(found) => Some(Some(found)),
        SqlOutcome::Failed(_) | SqlOutcome::Unknown => Some(None),
    };
    eyes::look_for(world, STATEMENT_MAX, found)?
}

/// Runs a statement on a machine, and waits for its end; what it found.
pub fn ask(world: &mut World, machine: MachineId, what: (u64, SqlKind), text: &str) -> Option<Option<u64>> {
    let id = begin(world, machine, what, |_| text.to_owned())?;
    end(world, id)
}
