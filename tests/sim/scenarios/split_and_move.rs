//! Story 10: a membership entry carries bounds that were computed before a split.
//!
//! Each range that gets a new replica is split while that replica is still a learner, and its membership changes again
//! after the split.

use quorate_raft_groups::cluster::range_command::RangeCommand;

use super::eyes;
use crate::coverage::Point;
use crate::world::{SECOND, World};

/// Moves with a split in between.
const ROUNDS: usize = 4;
/// Longest wait for a step of a move, and for the end of one.
const STEP_MAX: u64 = 4 * SECOND;

/// Moves replicas, and splits while they move.
pub fn tell(world: &mut World) {
    for round in 0..ROUNDS {
        let Some((range_id, leader)) = eyes::some_table_range(world, round) else { return };
        world.move_replica(range_id, leader);
        let has_learner = |world: &World| {
            let status = world.statuses(leader).into_iter().find(|it| it.descriptor.range_id == range_id)?;
            let learns = status.has_lease && status.descriptor.replicas.iter().any(|it| !it.is_voter());
            learns.then_some(status.descriptor)
        };
        let Some(before) = eyes::look_for(world, STEP_MAX, |world| has_learner(world)) else { continue };
        world.ask(leader, RangeCommand::Split { range_id, at: None });
        let split = eyes::look_for(world, STEP_MAX, |world| {
            let after = has_learner(world);
            // The end of a move without a split in between is the end of waiting, too.
            after.is_none_or(|after| after.span != before.span).then(|| has_learner(world))
        });
        if split.flatten().is_some() {
            world.coverage.hit(Point::SplitDuringChange);
        }
        world.run_until(world.time.now() + SECOND);
    }
}
