//! What range 1's leaseholder keeps in memory: reports of the nodes, and their leases on the catalog.
//!
//! A board is made anew whenever the lease of range 1 comes to this node. It then knows nothing of what its predecessor
//! promised: silence counts from its own start, and for a whole catalog lease it takes every node that has not
//! reported for one that may hold such a lease.
//!
//! Pure: times come in. Wall time ([`Timestamp`]) for what nodes compare with each other, time since some start
//! ([`Duration`]) for silence.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quorate_engine::hlc::Timestamp;
use quorate_placement::topology::{NodeId, RangeId};
use quorate_placement::view::{Liveness, PendingChange};

use crate::cluster::calls::Moment;
use crate::cluster::message::{NodeReport, ReplicaReport};
use crate::limits::{CATALOG_LEASE, REPORT_INTERVAL, SUSPECT_AFTER};

use crate::cluster::status::ChangeStatus;
use crate::descriptor::ReplicaDescriptor;

mod presence;

/// How long a change of replicas that was handed out counts as under way before its leader reports it.
const BEGUN_UNREPORTED: Duration = Duration::from_secs(3);
/// How long a node counts as dead whose removal was asked for, if nobody asks again.
const LEAVING_UNASKED: Duration = Duration::from_secs(5);

/// How long a report may be on its way.
const REPORT_DELAY: Duration = Duration::from_millis(100);

/// A promise to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CatalogLease {
    version: u64,
    until: Timestamp,
}

#[derive(Debug)]
struct Heard {
    at: Duration,
    report: NodeReport,
}

/// The board.
#[derive(Debug)]
pub(in crate::cluster) struct Board {
    started: Moment,
    heard: BTreeMap<NodeId, Heard>,
    leases: BTreeMap<NodeId, CatalogLease>,
    required_version: u64,
    /// First leaders of ranges that no report has shown yet, so that the next range is placed with them in mind.
    placed: BTreeMap<RangeId, NodeId>,
    /// When rows of the directory came to name other nodes: reports from before say nothing of these replicas.
    entered: BTreeMap<RangeId, Duration>,
    /// Changes of replicas handed out a moment ago.
    begun: BTreeMap<RangeId, (PendingChange, Duration)>,
    /// Leaders that were handed over to this node, and when: reports from before are out of date.
    moved: BTreeMap<RangeId, (NodeId, Duration)>,
    /// Silent nodes that will not come back as they were, and why.
    absences: BTreeMap<NodeId, String>,
    /// Silent nodes whose removal was asked for, and when last: they count as dead.
    leaving: BTreeMap<NodeId, Duration>,
    /// When somebody said last that they lead a range, or when it came to be.
    led: BTreeMap<RangeId, Duration>,
    /// Silent nodes that answered at their addresses when they were asked last.
    answering: BTreeSet<NodeId>,
    /// Reports missed for this long make a node dead.
    dead_after: Duration,
}

impl Board {
    /// An empty board of a leaseholder that begins now. A node is dead once it was silent for `dead_after`.
    pub fn new(started: Moment, dead_after: Duration) -> Self {
        let (heard, leases, placed, entered, begun, moved) = Default::default();
        let (required_version, absences, leaving, led, answering) = Default::default();
        Self {
            started,
            heard,
            leases,
            required_version,
            placed,
            entered,
            begun,
            moved,
            absences,
            leaving,
            led,
            answering,
            dead_after,
        }
    }

    /// A node is dead once it was silent for this long: a setting, which may change.
    pub fn set_dead_after(&mut self, dead_after: Duration) {
        self.dead_after = dead_after;
    }

    /// Somebody wants a silent node removed: for a while it counts as dead.
    pub fn leaves(&mut self, node: NodeId, now: Duration) {
        self.leaving.insert(node, now);
    }

    /// It is not removed after all.
    pub fn stays(&mut self, node: NodeId) {
        self.leaving.remove(&node);
    }

    fn is_leaving(&self, node: NodeId, now: Duration) -> bool {
        self.leaving.get(&node).is_some_and(|asked| now.saturating_sub(*asked) < LEAVING_UNASKED)
    }

    /// A change of replicas was handed to its range's leader.
    pub fn begun(&mut self, change: PendingChange, now: Duration) {
        self.begun.insert(change.range, (change, now));
    }

    /// Changes of replicas that are under way: those that live nodes report, and those handed out a moment ago.
    pub fn pending_changes(&self, now: Duration) -> Vec<PendingChange> {
        let pending = |change: &ChangeStatus| PendingChange {
            range: change.range_id,
            add: change.add,
            remove: change.remove,
        };
        let mut changes: BTreeMap<RangeId, PendingChange> = self
            .begun
            .values()
            .filter(|(_, at)| now.saturating_sub(*at) < BEGUN_UNREPORTED)
            .map(|(change, _)| (change.range, *change))
            .collect();
        let reported = self.reported_changes(now).filter(|change| change.failure.is_none());
        changes.extend(reported.map(|change| (change.range_id, pending(change))));
        changes.into_values().collect()
    }

    /// What is reported of a range's change: under way rather than failed, then the latest.
    pub fn change_of(&self, range_id: RangeId, now: Duration) -> Option<&ChangeStatus> {
        let of_range = self.reported_changes(now).filter(|change| change.range_id == range_id);
        of_range.min_by_key(|change| (change.failure.is_some(), change.elapsed_ms))
    }

    fn reported_changes(&self, now: Duration) -> impl Iterator<Item = &ChangeStatus> {
        let fresh = self.heard.iter().filter(move |(node, _)| self.liveness(**node, now) == Liveness::Live);
        fresh.flat_map(|(_, heard)| heard.report.changes.iter())
    }

    /// Takes a report, and gives a lease on the catalog where the confirmed version is not outdated.
    pub fn report(&mut self, node: NodeId, report: NodeReport, now: Moment) -> Option<Timestamp> {
        for replica in report.replicas.iter().filter(|replica| replica.has_lease) {
            self.placed.remove(&replica.range_id);
        }
        self.moved.retain(|_, (_, at)| now.boot < at.saturating_add(SUSPECT_AFTER));
        self.entered.retain(|_, at| now.boot < at.saturating_add(SUSPECT_AFTER));
        let confirmed = report.catalog_version;
        self.absences.remove(&node);
        self.answering.remove(&node);
        let led = report.replicas.iter().filter(|replica| replica.has_lease);
        let led: Vec<RangeId> = led.map(|replica| replica.range_id).collect();
        self.note_led(led.into_iter(), now.boot);
        self.heard.insert(node, Heard { at: now.boot, report });
        let version = confirmed.filter(|version| *version >= self.required_version)?;
        let until = later(now.wall, CATALOG_LEASE);
        self.leases.insert(node, CatalogLease { version, until });
        Some(until)
    }

    /// A node has said that it has this version, without asking for a lease.
    pub fn confirm(&mut self, node: NodeId, version: u64) {
        if let Some(lease) = self.leases.get_mut(&node) {
            lease.version = lease.version.max(version);
        } else {
            // An earlier leaseholder may have given it a lease, with which it now relies on this version.
            let until = later(self.started.wall, CATALOG_LEASE);
            self.leases.insert(node, CatalogLease { version, until });
        }
    }

    /// From now on nobody gets a lease on an older version.
    pub fn require(&mut self, version: u64) {
        self.required_version = self.required_version.max(version);
    }

    /// The version without which nobody gets a lease.
    pub fn required_version(&self) -> u64 {
        self.required_version
    }

    /// Which of these nodes may still rely on a catalog older than `version`.
    pub fn relying_on_older(
        &self,
        version: u64,
        nodes: &[NodeId],
        now: Timestamp,
        offset_max: Duration,
    ) -> Vec<NodeId> {
        let unknown_until = later(self.started.wall, CATALOG_LEASE);
        let relies = |node: &&NodeId| {
            let (confirmed, until) =
                self.leases.get(node).map_or((0, unknown_until), |lease| (lease.version, lease.until));
            confirmed < version && now.micros() <= later(until, offset_max).micros()
        };
        nodes.iter().filter(relies).copied().collect()
    }

    /// How long a node has been silent, as far as this board can know.
    pub fn silence(&self, node: NodeId, now: Duration) -> Duration {
        now.saturating_sub(self.heard.get(&node).map_or(self.started.boot, |heard| heard.at))
    }

    /// Whether every node that runs had the time to report: before that, one that was never heard may be long dead.
    pub fn has_listened(&self, now: Duration) -> bool {
        now.saturating_sub(self.started.boot) >= SUSPECT_AFTER
    }

    /// Whether the node has reported to this board.
    pub fn has_heard(&self, node: NodeId) -> bool {
        self.heard.contains_key(&node)
    }

    /// Why a silent node will not come back as it was, or that it may; whether that is news.
    pub fn set_absence(&mut self, node: NodeId, absence: Option<String>) -> bool {
        let before = match &absence {
            Some(reason) => self.absences.insert(node, reason.clone()),
            None => self.absences.remove(&node),
        };
        before != absence
    }

    /// Why a node will not come back as it was.
    pub fn absence(&self, node: NodeId) -> Option<&str> {
        self.absences.get(&node).map(String::as_str)
    }

    /// What is believed of a node.
    pub fn liveness(&self, node: NodeId, now: Duration) -> Liveness {
        match self.silence(node, now) {
            silence if silence >= self.dead_after => Liveness::Dead,
            _ if self.absences.contains_key(&node) => Liveness::Dead,
            silence if silence >= SUSPECT_AFTER && self.is_leaving(node, now) => Liveness::Dead,
            silence if silence >= SUSPECT_AFTER => Liveness::Suspect,
            _ => Liveness::Live,
        }
    }

    /// The last report of a node.
    pub fn last_report(&self, node: NodeId) -> Option<&NodeReport> {
        self.heard.get(&node).map(|heard| &heard.report)
    }

    /// What a replica has applied, by its node's last report.
    pub fn applied(&self, replica: &ReplicaDescriptor, range_id: RangeId) -> Option<u64> {
        self.told(replica, range_id).map(|told| told.applied)
    }

    /// What a replica has met on its disk, by its node's last report, if it is damaged.
    pub fn damage(&self, replica: &ReplicaDescriptor, range_id: RangeId) -> Option<&str> {
        self.told(replica, range_id)?.damage.as_deref()
    }

    fn told(&self, replica: &ReplicaDescriptor, range_id: RangeId) -> Option<&ReplicaReport> {
        let report = self.last_report(replica.node_id)?;
        let is_it =
            |told: &&ReplicaReport| told.range_id == range_id && told.replica_id == replica.replica_id;
        report.replicas.iter().find(is_it)
    }

    /// Whether a node has no replica of a range, as far as it can be known: it has reported without one after the range
    /// had the time to get there.
    pub fn lacks(&self, node: NodeId, range_id: RangeId) -> bool {
        let Some(heard) = self.heard.get(&node) else { return true };
        let since = self.entered.get(&range_id).copied().unwrap_or(self.started.boot);
        let is_listed = heard.report.replicas.iter().any(|replica| replica.range_id == range_id);
        !is_listed && heard.at > since.saturating_add(REPORT_INTERVAL)
    }

    /// A range was placed with this node as its first leader.
    pub fn placed(&mut self, range_id: RangeId, leader: NodeId, now: Duration) {
        self.placed.insert(range_id, leader);
        self.entered(range_id, now);
    }

    /// The directory's row of a range is new, or names other nodes than before.
    pub fn entered(&mut self, range_id: RangeId, now: Duration) {
        self.entered.insert(range_id, now);
        self.note_new(range_id, now);
    }

    /// A leader was handed over to this node just now.
    pub fn moved(&mut self, range_id: RangeId, to: NodeId, now: Duration) {
        self.moved.insert(range_id, (to, now));
    }

    /// Who leads a range: the node that says so, if it has not fallen silent; else the one chosen for a new range.
    pub fn leader(&self, range_id: RangeId, now: Duration) -> Option<NodeId> {
        let known = self.says_it_leads(range_id, now);
        known.or_else(|| self.given_to(range_id, now)).or_else(|| self.placed.get(&range_id).copied())
    }

    /// The node that a range's leader was handed over to within seconds.
    fn given_to(&self, range_id: RangeId, now: Duration) -> Option<NodeId> {
        let (to, at) = self.moved.get(&range_id)?;
        (now < at.saturating_add(SUSPECT_AFTER)).then_some(*to)
    }

    /// The node that says that it leads a range, and has not fallen silent.
    fn says_it_leads(&self, range_id: RangeId, now: Duration) -> Option<NodeId> {
        let leads = |report: &NodeReport| {
            report.replicas.iter().any(|replica| replica.range_id == range_id && replica.has_lease)
        };
        let moved = self.moved.get(&range_id);
        // What was reported up to a hand-over, also by who was on its way to report, is out of date.
        let is_outdated =
            |at: Duration| moved.is_some_and(|(_, moved)| at <= moved.saturating_add(REPORT_DELAY));
        let fresh = self.heard.iter().filter(|(node, _)| self.liveness(**node, now) == Liveness::Live);
        fresh
            .filter(|(_, heard)| leads(&heard.report) && !is_outdated(heard.at))
            .max_by_key(|(_, heard)| heard.at)
            .map(|(node, _)| *node)
    }

    /// Bytes of a range and what its leader complains about, by its leader's report, or the largest of all.
    pub fn size_and_complaint(&self, range_id: RangeId, leader: Option<NodeId>) -> (u64, Option<String>) {
        let replicas = |node: &NodeId| {
            let report = self.last_report(*node)?;
            report.replicas.iter().find(|replica| replica.range_id == range_id)
        };
        match leader.as_ref().and_then(replicas) {
            Some(replica) => (replica.size_bytes, replica.complaint.clone()),
            None => {
                let sizes = self.heard.keys().filter_map(replicas).map(|replica| replica.size_bytes);
                (sizes.max().unwrap_or_default(), None)
            }
        }
    }
}

/// A timestamp moved into the future.
fn later(timestamp: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_micros(
        timestamp.micros().saturating_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX)),
    )
}

#[cfg(test)]
mod tests;
