//! Story 20: a large transaction's first intents are met before its record exists, and it can never commit.
//!
//! The way from its coordinator to its range is so long that laying all intents takes longer than a transaction lives
//! without a sign of life. Whoever meets the first ones then finds the record that came with them, kept alive by heartbeats; and the transaction commits.

use quorate_engine::mvcc::record::TransactionStatus;

use super::eyes;
use crate::coverage::Point;
use crate::history::{Op, Outcome};
use crate::network::MachineId;
use crate::workload::{self, ROWS, put_all, read_all};
use crate::world::{SECOND, World};

/// First row of the first attempt.
const FIRST: u64 = 6_000;
/// Rows of the transaction: three of them fill a command.
const COUNT: u64 = 24;
/// Size of a row.
const BYTES: usize = 300 << 10;
/// How much longer a message takes, at most.
const SLOW: u64 = 6 * SECOND / 10;
/// Age of the first intent when it is met: a transaction without heartbeats would be taken for dead.
const AGE_MIN: u64 = 33 * SECOND / 10;
/// Longest wait for a step.
const STEP_MAX: u64 = 20 * SECOND;
/// Attempts, each with other rows.
const ATTEMPTS: u64 = 3;

/// Lays, meets, and waits for the commit.
pub fn tell(world: &mut World) {
    // Its range is not split meanwhile, which would hold its writers.
    world.set_setting("range_max_bytes", "256MiB");
    world.let_clients(false);
    eyes::wait_for_clients_to_end(world);
    for attempt in 0..ATTEMPTS {
        let first = FIRST + attempt * 100;
        let Some((_, leader)) = eyes::range_of(world, &workload::key(ROWS, first)) else { return };
        let Some(coordinator) = world.ids().into_iter().find(|id| *id != leader) else { return };
        set_way(world, (coordinator, leader), SLOW);
        let committed = lay_and_meet(world, first, coordinator);
        set_way(world, (coordinator, leader), 0);
        if committed {
            world.coverage.hit(Point::MetWhileLaying);
            break;
        }
    }
    world.let_clients(true);
}

fn set_way(world: &mut World, (one, other): (MachineId, MachineId), extra: u64) {
    world.network.slow_down(one, other, extra);
    world.network.slow_down(other, one, extra);
}

/// Whether the transaction was met in time, and committed.
fn lay_and_meet(world: &mut World, first: u64, coordinator: MachineId) -> bool {
    let rows: Vec<_> = (first..first + COUNT).map(|row| workload::key(ROWS, row)).collect();
    let anchor = workload::key(ROWS, first);
    world.work_on(coordinator, move |workload, database| async move {
        put_all(&workload, coordinator, &database, (rows, 0, BYTES)).await
    });
    let met = eyes::look_for(world, STEP_MAX, |world| {
        let (intent, status) = eyes::intent_at(world, &anchor)?;
        let age = world.time.wall_micros().saturating_sub(intent.write_timestamp.micros());
        (age > AGE_MIN && status == Some(TransactionStatus::Pending)).then_some(())
    });
    if met.is_none() {
        return false;
    }
    for id in world.ids().into_iter().filter(|id| *id != coordinator) {
        let keys = vec![anchor.clone()];
        world.work_on(
            id,
            move |workload, database| async move { read_all(&workload, id, &database, keys).await },
        );
    }
    let of_writer = |op: &&Op| op.writes.first().is_some_and(|(key, _)| *key == anchor);
    let of_readers = |op: &&Op| op.kind == "read" && op.answered.is_none();
    let ended = eyes::look_for(world, STEP_MAX, |world| {
        world.workload.history.with(|ops| {
            let waits = ops.iter().any(|op| of_readers(&op));
            ops.iter()
                .find(of_writer)
                .filter(|op| op.answered.is_some() && !waits)
                .map(|op| op.outcome.clone())
        })
    });
    matches!(ended, Some(Outcome::Committed(_)))
}
