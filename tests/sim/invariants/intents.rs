//! Every intent is gone in bounded time after its transaction's end.

use quorate_engine::kv::Key;
use quorate_engine::store::{Family, Store};
use quorate_raft_groups::local_ranges::ReplicaStatus;

use super::{Broken, View};

/// No machine has an intent left.
pub fn gone(view: &View) -> Result<(), Broken> {
    for seen in &view.machines {
        let snapshot = seen.store.snapshot();
        let mut cursor = snapshot.cursor(Family::Lock, b"", b"");
        cursor.next().expect("a store in memory");
        if let Some(key) = cursor.key() {
            let covers = |status: &&ReplicaStatus| status.descriptor.span.contains(&Key::from(key));
            let owner = seen.statuses.iter().find(covers).map_or_else(
                || "outside of its replicas".to_owned(),
                |status| format!("in {}, lease held here: {}", status.descriptor.range_id, status.has_lease),
            );
            let detail = format!("m{} has one at {}, {owner}", seen.machine, Key::from(key));
            return Err(("every intent is gone in bounded time", detail));
        }
    }
    Ok(())
}
