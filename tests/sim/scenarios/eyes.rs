//! What told stories look for.

use std::sync::atomic::Ordering;

use quorate_engine::kv::{Key, Span};
use quorate_engine::mvcc::intent::Intent;
use quorate_engine::mvcc::record::TransactionStatus;
use quorate_placement::topology::RangeId;
use quorate_raft_groups::descriptor::RangeDescriptor;

use crate::network::MachineId;
use crate::workload::{self, TABLES};
use crate::world::{SECOND, World};

/// Longest wait for clients to end what they are doing.
const CLIENTS_MAX: u64 = 30 * SECOND;

/// Waits until no client does anything.
pub fn wait_for_clients_to_end(world: &mut World) {
    world.wait_for("all clients end", CLIENTS_MAX, |world| {
        world.workload.running.load(Ordering::Relaxed) == 0
    });
}

/// The range that holds a key, as its leader knows it, and the leader.
pub fn range_of(world: &World, key: &Key) -> Option<(RangeDescriptor, MachineId)> {
    let view = world.view();
    view.serving(key).map(|(seen, status)| (RangeDescriptor::clone(&status.descriptor), seen.machine))
}

/// A range of a table, another one for each `number`, and its leader.
pub fn some_table_range(world: &World, number: usize) -> Option<(RangeId, MachineId)> {
    let table = TABLES.get(number % TABLES.len())?;
    let (range, leader) = range_of(world, &workload::key(*table, 0))?;
    Some((range.range_id, leader))
}

/// The machines that hold replicas of a range.
pub fn holders(world: &World, range: &RangeDescriptor) -> Vec<MachineId> {
    let nodes = range.nodes();
    world.ids().into_iter().filter(|id| nodes.contains(&world.network.node_of(*id))).collect()
}

/// The intent at a key, as the key's leader has it, with how far its transaction has come.
pub fn intent_at(world: &World, key: &Key) -> Option<(Intent, Option<TransactionStatus>)> {
    let view = world.view();
    let (_, intent) = view.intents(&Span::point(key.clone())).into_iter().next()?;
    let record = view.record(&intent.anchor, intent.transaction).flatten();
    Some((intent, record.map(|record| record.status)))
}

/// Steps until something is found, for a time at most.
pub fn look_for<T>(world: &mut World, time: u64, mut find: impl FnMut(&mut World) -> Option<T>) -> Option<T> {
    let until = world.time.now() + time;
    while world.time.now() < until && world.violation().is_none() {
        if let Some(found) = find(world) {
            return Some(found);
        }
        world.step();
    }
    None
}
