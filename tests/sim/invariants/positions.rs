//! Terms and applied positions never go back.
//!
//! A crash may take back what no sync had reached: the applied position, which is found again in the log, and a term that
//! was not acted on yet. A term in which the replica had its lease stays.

use std::collections::BTreeMap;

use quorate_placement::topology::{RangeId, ReplicaId};

use super::{Broken, View};
use crate::network::MachineId;

const NAME: &str = "terms and applied positions never go back";

#[derive(Clone, Copy, Default)]
struct Position {
    term: u64,
    applied: u64,
}

/// A machine may have several replicas of a range, one after the other: a new one begins anew, under a new id.
type Key = (MachineId, RangeId, ReplicaId);

/// Remembers the newest position of each replica.
#[derive(Default)]
pub struct Positions {
    newest: BTreeMap<Key, Position>,
    served: BTreeMap<Key, u64>,
}

impl Positions {
    /// A machine's process is gone.
    pub fn crashed(&mut self, machine: MachineId) {
        self.newest.retain(|(of, ..), _| *of != machine);
    }

    /// Nothing is older than before.
    pub fn check(&mut self, view: &View) -> Result<(), Broken> {
        for (seen, status) in view.replicas() {
            let id = (seen.machine, status.descriptor.range_id, status.replica_id);
            let before = self.newest.get(&id).copied().unwrap_or_default();
            let served = self.served.get(&id).copied().unwrap_or(0);
            // A replica whose Raft task is being rebuilt says nothing.
            if status.term == 0 {
                continue;
            }
            if status.term < before.term.max(served) || status.applied < before.applied {
                let detail = format!(
                    "{} on m{}: term {} after {} (served in {served}), applied {} after {}",
                    id.1, id.0, status.term, before.term, status.applied, before.applied
                );
                return Err((NAME, detail));
            }
            self.newest.insert(id, Position { term: status.term, applied: status.applied });
            if status.has_lease {
                self.served.insert(id, status.term);
            }
        }
        Ok(())
    }
}
