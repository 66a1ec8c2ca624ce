//! Story 11, within one process: a Raft task is rebuilt, and votes at once, against its replica's promise.
//!
//! One follower hears nothing of the leader any more, and asks the other one for its vote; that one has promised the
//! leader not to give any, and its Raft task dies and is rebuilt meanwhile.

use quorate_placement::topology::RangeId;

use super::eyes;
use crate::coverage::Point;
use crate::network::MachineId;
use crate::world::{SECOND, World};

/// Ranges whose tasks are killed: a task that dies again and again is rebuilt ever more slowly.
const ROUNDS: usize = 6;
/// From when the follower hears nothing any more, until the other's task dies: it stands for election while that is
/// rebuilt, or soon after.
const STANDS_AFTER: u64 = 95 * SECOND / 100;
/// Longest wait for a task to be rebuilt.
const REBUILT_MAX: u64 = SECOND;
/// Time to vote, and to serve wrongly.
const VOTING: u64 = SECOND;

/// Tells it of one range after the other.
pub fn tell(world: &mut World) {
    for round in 0..ROUNDS {
        let Some((range_id, leader)) = eyes::some_table_range(world, round) else { return };
        let others: Vec<MachineId> = world.ids().into_iter().filter(|id| *id != leader).collect();
        let [one, two] = *others.as_slice() else { return };
        let (stands, promised) = if round % 2 == 0 { (one, two) } else { (two, one) };
        for (from, to) in [(leader, stands), (stands, leader)] {
            world.network.cut(from, to);
        }
        world.run_until(world.time.now() + STANDS_AFTER);
        world.coverage.hit(Point::KillTask);
        world.kill_task(promised, range_id);
        tell_of(world, range_id, (leader, promised));
        world.run_until(world.time.now() + VOTING);
        for (from, to) in [(leader, stands), (stands, leader)] {
            world.network.mend(from, to);
        }
        world.run_until(world.time.now() + SECOND / 2);
    }
}

/// Waits until the task is rebuilt, and looks whether the leader served all along.
fn tell_of(world: &mut World, range_id: RangeId, (leader, promised): (MachineId, MachineId)) {
    let runs = |world: &World| {
        let statuses = world.statuses(promised);
        statuses.iter().any(|status| status.descriptor.range_id == range_id && status.term > 0)
    };
    let died = eyes::look_for(world, REBUILT_MAX, |world| (!runs(world)).then_some(()));
    let rebuilt = eyes::look_for(world, REBUILT_MAX, |world| runs(world).then_some(()));
    if died.is_some() && rebuilt.is_some() && world.leaseholder(range_id) == Some(leader) {
        world.coverage.hit(Point::RebuiltInElection);
    }
}
