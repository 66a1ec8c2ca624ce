//! Two transactions read a row behind a savepoint and write another one there, go back to it, and write the row whole: what both
//! have read still counts, so that at most one of them commits, and what they have written behind it is never found.

use std::time::Duration;

use quorate_sql::error::SqlError;
use quorate_sql::session::{Session, SessionOptions};

use super::eyes;
use crate::coverage::Point;
use crate::network::MachineId;
use crate::sql_client::{create, outcome_of, read, replace, run_text};
use crate::sql_history::{SqlHistory, SqlKind, SqlOutcome};
use crate::world::{SECOND, World};

/// Pairs of transactions.
const ATTEMPTS: u64 = 4;
/// The table; clients have lower numbers.
const TABLE: u64 = 90;
/// The first of the rows that are written in vain.
const OTHER: u64 = 10;
/// Longest wait for a statement, or a transaction.
const WAIT_MAX: u64 = 20 * SECOND;
/// How long a transaction stays open behind what it has read.
const OPEN: Duration = Duration::from_millis(300);

/// Has pairs of transactions meet.
pub fn tell(world: &mut World) {
    world.let_clients(false);
    eyes::wait_for_clients_to_end(world);
    let id = world.workload.sql.invoke(1, TABLE, SqlKind::Create);
    spawn(world, 1, id, |mut session, _, _| async move {
        run_text(&mut session, &create(TABLE)).await.map(|_| ())
    });
    if wait_for(world, id).is_some() {
        for attempt in 0..ATTEMPTS {
            let ids = [1, 2].map(|machine| begin(world, machine, attempt % 3));
            let ended = ids.map(|id| wait_for(world, id));
            if ended.iter().any(Option::is_some) {
                world.coverage.hit(Point::SavepointReadsMet);
            }
            look(world, OTHER + attempt % 3);
        }
    }
    world.let_clients(true);
}

/// Reads a row that nobody has written for good.
fn look(world: &mut World, row: u64) {
    let id = world.workload.sql.invoke(1, TABLE, SqlKind::Read { row });
    let Some(node) = world.machine(1).node().and_then(|node| node.sql()).cloned() else { return };
    let sql = world.workload.sql.clone();
    world.machine(1).spawn(async move {
        let mut session = node.session(SessionOptions::default());
        let (outcome, told) = match run_text(&mut session, &read(TABLE, row)).await {
            Ok(found) => (SqlOutcome::Done(found), String::new()),
            Err(error) => (outcome_of(&error), error.to_string()),
        };
        sql.answer(id, outcome, &told);
    });
    wait_for(world, id);
}

/// Begins one of the transactions.
fn begin(world: &mut World, machine: MachineId, row: u64) -> u64 {
    let undone = world.workload.sql.invoke(machine, TABLE, SqlKind::Write { row: OTHER + row });
    world.workload.sql.answer(undone, SqlOutcome::Failed("57014"), "it goes back to a savepoint");
    let id = world.workload.sql.invoke(machine, TABLE, SqlKind::Write { row });
    spawn(world, machine, id, move |mut session, sql, id| async move {
        run_text(&mut session, "BEGIN; SAVEPOINT a").await?;
        run_text(&mut session, &replace((TABLE, undone), OTHER + row)).await?;
        let found = run_text(&mut session, &read(TABLE, row)).await?;
        sql.note_read(id, found);
        tokio::time::sleep(OPEN).await;
        run_text(&mut session, "ROLLBACK TO a").await?;
        run_text(&mut session, &replace((TABLE, id), row)).await?;
        run_text(&mut session, "COMMIT").await.map(|_| ())
    });
    id
}

/// Runs something on a machine that answers an operation.
fn spawn<F>(
    world: &mut World,
    machine: MachineId,
    id: u64,
    work: impl FnOnce(Session, SqlHistory, u64) -> F + Send + 'static,
) where
    F: Future<Output = Result<(), SqlError>> + Send + 'static,
{
    let Some(node) = world.machine(machine).node().and_then(|node| node.sql()).cloned() else { return };
    let sql = world.workload.sql.clone();
    world.machine(machine).spawn(async move {
        let session = node.session(SessionOptions::default());
        let (outcome, told) = match work(session, sql.clone(), id).await {
            Ok(()) => (SqlOutcome::Done(None), String::new()),
            Err(error) => (outcome_of(&error), error.to_string()),
        };
        sql.answer(id, outcome, &told);
    });
}

/// Waits for the end of an operation; `None` where it was not done.
fn wait_for(world: &mut World, id: u64) -> Option<()> {
    let ended = |world: &mut World| match world.workload.sql.outcome(id) {
        SqlOutcome::Pending => None,
        SqlOutcome::Done(_) => Some(Some(())),
        SqlOutcome::Failed(_) | SqlOutcome::Unknown => Some(None),
    };
    eyes::look_for(world, WAIT_MAX, ended)?
}
