//! At rest no replica exists that its range's descriptor does not explain, none is missing, and all have applied the same.

use std::collections::BTreeMap;

use quorate_placement::topology::RangeId;
use quorate_raft_groups::descriptor::RangeDescriptor;
use quorate_raft_groups::local_ranges::GroupRole;

use super::{Broken, View};
use crate::network::MachineId;

const NAME: &str = "no replica without explanation";
const COMPLETE: &str = "no replica is missing";
const CONVERGED: &str = "replicas come to the same position";

/// Voters that every range has where there are as many machines: those of the default policy.
const VOTERS_MIN: usize = 3;

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

/// Every range has its number of voters: one whose damaged replica has left waits for another one.
pub fn complete(view: &View) -> Result<(), Broken> {
    let wanted = VOTERS_MIN.min(view.machines.len());
    for (_, status) in view.replicas().filter(|(_, status)| status.has_lease) {
        let voters = status.descriptor.voters().count();
        if voters < wanted {
            let range_id = status.descriptor.range_id;
            return Err((COMPLETE, format!("{range_id} has {voters} voters of {wanted}")));
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
