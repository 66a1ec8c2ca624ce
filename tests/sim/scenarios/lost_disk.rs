//! A disk is lost for good: its machine joins anew with an empty one, and repair replaces what the dead node held.

use rand::RngExt;

use crate::coverage::Point;
use crate::world::{SECOND, World};

/// Longest time until all replicas are replaced: the dead node is silent for 5 s first.
const REPLACED_MAX: u64 = 60 * SECOND;

/// Loses a disk while clients work.
pub fn tell(world: &mut World) {
    world.set_setting("node_dead_after", "5s");
    world.run_until(world.time.now() + SECOND);
    let victim = world.rng.random_range(1..=3);
    let lost = world.network.node_of(victim);
    world.crash(victim);
    world.network.lose(lost);
    world.machine(victim).lose_disk();
    world.trace.event(victim, format_args!("the disk of {lost} is lost for good"));
    world.run_until(world.time.now() + SECOND);
    world.start(victim);
    world.wait_for("all replicas of the lost disk are replaced", REPLACED_MAX, |world| {
        let view = world.view();
        let led: Vec<_> = view.replicas().filter(|(_, status)| status.has_lease).collect();
        let is_whole =
            |nodes: &[quorate_placement::topology::NodeId]| nodes.len() == 3 && !nodes.contains(&lost);
        let all = world.ranges();
        all.iter().all(|range_id| {
            let leader = led.iter().find(|(_, status)| status.descriptor.range_id == *range_id);
            leader.is_some_and(|(_, status)| {
                is_whole(&status.descriptor.nodes()) && status.descriptor.voters().count() == 3
            })
        })
    });
    if world.violation().is_none() {
        world.coverage.hit(Point::DiskReplaced);
    }
}
