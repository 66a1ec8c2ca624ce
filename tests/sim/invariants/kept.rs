//! A replica that had its range's state has it after a crash, too: a leader was told so, and may have cut off the entries
//! that made it.

use std::collections::BTreeSet;

use quorate_placement::topology::{RangeId, ReplicaId};

use super::{Broken, View};
use crate::network::MachineId;

const NAME: &str = "a replica keeps its state over a crash";

/// Remembers who had it.
#[derive(Default)]
pub struct Kept {
    whole: BTreeSet<(MachineId, RangeId, ReplicaId)>,
}

impl Kept {
    /// Nobody who had it is empty now.
    pub fn check(&mut self, view: &View) -> Result<(), Broken> {
        for (seen, status) in view.replicas() {
            let id = (seen.machine, status.descriptor.range_id, status.replica_id);
            if status.is_whole {
                self.whole.insert(id);
            } else if self.whole.contains(&id) {
                return Err((NAME, format!("{} on m{} ({}) is empty, and was not", id.1, id.0, id.2)));
            }
        }
        Ok(())
    }
}
