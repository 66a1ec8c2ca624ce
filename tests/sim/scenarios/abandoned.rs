//! A coordinator dies between its intents and its end, and nobody meets what it has left; the range is split on top.
//!
//! The sweep of whoever leads the ranges by then has to find the intents and to end their transaction: in the right side
//! of the split, too, of which nobody has asked for anything yet.

use quorate_engine::mvcc::record::TransactionStatus;
use quorate_raft_groups::cluster::range_command::RangeCommand;
use rand::RngExt;

use super::eyes;
use crate::coverage::Point;
use crate::network::MachineId;
use crate::workload::{self, REGISTERS, ROWS, put_all};
use crate::world::{SECOND, World};

/// Rows of the first attempt, and its anchor.
const FIRST: u64 = 500;
/// Rows that are left behind in each table.
const COUNT: u64 = 30;
/// Attempts, each with other rows.
const ATTEMPTS: u64 = 20;
/// Longest wait for the moment.
const MOMENT_MAX: u64 = SECOND;
/// Longest stay of intents that nobody meets: the invariant's bound, and the time until all is calm.
const STAY_MAX: u64 = 20 * SECOND;

/// Leaves intents behind.
pub fn tell(world: &mut World) {
    world.let_clients(false);
    eyes::wait_for_clients_to_end(world);
    for attempt in 0..ATTEMPTS {
        let coordinator = world.rng.random_range(1..=3);
        if abandon(world, FIRST + attempt * 100, coordinator) {
            break;
        }
    }
    world.let_clients(true);
}

/// Whether intents were left behind, and are gone.
fn abandon(world: &mut World, first: u64, coordinator: MachineId) -> bool {
    let keys =
        [REGISTERS, ROWS].map(|table| (first..first + COUNT).map(move |row| workload::key(table, row)));
    let keys: Vec<_> = keys.into_iter().flatten().collect();
    let left = workload::key(ROWS, first + COUNT - 1);
    world.work_on(coordinator, move |workload, database| async move {
        put_all(&workload, coordinator, &database, (keys, 0, 0)).await
    });
    let laid = eyes::look_for(world, MOMENT_MAX, |world| {
        let (_, status) = eyes::intent_at(world, &left)?;
        (status == Some(TransactionStatus::Pending)).then_some(())
    });
    if laid.is_none() {
        return false;
    }
    world.crash(coordinator);
    world.run_until(world.time.now() + SECOND / 10);
    world.start(coordinator);
    // The commit may have been on its way.
    let is_pending = |world: &mut World| {
        let (_, status) = eyes::intent_at(world, &left)?;
        (status == Some(TransactionStatus::Pending)).then_some(())
    };
    if eyes::look_for(world, 3 * SECOND, is_pending).is_none() {
        return false;
    }
    if let Some((range, leader)) = eyes::range_of(world, &left) {
        let at = Some(workload::key(ROWS, first + COUNT / 2));
        world.ask(leader, RangeCommand::Split { range_id: range.range_id, at });
    }
    let has_none = |world: &mut World| {
        eyes::range_of(world, &left)?;
        eyes::intent_at(world, &left).is_none().then_some(())
    };
    let is_gone = eyes::look_for(world, STAY_MAX, has_none).is_some();
    if is_gone {
        world.coverage.hit(Point::AbandonedResolved);
    }
    is_gone
}
