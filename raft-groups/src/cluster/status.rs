//! How the cluster is, as one node can tell: for `quorate status` and SHOW.

use std::time::Duration;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::Span;
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};
use quorate_placement::view::Liveness;
use uuid::Uuid;

use super::message::PeerReport;
use super::node_format::NodeRecord;
use crate::descriptor::{RangeDescriptor, ReplicaDescriptor};

/// How the cluster is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterStatus {
    /// The cluster.
    pub cluster_id: Uuid,
    /// The node that tells.
    pub told_by: NodeId,
    /// When.
    pub told_at: Timestamp,
    /// Why this is only what one node knows by itself; `None` where range 1's leaseholder tells from all reports.
    pub partial: Option<String>,
    /// The nodes, by id.
    pub nodes: Vec<NodeStatus>,
    /// The ranges, by start key.
    pub ranges: Vec<RangeStatus>,
}

/// How a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Its row of the registry.
    pub record: NodeRecord,
    /// What is believed of it.
    pub liveness: Liveness,
    /// Milliseconds since it was last heard of; `None` if never since the teller knows.
    pub heard_ms: Option<u64>,
    /// Ranges that it leads.
    pub leaders: u64,
    /// Replicas that it holds.
    pub replicas: u64,
    /// Bytes used on its disk.
    pub disk_used_bytes: u64,
    /// Size of its disk; 0 where it is not known.
    pub disk_total_bytes: u64,
    /// The catalog version that it confirmed last.
    pub catalog_version: Option<u64>,
    /// How far its clock is ahead of the teller's, in milliseconds; `None` where it was not measured lately.
    pub clock_offset_ms: Option<i64>,
    /// Why it takes no part, if it runs and must not.
    pub absence: Option<String>,
    /// Whether it reports, and if not, what is known of it.
    pub presence: Presence,
    /// How its disk takes syncs, by its last report.
    pub syncs: DiskSyncs,
    /// How far others' clocks are ahead of its own, by its last report.
    pub clocks: Vec<PeerClock>,
    /// Why it does not trust its own clock, and serves no clients, by its last report.
    pub clock_doubt: Option<String>,
    /// Files of its store that are known to be damaged: a start removes those whose replicas were made anew.
    pub damaged_files: Vec<String>,
}

/// Whether a node reports to whoever tells the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It does.
    Reports,
    /// Nobody who reports has heard of it since they started; whether it is there is not known.
    Unheard {
        /// The teller has only begun to listen: there is nothing to complain about yet.
        is_awaited: bool,
    },
    /// It was heard of, and is not any more, by nobody.
    Missing,
    /// It runs, and does not reach the teller.
    Unreachable {
        /// A node that hears it; `None` where it answers the teller at its address, and does not report.
        heard_by: Option<NodeId>,
    },
}

/// How long a node's disk takes for a sync, by those of the last seconds, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskSyncs {
    /// All but one of a hundred took no longer.
    pub p99_ms: u64,
    /// The longest.
    pub longest_ms: u64,
    /// How long the one that runs now has been running; zero where none does.
    pub running_ms: u64,
}

/// A node's clock, as another one measured it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerClock {
    /// Whose clock.
    pub node_id: NodeId,
    /// How far it is ahead of the clock of the one that measured, in milliseconds.
    pub ahead_ms: i64,
}

/// How a range is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeStatus {
    /// The range.
    pub range_id: RangeId,
    /// Its keys.
    pub span: Span,
    /// Nodes of the replicas that vote, ascending.
    pub replicas: Vec<NodeId>,
    /// Those of them that are not known to be live, or do not hold it yet.
    pub missing: Vec<NodeId>,
    /// The node that says that it leads it, and was heard within seconds; never the one that did last.
    pub leader: Option<NodeId>,
    /// Bytes of its data, about.
    pub size_bytes: u64,
    /// What its leader complains about.
    pub complaint: Option<String>,
    /// Raised by every change of it.
    pub generation: u64,
    /// Its replicas one by one, learners too, by replica id.
    pub members: Vec<MemberStatus>,
    /// The change of its replicas that is under way, or failed a moment ago.
    pub change: Option<ChangeStatus>,
    /// What becomes of it, where it is short of replicas and nothing is under way.
    pub outlook: Option<String>,
    /// For how long no node has said that it leads it, in milliseconds, at least; `None` while one does.
    pub leaderless_ms: Option<u64>,
}

/// One replica of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Its id.
    pub replica_id: ReplicaId,
    /// Its node.
    pub node_id: NodeId,
    /// Whether it votes.
    pub is_voter: bool,
    /// Last log index that it has applied; `None` where its node has not reported it.
    pub applied: Option<u64>,
    /// What it has met on its node's disk, if it is damaged: it does not lead, and is made anew.
    pub damage: Option<String>,
}

/// A change of a range's replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeStatus {
    /// The range.
    pub range_id: RangeId,
    /// The node that gets a replica.
    pub add: Option<NodeId>,
    /// The node that loses its replica.
    pub remove: Option<NodeId>,
    /// What is being done, in words.
    pub stage: String,
    /// Since when, in milliseconds.
    pub elapsed_ms: u64,
    /// Bytes that the new replica has got.
    pub bytes: u64,
    /// About how many bytes it will be; 0 where nothing is copied.
    pub bytes_expected: u64,
    /// How long it has been copying, in milliseconds.
    pub copying_ms: u64,
    /// Why it ended without success, if it did.
    pub failure: Option<String>,
}

impl ChangeStatus {
    /// Milliseconds until all is copied, by the rate so far; `None` where there is none yet.
    pub fn left_ms(&self) -> Option<u64> {
        if self.bytes == 0 || self.bytes_expected < self.bytes {
            return None;
        }
        let left = u128::from(self.bytes_expected - self.bytes);
        let millis = left * u128::from(self.copying_ms) / u128::from(self.bytes);
        u64::try_from(millis).ok()
    }
}

/// How long nobody may say that they lead a range before it counts as leaderless: an election takes 1.3 s at most, and
/// its winner's next report comes within a second.
pub const LEADERLESS_AFTER_MS: u64 = 3_000;

impl RangeStatus {
    /// Whether nobody leads it, and has not for longer than an election takes.
    pub fn is_leaderless(&self) -> bool {
        self.leaderless_ms.is_some_and(|millis| millis >= LEADERLESS_AFTER_MS)
    }

    /// Whether a majority of its replicas is there.
    pub fn has_quorum(&self) -> bool {
        self.replicas.len().saturating_sub(self.missing.len()) > self.replicas.len() / 2
    }
}

impl ClusterStatus {
    /// Ranges that cannot be written.
    pub fn without_quorum(&self) -> impl Iterator<Item = &RangeStatus> {
        self.ranges.iter().filter(|range| !range.has_quorum())
    }

    /// Ranges that have a majority of their replicas, and nobody who leads them.
    pub fn leaderless(&self) -> impl Iterator<Item = &RangeStatus> {
        self.ranges.iter().filter(|range| range.has_quorum() && range.is_leaderless())
    }

    /// Ranges that can be written, but have lost some replicas.
    pub fn short_of_replicas(&self) -> impl Iterator<Item = &RangeStatus> {
        self.ranges.iter().filter(|range| range.has_quorum() && !range.missing.is_empty())
    }
}

/// The members of a range; `told` gives how far a replica has applied, and how its data is damaged.
pub(super) fn members_of(
    descriptor: &RangeDescriptor,
    told: impl Fn(&ReplicaDescriptor) -> (Option<u64>, Option<String>),
) -> Vec<MemberStatus> {
    let member = |replica: &ReplicaDescriptor| {
        let (applied, damage) = told(replica);
        MemberStatus {
            replica_id: replica.replica_id,
            node_id: replica.node_id,
            is_voter: replica.is_voter(),
            applied,
            damage,
        }
    };
    descriptor.replicas.iter().map(member).collect()
}

/// The clocks that a node's report tells of.
pub(super) fn clocks_of(peers: &[PeerReport]) -> Vec<PeerClock> {
    let clock = |peer: &PeerReport| Some(PeerClock { node_id: peer.node_id, ahead_ms: peer.clock_ahead_ms? });
    peers.iter().filter_map(clock).collect()
}

/// Whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
