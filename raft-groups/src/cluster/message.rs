//! What members of a cluster say to each other (`Service::Cluster`). Its bytes are those of `wire::cluster`.

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Fence, Key, Span};
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use super::directory::publication::Verdict;
use super::error::ClusterError;
use super::status::{ChangeStatus, ClusterStatus, DiskSyncs};
use crate::descriptor::RangeDescriptor;
use crate::local_ranges::ReplicaProgress;

/// What is asked of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ClusterRequest {
    /// To range 1's leaseholder: how the sender is.
    Report(NodeReport),
    /// From range 1's leaseholder: there is a catalog of this version; read it, and say what you have then.
    CatalogChanged { version: u64 },
    /// Create your replica of this range.
    CreateReplica { descriptor: RangeDescriptor, campaign: bool },
    /// Remove your replica of this range.
    DestroyReplica { range_id: RangeId, next_replica_id: ReplicaId },
    /// To a range's leader: give one node a replica, take one from another; decided on this generation.
    ChangeReplicas { range_id: RangeId, generation: u64, add: Option<NodeId>, remove: Option<NodeId> },
    /// Create the empty replica that the descriptor gives you; a replica of yours that it proves gone goes first.
    CreateLearner { descriptor: RangeDescriptor },
    /// How far is your replica?
    Progress { range_id: RangeId, replica_id: ReplicaId },
    /// Your replica is gone from this range: remove it, if this descriptor proves it.
    Collect { descriptor: RangeDescriptor },
    /// What do you know of a range, by your own replica?
    Describe { range_id: RangeId },
    /// Hand the lease of a range over.
    TransferLease { range_id: RangeId, to: NodeId },
    /// To range 1's leaseholder: make a range of these keys.
    CreateRange { span: Span },
    /// To range 1's leaseholder: remove the ranges of these keys.
    DropRanges { span: Span },
    /// As `CreateRange`, if the fence holds.
    CreateRangeFenced { span: Span, fence: Fence },
    /// As `DropRanges`, if the fence holds.
    DropRangesFenced { span: Span, fence: Fence },
    /// To range 1's leaseholder: wait until all live nodes have this version of the catalog.
    AwaitCatalog { version: u64 },
    /// To range 1's leaseholder: how is the cluster?
    Status,
    /// To range 1's leaseholder: these ranges, led by the sender, have changed; enter them into the directory.
    PublishRanges { descriptors: Vec<RangeDescriptor> },
    /// Split a range that you lead, at a key or in its middle.
    SplitRange { range_id: RangeId, at: Option<Key> },
    /// What time is it? The answer's envelope tells.
    Time,
    /// To range 1's leaseholder: strike this node off, or say what that waits for.
    RemoveNode { node: NodeId },
}

/// What a member answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ClusterAnswer {
    /// Done.
    Done,
    /// To a report: until when the catalog may be relied on, if the confirmed version is not outdated; and
    /// range 1, where the reporter knows an older one.
    Lease { until: Option<Timestamp>, required_version: u64, system: Option<RangeDescriptor> },
    /// To `CatalogChanged`.
    Catalog { version: Option<u64> },
    /// To `Status`.
    Status(Box<ClusterStatus>),
    /// To `Progress`; `None` where the replica is not there.
    Progress(Option<ReplicaProgress>),
    /// To `Describe`, as applied; `None` where no whole replica is there.
    Described(Option<RangeDescriptor>),
    /// To `PublishRanges`, one a range.
    Published(Vec<Verdict>),
    /// To `SplitRange`: the right side.
    Range(Box<RangeDescriptor>),
    /// This node does not lead the range (range 1, where none was named); perhaps that one does.
    NotLeader { leader: Option<NodeId> },
    /// Not now: somebody or something is missing.
    Unavailable(String),
    /// Not at all.
    Refused(String),
}

impl ClusterAnswer {
    /// Whether what was asked was done.
    ///
    /// # Errors
    /// [`ClusterError::Refused`] where it never will be as things are, else [`ClusterError::Unavailable`].
    pub fn expect_done(self) -> Result<(), ClusterError> {
        match self {
            Self::Done => Ok(()),
            Self::Unavailable(detail) => Err(ClusterError::Unavailable(detail)),
            Self::Refused(detail) => Err(ClusterError::Refused(detail)),
            Self::NotLeader { .. } => Err(ClusterError::Unavailable(
                "range 1 is between two leaseholders; repeat the statement".to_owned(),
            )),
            other @ (Self::Lease { .. }
            | Self::Catalog { .. }
            | Self::Progress(_)
            | Self::Described(_)
            | Self::Status(_)
            | Self::Published(_)
            | Self::Range(_)) => Err(ClusterError::Unavailable(other.complaint())),
        }
    }

    /// Why what was asked was not done, for a person.
    pub fn complaint(&self) -> String {
        match self {
            Self::Unavailable(reason) | Self::Refused(reason) => reason.clone(),
            Self::NotLeader { leader: Some(leader) } => format!("it does not lead the range, {leader} may"),
            Self::NotLeader { leader: None } => {
                "it does not lead the range, and knows nobody who does".to_owned()
            }
            Self::Done
            | Self::Lease { .. }
            | Self::Catalog { .. }
            | Self::Status(_)
            | Self::Progress(_)
            | Self::Described(_)
            | Self::Published(_)
            | Self::Range(_) => "an answer to another request came".to_owned(),
        }
    }
}

/// How a node is, as it tells each second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeReport {
    /// The catalog that it has confirmed lately.
    pub catalog_version: Option<u64>,
    /// Bytes used on its disk.
    pub disk_used_bytes: u64,
    /// Size of its disk.
    pub disk_total_bytes: u64,
    /// Generation of range 1 as it knows it.
    pub system_generation: u64,
    /// Its replicas.
    pub replicas: Vec<ReplicaReport>,
    /// Changes of replicas that it drives, or that ended a moment ago.
    pub changes: Vec<ChangeStatus>,
    /// How its disk takes syncs.
    pub syncs: DiskSyncs,
    /// Other nodes that it has heard.
    pub peers: Vec<PeerReport>,
    /// Why it does not trust its own clock.
    pub clock_doubt: Option<String>,
    /// Files of its store that are known to be damaged.
    pub damaged_files: Vec<String>,
}

/// What a node knows of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerReport {
    /// Which.
    pub node_id: NodeId,
    /// Milliseconds since it was heard last.
    pub silence_ms: u64,
    /// How far its clock is ahead of the teller's, in milliseconds; `None` where it was not measured lately.
    pub clock_ahead_ms: Option<i64>,
}

/// How a replica is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReplicaReport {
    /// Its range.
    pub range_id: RangeId,
    /// Its own id.
    pub replica_id: ReplicaId,
    /// Last log index applied.
    pub applied: u64,
    /// Whether it serves strong reads.
    pub has_lease: bool,
    /// Who leads, as far as it knows.
    pub leader: Option<NodeId>,
    /// About how many bytes its data take.
    pub size_bytes: u64,
    /// What it complains about.
    pub complaint: Option<String>,
    /// What it has met on its disk, if it is damaged.
    pub damage: Option<String>,
}
