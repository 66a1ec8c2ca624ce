//! A term has one leader, also over crashes: who votes remembers it.

use std::collections::BTreeMap;

use quorate_placement::topology::RangeId;
use quorate_raft_groups::local_ranges::GroupRole;

use super::{Broken, View};
use crate::network::MachineId;

const NAME: &str = "a term has one leader";

/// Remembers who led each term.
#[derive(Default)]
pub struct OneLeader {
    leaders: BTreeMap<(RangeId, u64), MachineId>,
}

impl OneLeader {
    /// Nobody leads a term that another has led.
    pub fn check(&mut self, view: &View) -> Result<(), Broken> {
        for (seen, status) in view.replicas().filter(|(_, status)| status.role == GroupRole::Leader) {
            let range_id = status.descriptor.range_id;
            let leader = *self.leaders.entry((range_id, status.term)).or_insert(seen.machine);
            if leader != seen.machine {
                let detail = format!("{range_id} in term {}: m{leader}, and m{}", status.term, seen.machine);
                return Err((NAME, detail));
            }
        }
        Ok(())
    }
}
