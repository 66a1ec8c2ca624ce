//! The quorum of a range goes away between the proposal of its lease's end and its commit, and comes back when nobody waits for
//! that any more: the range is led again, though the third machine stays away, and says so to whoever sends to it.

use quorate_placement::topology::RangeId;

use super::eyes;
use crate::coverage::Point;
use crate::network::MachineId;
use crate::world::{SECOND, World};

/// Ranges of which it is told, one after the other.
const ROUNDS: usize = 3;
/// Longer than a hand-over waits for its entry.
const AWAY: u64 = 25 * SECOND / 10;
/// From then on until the range is led: promises and a round or two of votes.
const LED_WITHIN: u64 = 6 * SECOND;

/// Tells it.
pub fn tell(world: &mut World) {
    for round in 0..ROUNDS {
        let Some((range_id, leader)) = eyes::some_table_range(world, round) else { return };
        let others: Vec<MachineId> = world.ids().into_iter().filter(|id| *id != leader).collect();
        let [next, gone] = *others.as_slice() else { return };
        tell_of(world, range_id, (leader, next, gone));
        world.start(gone);
        world.run_until(world.time.now() + 2 * SECOND);
    }
}

fn tell_of(world: &mut World, range_id: RangeId, (leader, next, gone): (MachineId, MachineId, MachineId)) {
    world.crash(gone);
    world.network.refuse(gone);
    let links = [(leader, next), (next, leader)];
    links.iter().for_each(|(from, to)| world.network.cut(*from, *to));
    world.hand_over(range_id, next);
    world.run_until(world.time.now() + AWAY);
    links.iter().for_each(|(from, to)| world.network.mend(*from, *to));
    let led = eyes::look_for(world, LED_WITHIN, |world| world.leaseholder(range_id));
    if led.is_some() {
        world.coverage.hit(Point::LateEnd);
    } else {
        let detail = format!("{range_id} is not, {} s after m{next} is back", LED_WITHIN / SECOND);
        world.violate("a range with a quorum is led", detail);
    }
}
