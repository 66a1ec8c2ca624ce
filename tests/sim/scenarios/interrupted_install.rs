//! Story 16: the power goes between the marker of a snapshot's installation and the state that it brings.
//!
//! A replica of a range that is larger than what is installed in one batch moves to a machine whose disk loses its power
//! before the first part is taken in, between the parts, or after the last; the next start finishes it.

use quorate_placement::topology::RangeId;
use quorate_raft_groups::cluster::range_command::RangeCommand;
use rand::RngExt;

use super::eyes;
use crate::coverage::Point;
use crate::history::Op;
use crate::network::MachineId;
use crate::workload::{self, ROWS, put_all};
use crate::world::{SECOND, World};

/// First of the large rows.
const FIRST: u64 = 6_000;
/// Large rows: more than a snapshot in one batch holds.
const COUNT: u64 = 20;
/// Their size.
const BYTES: usize = 100 << 10;
/// Longest wait for the rows, and for a move.
const STEP_MAX: u64 = 20 * SECOND;
/// Moves.
const ROUNDS: usize = 2;
/// Families that a snapshot has: some of them are taken in before the power goes, or all.
const FAMILIES: u64 = 3;

/// Writes the rows, and lets the power go during each move.
pub fn tell(world: &mut World) {
    // Else the range is split into small ones.
    world.set_setting("range_max_bytes", "256MiB");
    let keys: Vec<_> = (FIRST..FIRST + COUNT).map(|row| workload::key(ROWS, row)).collect();
    let rows = keys.clone();
    world.work_on(1, move |workload, database| async move {
        put_all(&workload, 1, &database, (rows, 0, BYTES)).await
    });
    let is_there = |world: &mut World| {
        let is_it = |op: &Op| op.writes.first().map(|(key, _)| key) == keys.first();
        world
            .workload
            .history
            .with(|ops| ops.iter().any(|op| is_it(op) && op.answered.is_some()).then_some(()))
    };
    eyes::look_for(world, STEP_MAX, is_there);
    for _ in 0..ROUNDS {
        let ingestions = world.rng.random_range(0..=FAMILIES);
        let Some((range, leader)) = keys.first().and_then(|key| eyes::range_of(world, key)) else { return };
        let holders = eyes::holders(world, &range);
        let Some(from) = holders.iter().find(|id| **id != leader).copied() else { return };
        let Some(to) = world.ids().into_iter().find(|id| !holders.contains(id)) else { return };
        world.machine(to).store.cut_at_ingestion(ingestions);
        let nodes = [from, to].map(|id| world.network.node_of(id));
        let (range_id, [from, node]) = (range.range_id, nodes);
        world.ask(leader, RangeCommand::Move { range_id, from, to: node, share_tier: true });
        lose_power_and_go_on(world, range_id, to);
    }
}

/// Waits for the end of the power, starts the machine again, and waits for its replica.
fn lose_power_and_go_on(world: &mut World, range_id: RangeId, to: MachineId) {
    let cut = eyes::look_for(world, STEP_MAX, |world| (!world.machine(to).is_on()).then_some(()));
    if cut.is_none() {
        return;
    }
    world.coverage.hit(Point::InstallInterrupted);
    world.run_until(world.time.now() + SECOND / 10);
    world.start(to);
    let is_voter = |world: &mut World| {
        let (node, view) = (world.network.node_of(to), world.view());
        let mut led = view.replicas().filter(|(_, status)| status.has_lease);
        let (_, leader) = led.find(|(_, status)| status.descriptor.range_id == range_id)?;
        leader.descriptor.replica_on(node).filter(|replica| replica.is_voter()).map(drop)
    };
    eyes::look_for(world, STEP_MAX, is_voter);
}
