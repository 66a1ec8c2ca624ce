//! A row is on its way when its table is given a key, and arrives when the rows have been copied.

use quorate_placement::topology::RangeId;

use super::statements::{ask, begin, end};
use crate::coverage::Point;
use crate::network::MachineId;
use crate::sql_history::{SqlKind, SqlOutcome};
use crate::world::{SECOND, World};

/// Attempts, each with another table, whose row is on its way for longer each time.
const ATTEMPTS: u64 = 8;
/// The first table; clients have lower numbers.
const FIRST_TABLE: u64 = 90;
/// How long the first row is on its way.
const WAY_MIN: u64 = SECOND / 4;
/// So much longer is the next one.
const WAY_STEP: u64 = SECOND / 8;
/// How long a row is on its way before its table is given the key.
const AHEAD: u64 = SECOND / 20;

/// Has rows arrive late.
pub fn tell(world: &mut World) {
    world.let_clients(false);
    super::eyes::wait_for_clients_to_end(world);
    for attempt in 0..ATTEMPTS {
        if arrive_late(world, FIRST_TABLE + attempt, WAY_MIN + attempt * WAY_STEP).is_some() {
            world.coverage.hit(Point::LateCommit);
        }
    }
    world.let_clients(true);
}

/// Whether the row was on its way when the table was given its key, and both came to be.
fn arrive_late(world: &mut World, table: u64, way: u64) -> Option<()> {
    ask(world, 1, (table, SqlKind::Create), &format!("CREATE TABLE s{table} (k INT, v BIGINT)"))?;
    let range = ask(world, 1, (table, SqlKind::Next), &format!("SHOW RANGES FROM TABLE s{table}"))??;
    let leader = world.leaseholder(RangeId(range))?;
    let others: Vec<MachineId> = world.ids().into_iter().filter(|id| *id != leader).collect();
    let (Some(writer), Some(keyer)) = (others.first().copied(), others.last().copied()) else { return None };
    let row = SqlKind::Write { row: 0 };
    world.network.slow_down(writer, leader, way);
    let written = begin(world, writer, (table, row), |id| format!("INSERT INTO s{table} VALUES (0, {id})"));
    world.run_until(world.time.now() + AHEAD);
    let is_under_way = written.is_some_and(|id| world.workload.sql.outcome(id) == SqlOutcome::Pending);
    let keyed = begin(world, keyer, (table, SqlKind::AddKey), |_| {
        format!("ALTER TABLE s{table} ADD PRIMARY KEY (k)")
    });
    let (written, keyed) = (end(world, written?), end(world, keyed?));
    world.network.slow_down(writer, leader, 0);
    let read = SqlKind::Read { row: 0 };
    ask(world, keyer, (table, read), &format!("SELECT v FROM s{table} WHERE k = 0"))?;
    (is_under_way && written.is_some() && keyed.is_some()).then_some(())
}
