//! At most one replica may serve a key at any time.

use std::collections::{BTreeMap, BTreeSet};

use quorate_placement::topology::RangeId;

use super::{Broken, View};
use crate::coverage::{Coverage, Point};
use crate::network::MachineId;

const NAME: &str = "at most one replica may serve a key";

/// All tables have their first ranges by then, and a new range its first replicas after as long.
const SETTLED: u64 = 3_000_000;

/// Looks at who holds leases.
pub struct OneServer {
    coverage: Coverage,
    last: BTreeMap<RangeId, MachineId>,
    ranges: BTreeMap<RangeId, u64>,
    replicas: BTreeSet<(RangeId, MachineId)>,
}

impl OneServer {
    /// With nobody seen yet.
    pub fn new(coverage: Coverage) -> Self {
        Self { coverage, last: BTreeMap::new(), ranges: BTreeMap::new(), replicas: BTreeSet::new() }
    }

    /// Ranges that come into being by splits, and replicas that come into being by moves.
    fn count_replicas(&mut self, view: &View) {
        for (seen, status) in view.replicas() {
            let range_id = status.descriptor.range_id;
            if !self.ranges.contains_key(&range_id) && view.now > SETTLED {
                self.coverage.hit(Point::Split);
            }
            let since = *self.ranges.entry(range_id).or_insert(view.now);
            if self.replicas.insert((range_id, seen.machine)) && view.now > since + SETTLED {
                self.coverage.hit(Point::NewReplica);
            }
        }
    }

    /// No two replicas with a lease share a key.
    pub fn check(&mut self, view: &View) -> Result<(), Broken> {
        self.count_replicas(view);
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
