//! Damage on one disk is nothing that a client hears of, and a replica that has met it gives way to another.

use std::collections::BTreeSet;

use quorate_placement::topology::{RangeId, ReplicaId};

use super::{Broken, View};
use crate::coverage::{Coverage, Point};
use crate::history::{Op, Outcome};
use crate::network::MachineId;

const UNTOLD: &str = "no client is told of damage that others have not";
const REPLACED: &str = "damaged replicas are replaced";

/// Remembers damaged replicas until they are gone.
pub struct Damaged {
    coverage: Coverage,
    seen: BTreeSet<(MachineId, RangeId, ReplicaId)>,
}

impl Damaged {
    /// With none seen yet.
    pub fn new(coverage: Coverage) -> Self {
        Self { coverage, seen: BTreeSet::new() }
    }

    /// Counts those that gave way.
    pub fn look(&mut self, view: &View) {
        let id = |machine, status: &quorate_raft_groups::local_ranges::ReplicaStatus| {
            (machine, status.descriptor.range_id, status.replica_id)
        };
        for (seen, status) in view.replicas().filter(|(_, status)| status.damage.is_some()) {
            self.seen.insert(id(seen.machine, status));
        }
        // Another replica of the range on the same machine has taken its place, or one elsewhere.
        let successors: Vec<_> = view.replicas().map(|(seen, status)| id(seen.machine, status)).collect();
        let gone = |(_, range_id, replica_id): &(MachineId, RangeId, ReplicaId)| {
            let of_range = successors.iter().filter(|(_, range, _)| range == range_id);
            let is_there = successors.iter().any(|(_, range, id)| (range, id) == (range_id, replica_id));
            !is_there && of_range.clone().any(|(_, _, id)| id > replica_id)
        };
        let replaced: Vec<_> = self.seen.iter().copied().filter(gone).collect();
        for damaged in replaced {
            self.seen.remove(&damaged);
            self.coverage.hit(Point::DamagedReplaced);
        }
    }
}

/// At rest no replica knows of damage on its disk.
pub fn replaced(view: &View) -> Result<(), Broken> {
    match view.replicas().find(|(_, status)| status.damage.is_some()) {
        Some((seen, status)) => {
            Err((REPLACED, format!("{} on m{} is damaged", status.descriptor.range_id, seen.machine)))
        }
        None => Ok(()),
    }
}

/// Nobody was told of a storage error: two good replicas were there all the time.
pub fn untold(ops: &[Op]) -> Result<(), Broken> {
    let told = |op: &Op| match &op.outcome {
        Outcome::Failed(detail) | Outcome::Unknown(detail) if detail.starts_with("storage:") => {
            Some(format!("op {} ({}) on m{}: {detail}", op.id, op.kind, op.machine))
        }
        Outcome::Pending | Outcome::Committed(_) | Outcome::Failed(_) | Outcome::Unknown(_) => None,
    };
    ops.iter().find_map(told).map_or(Ok(()), |detail| Err((UNTOLD, detail)))
}
