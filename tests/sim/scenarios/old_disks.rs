//! A disk comes back with less than it had acknowledged, and a machine that was away would make a quorum with it.
//!
//! One machine hears nothing for a while: what is acknowledged meanwhile is on the two others. One of these comes back
//! with its disk of a moment ago, and with the one that was away it makes a majority without what was acknowledged.

use quorate_engine::testing::PowerCutStore;
use rand::RngExt;

use crate::chaos::crash_with;
use crate::coverage::Point;
use crate::network::MachineId;
use crate::world::{SECOND, World};

/// Time in which the others go on without the machine that is away.
const AWAY: u64 = 3 * SECOND;
/// Time in which a node that comes back has said its start, and was believed or not.
const ANNOUNCED: u64 = 7 * SECOND / 10;
/// Time in which two machines elect, if they can, and serve clients.
const ELECTED: u64 = 4 * SECOND;

/// Who plays what.
struct Cast {
    /// Comes back with an old disk.
    victim: MachineId,
    /// Has what was acknowledged, and remembers the victim.
    witness: MachineId,
    /// Was away.
    away: MachineId,
}

/// The victim has forgotten, and nothing on its own disk says so: the witness does, and is gone afterwards.
pub fn tell_of_forgotten_syncs(world: &mut World) {
    let (cast, earlier) = write_without_one(world);
    if !crash_with(world, cast.victim, earlier, false) {
        return;
    }
    world.start(cast.victim);
    world.run_until(world.time.now() + ANNOUNCED);
    if world.machine(cast.victim).refusal().is_some() {
        world.coverage.hit(Point::ForgetfulRefused);
    }
    world.crash(cast.witness);
    return_without_witness(world, &cast);
}

/// The victim comes back as a copy of itself when nobody who remembers better is there: the directory says what it is.
pub fn tell_of_a_copied_directory(world: &mut World) {
    let (cast, copy) = write_without_one(world);
    world.crash(cast.witness);
    if !crash_with(world, cast.victim, copy, true) {
        return;
    }
    world.start(cast.victim);
    world.run_until(world.time.now() + SECOND / 2);
    if world.machine(cast.victim).refusal().is_some() {
        world.coverage.hit(Point::CopyRefused);
    }
    return_without_witness(world, &cast);
}

/// Clients work while one machine is away; gives what the victim's disk held a moment before the end.
fn write_without_one(world: &mut World) -> (Cast, PowerCutStore) {
    world.run_until(world.time.now() + SECOND);
    let victim = world.rng.random_range(1..=3);
    let (witness, away) = (victim % 3 + 1, (victim + 1) % 3 + 1);
    for other in [victim, witness] {
        world.network.cut(other, away);
        world.network.cut(away, other);
    }
    world.run_until(world.time.now() + AWAY);
    let earlier = world.machine(victim).store.copy();
    let time = world.rng.random_range(SECOND / 2..SECOND);
    world.run_until(world.time.now() + time);
    (Cast { victim, witness, away }, earlier)
}

/// The one that was away is there again, for a while without the witness.
fn return_without_witness(world: &mut World, cast: &Cast) {
    for other in [cast.victim, cast.witness] {
        world.network.mend(other, cast.away);
        world.network.mend(cast.away, other);
    }
    world.run_until(world.time.now() + ELECTED);
    world.start(cast.witness);
}
