//! A coordinator dies right after its commit, and the table that holds its record is dropped: the row that it wrote into
//! another table stays.

use quorate_engine::kv::{Key, Span};
use quorate_engine::mvcc::record::TransactionStatus;
use quorate_sql::session::SessionOptions;

use super::eyes;
use super::statements::ask;
use crate::coverage::Point;
use crate::network::MachineId;
use crate::sql_client::run_text;
use crate::sql_history::SqlKind;
use crate::world::{SECOND, World};

/// Attempts, each with other tables.
const ATTEMPTS: u64 = 4;
/// The first table of the first attempt; clients have lower numbers.
const FIRST_TABLE: u64 = 90;
/// Longest wait for the moment.
const MOMENT_MAX: u64 = 3 * SECOND;

/// Has coordinators die.
pub fn tell(world: &mut World) {
    world.let_clients(false);
    eyes::wait_for_clients_to_end(world);
    for attempt in 0..ATTEMPTS {
        let tables = [FIRST_TABLE + 2 * attempt, FIRST_TABLE + 2 * attempt + 1];
        if drop_under_record(world, tables, 1 + attempt % 3).is_some() {
            world.coverage.hit(Point::DroppedRecord);
            break;
        }
    }
    world.let_clients(true);
}

/// Whether the moment came, and what was committed is still there.
fn drop_under_record(world: &mut World, tables: [u64; 2], coordinator: MachineId) -> Option<()> {
    let other = 1 + coordinator % 3;
    for table in tables {
        let text = format!("CREATE TABLE s{table} (k INT PRIMARY KEY, v BIGINT)");
        ask(world, other, (table, SqlKind::Create), &text)?;
    }
    commit(world, coordinator, tables);
    eyes::look_for(world, MOMENT_MAX, is_committed_and_not_resolved)?;
    world.crash(coordinator);
    world.run_until(world.time.now() + SECOND / 10);
    world.start(coordinator);
    let [first, second] = tables;
    let kind = SqlKind::Read { row: 0 };
    ask(world, other, (first, kind), &format!("SELECT v FROM s{first} WHERE k = 0"))??;
    ask(world, other, (first, SqlKind::Drop), &format!("DROP TABLE s{first}"))?;
    let found = ask(world, other, (second, kind), &format!("SELECT v FROM s{second} WHERE k = 0"))?;
    found.map(|_| ())
}

/// Writes a row of both tables, through a node that is about to die.
fn commit(world: &mut World, coordinator: MachineId, tables: [u64; 2]) {
    let twins = world.workload.sql.invoke_twins(coordinator, tables, 0);
    let Some(node) = world.machine(coordinator).node().and_then(|node| node.sql()).cloned() else { return };
    world.machine(coordinator).spawn(async move {
        let mut session = node.session(SessionOptions::default());
        let inserts =
            tables.iter().zip(twins).map(|(table, id)| format!("INSERT INTO s{table} VALUES (0, {id})"));
        let text = inserts.collect::<Vec<_>>().join("; ");
        let _ = run_text(&mut session, &text).await;
    });
}

/// Whether a transaction has committed whose intents still stand elsewhere than at its record.
fn is_committed_and_not_resolved(world: &mut World) -> Option<()> {
    let view = world.view();
    let is_so = |(key, intent): &(Key, quorate_engine::mvcc::intent::Intent)| {
        let record = view.record(&intent.anchor, intent.transaction).flatten();
        *key != intent.anchor && record.is_some_and(|record| record.status == TransactionStatus::Committed)
    };
    view.intents(&Span::new(Key::default(), Key::default())).iter().any(is_so).then_some(())
}
