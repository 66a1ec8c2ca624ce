//! At rest no replica exists that its range's descriptor does not explain, and all replicas have applied the same.

use std::collections::BTreeMap;

use quorate_placement::topology::RangeId;
use quorate_raft_groups::descriptor::RangeDescriptor;
use quorate_raft_groups::local_ranges::GroupRole;

use super::{Broken, View};
use crate::network::MachineId;

const NAME: &str = "no replica without explanation";
const CONVERGED: &str = "replicas come to the same position";

/// Every replica is one of its leaseholder's descriptor, and every one of that exists.
pub fn explained(view: &View) -> Result<(), Broken> {
    let mut leaders: BTreeMap<RangeId, &RangeDescriptor> = BTreeMap::new();
    for (_, status) in view.replicas().filter(|(_, status)| status.has_lease) {
        leaders.insert(status.descriptor.range_id, &status.descriptor);
    }
    for (seen, status) in view.replicas() {
        let range_id = status.descriptor.range_id;
        let Some(leader) = leaders.get(&range_id) else {
            return Err((NAME, format!("nobody leads {range_id}")));
        };
        if status.role == GroupRole::Stopped {
            return Err((NAME, format!("{range_id} on m{} has stopped: {:?}", seen.machine, status.breaker)));
        }
        if !leader.nodes().contains(&seen.node) {
            return Err((NAME, format!("{range_id} on m{} is none of its replicas", seen.machine)));
        }
    }
    for leader in leaders.values() {
        for node in leader.nodes() {
            let exists = view
                .replicas()
                .any(|(seen, status)| seen.node == node && status.descriptor.range_id == leader.range_id);
            if !exists {
                return Err((NAME, format!("{} has no replica on {node}", leader.range_id)));
            }
        }
    }
    Ok(())
}

/// All replicas of a range have applied the same index.
pub fn equal_positions(view: &View) -> Result<(), Broken> {
    let mut positions: BTreeMap<RangeId, (MachineId, u64)> = BTreeMap::new();
    for (seen, status) in view.replicas() {
        let range_id = status.descriptor.range_id;
        let (machine, applied) = *positions.entry(range_id).or_insert((seen.machine, status.applied));
        if applied != status.applied {
            let detail =
                format!("{range_id}: {applied} on m{machine}, {} on m{}", status.applied, seen.machine);
            return Err((CONVERGED, detail));
        }
    }
    Ok(())
}
