//! Disks that come back with less than they had: what was synced is gone, or a copy stands in the original's place; and
//! disks of which something cannot be read any more.

use quorate_engine::kv::Span;
use quorate_engine::mvcc::key_format::data_span;
use quorate_engine::store::Family;
use quorate_engine::testing::PowerCutStore;
use rand::RngExt;
use rand::seq::IndexedRandom;

use super::MILLI;
use crate::coverage::Point;
use crate::network::MachineId;
use crate::workload::{ACCOUNTS, REGISTERS, ROWS, key};
use crate::world::World;

/// How much is lost, at most.
const LOST_MAX: u64 = 1_500 * MILLI;
/// Time in which a node that comes back says its start to all others.
const ANNOUNCED: u64 = 1_200 * MILLI;

/// A machine loses power, and what it had synced in the last moments.
pub(super) fn forget_synced(world: &mut World, victim: MachineId) {
    if !world.is_whole() || !world.is_calm() {
        return;
    }
    let crashes = world.coverage.count(Point::Crash);
    let earlier = earlier_disk(world, victim);
    // Others must be there when it comes back, and have been there when it told how far it was.
    let remember = world.is_calm() && world.coverage.count(Point::Crash) == crashes;
    if !remember || !crash_with(world, victim, earlier, false) {
        return;
    }
    world.coverage.hit(Point::ForgotSynced);
    world.start(victim);
    world.run_until(world.time.now() + ANNOUNCED);
}

/// A machine loses power, and is started on a copy that was made while it ran.
pub(super) fn restore_copy(world: &mut World, victim: MachineId) {
    if !world.is_whole() {
        return;
    }
    let copy = earlier_disk(world, victim);
    if crash_with(world, victim, copy, true) {
        world.coverage.hit(Point::CopyRestored);
        world.start(victim);
    }
}

/// Rows that are next to each other cannot be read any more on a machine that has them. Only where all others are well: what
/// is damaged everywhere is lost. The machine is to lead them: what nobody reads nobody misses.
pub(super) fn damage_block(world: &mut World, victim: MachineId) {
    if !world.is_whole() {
        return;
    }
    let [even, odd] = ACCOUNTS;
    let tables = [(even, 10), (odd, 10), (REGISTERS, 6), (ROWS, 60)];
    let Some(&(table, rows)) = tables.choose(&mut world.rng) else { return };
    let first = world.rng.random_range(0..rows);
    let last = first + world.rng.random_range(1..=rows / 2);
    let span = Span::new(key(table, first), key(table, last));
    let holds = world.statuses(victim).iter().any(|status| status.descriptor.span.overlaps(&span));
    if !holds {
        return;
    }
    let (start, end) = data_span(&span);
    world.coverage.hit(Point::DamagedBlock);
    world.trace.event(victim, format_args!("rows {first} to {last} of table {table} are damaged"));
    world.machine(victim).damage.add(Family::Data, start.into(), end.into());
    if let Some((_, status)) = world.leader_at(&span.start) {
        world.hand_over(status.descriptor.range_id, victim);
    }
}

/// What is on a machine's disk now, while it goes on for a moment.
fn earlier_disk(world: &mut World, victim: MachineId) -> PowerCutStore {
    let earlier = world.machine(victim).store.copy();
    let time = world.rng.random_range(20 * MILLI..LOST_MAX);
    world.run_until(world.time.now() + time);
    earlier
}

/// A machine loses power and gets this disk; false where it had none to lose, or has had another one since.
pub fn crash_with(world: &mut World, victim: MachineId, disk: PowerCutStore, is_copy: bool) -> bool {
    if !world.machine(victim).is_on() || world.violation().is_some() {
        return false;
    }
    world.crash(victim);
    world.trace.event(victim, "comes back with the disk of before");
    world.machine(victim).put_disk(disk, is_copy);
    true
}
