//! At most one replica may serve a key at any time.

use std::collections::BTreeMap;

use quorate_placement::topology::RangeId;

use super::{Broken, View};
use crate::coverage::{Coverage, Point};
use crate::network::MachineId;

const NAME: &str = "at most one replica may serve a key";

/// Looks at who holds leases.
pub struct OneServer {
    coverage: Coverage,
    last: BTreeMap<RangeId, MachineId>,
}

impl OneServer {
    /// With nobody seen yet.
    pub fn new(coverage: Coverage) -> Self {
        Self { coverage, last: BTreeMap::new() }
    }

    /// No two replicas with a lease share a key.
    pub fn check(&mut self, view: &View) -> Result<(), Broken> {
        let serving: Vec<_> = view.replicas().filter(|(_, status)| status.has_lease).collect();
        for (at, (seen, status)) in serving.iter().enumerate() {
            let before = self.last.insert(status.descriptor.range_id, seen.machine);
            if before.is_some_and(|before| before != seen.machine) {
                self.coverage.hit(Point::LeaderChange);
            }
            for (other_seen, other) in serving.iter().skip(at + 1) {
                if status.descriptor.span.overlaps(&other.descriptor.span) {
                    let detail = format!(
                        "{} on m{} in term {}, and {} on m{} in term {}",
                        status.descriptor.range_id,
                        seen.machine,
                        status.term,
                        other.descriptor.range_id,
                        other_seen.machine,
                        other.term
                    );
                    return Err((NAME, detail));
                }
            }
        }
        Ok(())
    }
}
