//! Every intent is gone in bounded time after its transaction's end.

use quorate_engine::kv::Key;
use quorate_engine::store::{Family, Store};
use quorate_raft_groups::local_ranges::ReplicaStatus;

use super::{Broken, Seen, View};

/// No machine has an intent left.
pub fn gone(view: &View) -> Result<(), Broken> {
    let left: Vec<String> = view.machines.iter().filter_map(first_intent).collect();
    if left.is_empty() {
        return Ok(());
    }
    Err(("every intent is gone in bounded time", left.join("; ")))
}

/// The first intent on a machine, and whose it is.
fn first_intent(seen: &Seen) -> Option<String> {
    let snapshot = seen.store.snapshot();
    let mut cursor = snapshot.cursor(Family::Lock, b"", b"");
    cursor.next().expect("a store in memory");
    let key = Key::from(cursor.key()?);
    let covers = |status: &&ReplicaStatus| status.descriptor.span.contains(&key);
    let owner = seen.statuses.iter().find(covers).map_or_else(
        || "outside of its replicas".to_owned(),
        |status| {
            let (range_id, applied) = (status.descriptor.range_id, status.applied);
            format!("in {range_id}, applied {applied}, lease held here: {}", status.has_lease)
        },
    );
    Some(format!("m{} has one at {key}, {owner}", seen.machine))
}
