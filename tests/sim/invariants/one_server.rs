//! At most one replica may serve a key at any time.
//!
//! A lease is a leave to serve, for all keys of a range but those that a split is about to take away: these are latched
//! until it is applied. So a replica that has not applied its range's split may hold its lease beside the right side's
//! leader; that it does not serve is for the clients' history to show.

use std::collections::{BTreeMap, BTreeSet};

use quorate_placement::topology::RangeId;
use quorate_raft_groups::local_ranges::ReplicaStatus;

use super::{Broken, Seen, View};
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
                if is_split_unapplied((seen, status), (other_seen, other)) {
                    self.coverage.hit(Point::RightServedFirst);
                } else if status.descriptor.span.overlaps(&other.descriptor.span) {
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

/// Whether one of both is the right side of a split of the other, which the other's replica has not applied.
fn is_split_unapplied(one: (&Seen, &ReplicaStatus), other: (&Seen, &ReplicaStatus)) -> bool {
    let ((seen, left), (_, right)) =
        if one.1.descriptor.generation < other.1.descriptor.generation { (one, other) } else { (other, one) };
    let (whole, part) = (&left.descriptor, &right.descriptor);
    let is_part = whole.span.covers(&part.span) && whole.span.start < part.span.start;
    let is_here = |status: &ReplicaStatus| status.descriptor.range_id == part.range_id;
    is_part && whole.generation < part.generation && !seen.statuses.iter().any(is_here)
}
