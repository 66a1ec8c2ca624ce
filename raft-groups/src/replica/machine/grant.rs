//! Splits and their right sides, as the machine knows them: which ranges are ever split, and who leads a right side first.

use quorate_placement::topology::{RangeId, ReplicaId};

use super::Machine;
use crate::splits::nursery::FirstLeader;

impl Machine {
    /// A split with this right side is about to be proposed here.
    pub fn note_proposed_split(&self, right_id: RangeId) {
        *self.proposed_split.lock() = Some(right_id);
    }

    /// What this replica has to do with the first leader of a right side whose first term is granted to `leader`; asked
    /// when the split is applied here.
    pub fn first_leader(&self, right_id: RangeId, leader: ReplicaId) -> FirstLeader {
        if leader != self.replica_id {
            return FirstLeader::Another;
        }
        // Taken, for the one apply in this life of the store; an id of a range is never used for two splits.
        match self.proposed_split.lock().take_if(|proposed| *proposed == right_id) {
            Some(_) => FirstLeader::Granted,
            None => FirstLeader::Campaigns,
        }
    }

    /// Whether this range is ever split by itself.
    pub fn is_splittable(&self) -> bool {
        self.range_id != crate::client::router::SYSTEM_RANGE
    }

    /// Whether a range of so many bytes is larger than it should be.
    pub fn has_outgrown(&self, size_bytes: u64) -> bool {
        self.is_splittable() && size_bytes > self.shared.range_max_bytes()
    }
}
