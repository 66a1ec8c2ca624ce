//! Story 5: the left leader commits a split and applies it late; the right side elects another leader elsewhere.
//!
//! Until it has applied the split, the left leader must serve nothing of the right side: it holds the latches. A write
//! that the right side's leader has acknowledged is asked for through the left leader's node.

use quorate_placement::topology::RangeId;
use quorate_raft_groups::cluster::range_command::RangeCommand;
use quorate_raft_groups::descriptor::RangeDescriptor;

use super::eyes;
use crate::history::Op;
use crate::network::MachineId;
use crate::workload::{self, REGISTERS, ROWS, put_all, read_all};
use crate::world::{SECOND, World};

/// How late: longer than the right side's other replicas wait for a leader, shorter than the breaker.
const LATE: u64 = 29 * SECOND / 10;
/// Time for clients, before a split and after it.
const WORK: u64 = 2 * SECOND;
/// Splits.
const ROUNDS: usize = 4;

/// Splits ranges whose leaders apply everything late.
pub fn tell(world: &mut World) {
    for table in [REGISTERS, ROWS].into_iter().cycle().take(ROUNDS) {
        world.run_until(world.time.now() + WORK);
        // What is written when the split begins would hold the split up.
        world.let_clients(false);
        eyes::wait_for_clients_to_end(world);
        if let Some((range, leader)) = eyes::range_of(world, &workload::key(table, 0)) {
            world.trace.event(leader, format_args!("applies late; {} is split", range.range_id));
            world.machine(leader).disk.delay_apply(LATE);
            world.ask(leader, RangeCommand::Split { range_id: range.range_id, at: None });
            write_right_and_read_left(world, range.range_id, leader);
            world.machine(leader).disk.delay_apply(0);
        }
        world.let_clients(true);
    }
}

/// The right side of a range, once somebody else serves it, and who does.
fn right_side(world: &World, left: RangeId, leader: MachineId) -> Option<(RangeDescriptor, MachineId)> {
    let statuses = world.statuses(leader);
    let whole = statuses.iter().find(|status| status.descriptor.range_id == left)?;
    let view = world.view();
    let mut others = view.replicas().filter(|(seen, status)| seen.machine != leader && status.has_lease);
    let (seen, right) = others.find(|(_, status)| {
        let (whole, part) = (&whole.descriptor.span, &status.descriptor.span);
        whole.covers(part) && whole.start < part.start
    })?;
    Some((RangeDescriptor::clone(&right.descriptor), seen.machine))
}

fn write_right_and_read_left(world: &mut World, left: RangeId, leader: MachineId) {
    let Some((right, server)) = eyes::look_for(world, LATE, |world| right_side(world, left, leader)) else {
        return;
    };
    let key = right.span.start.clone();
    let keys = vec![key.clone()];
    world.work_on(server, move |workload, database| async move {
        // Whoever has met the new range knows it.
        database.router().learn(right);
        put_all(&workload, server, &database, (keys, 0, 0)).await
    });
    let begun = world.time.now();
    let is_it = |op: &&Op| op.kind == "fill" && op.invoked >= begun && op.answered.is_some();
    let is_written = |world: &mut World| world.workload.history.with(|ops| ops.iter().find(is_it).map(drop));
    if eyes::look_for(world, LATE, is_written).is_some() {
        world.work_on(leader, move |workload, database| async move {
            read_all(&workload, leader, &database, vec![key]).await
        });
    }
    world.run_until(world.time.now() + LATE);
}
