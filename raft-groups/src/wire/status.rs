//! How the cluster is: [`ClusterStatus`] and what it is made of.

use quorate_engine::hlc::Timestamp;
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};
use quorate_placement::view::Liveness;

use super::member::NodeForm;
use super::pieces::{SpanForm, Uuid, nodes_of};
use super::{WireError, forms, must, read_all};
use crate::cluster::status::{
    ChangeStatus, ClusterStatus, DiskSyncs, MemberStatus, NodeStatus, PeerClock, Presence, RangeStatus,
};

const STATUS: &str = "a status";
const NODE: &str = "a node's status";
const RANGE: &str = "a range's status";

/// A [`ClusterStatus`].
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StatusForm {
    #[prost(message, optional, tag = "1")]
    cluster_id: Option<Uuid>,
    #[prost(uint64, tag = "2")]
    told_by: u64,
    #[prost(fixed64, tag = "3")]
    told_at: u64,
    #[prost(string, optional, tag = "4")]
    partial: Option<String>,
    #[prost(message, repeated, tag = "5")]
    nodes: Vec<NodeStatusForm>,
    #[prost(message, repeated, tag = "6")]
    ranges: Vec<RangeStatusForm>,
}

impl From<&ClusterStatus> for StatusForm {
    fn from(status: &ClusterStatus) -> Self {
        Self {
            cluster_id: Some(status.cluster_id.into()),
            told_by: status.told_by.0,
            told_at: status.told_at.raw(),
            partial: status.partial.clone(),
            nodes: forms(&status.nodes),
            ranges: forms(&status.ranges),
        }
    }
}

impl TryFrom<StatusForm> for ClusterStatus {
    type Error = WireError;

    fn try_from(form: StatusForm) -> Result<Self, WireError> {
        Ok(Self {
            cluster_id: must(STATUS, "cluster", form.cluster_id)?.into(),
            told_by: NodeId(form.told_by),
            told_at: Timestamp::from_raw(form.told_at),
            partial: form.partial,
            nodes: read_all(form.nodes)?,
            ranges: read_all(form.ranges)?,
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct NodeStatusForm {
    #[prost(message, optional, tag = "1")]
    record: Option<NodeForm>,
    #[prost(enumeration = "LivenessForm", tag = "2")]
    liveness: i32,
    #[prost(uint64, optional, tag = "3")]
    heard_ms: Option<u64>,
    #[prost(uint64, tag = "4")]
    leaders: u64,
    #[prost(uint64, tag = "5")]
    replicas: u64,
    #[prost(uint64, tag = "6")]
    disk_used_bytes: u64,
    #[prost(uint64, tag = "7")]
    disk_total_bytes: u64,
    #[prost(uint64, optional, tag = "8")]
    catalog_version: Option<u64>,
    #[prost(sint64, optional, tag = "9")]
    clock_offset_ms: Option<i64>,
    #[prost(string, optional, tag = "10")]
    absence: Option<String>,
    #[prost(enumeration = "PresenceForm", tag = "11")]
    presence: i32,
    /// Of a node that is unreachable.
    #[prost(uint64, optional, tag = "12")]
    heard_by: Option<u64>,
    #[prost(message, optional, tag = "13")]
    syncs: Option<SyncsForm>,
    #[prost(message, repeated, tag = "14")]
    clocks: Vec<PeerClockForm>,
    #[prost(string, optional, tag = "15")]
    clock_doubt: Option<String>,
    #[prost(string, repeated, tag = "16")]
    damaged_files: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum LivenessForm {
    Unknown = 0,
    Live = 1,
    Suspect = 2,
    Dead = 3,
    Draining = 4,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum PresenceForm {
    Unknown = 0,
    Reports = 1,
    Awaited = 2,
    Unheard = 3,
    Missing = 4,
    Unreachable = 5,
}

impl From<&NodeStatus> for NodeStatusForm {
    fn from(node: &NodeStatus) -> Self {
        let liveness = match node.liveness {
            Liveness::Live => LivenessForm::Live,
            Liveness::Suspect => LivenessForm::Suspect,
            Liveness::Dead => LivenessForm::Dead,
            Liveness::Draining => LivenessForm::Draining,
        };
        let (presence, heard_by) = match node.presence {
            Presence::Reports => (PresenceForm::Reports, None),
            Presence::Unheard { is_awaited: true } => (PresenceForm::Awaited, None),
            Presence::Unheard { is_awaited: false } => (PresenceForm::Unheard, None),
            Presence::Missing => (PresenceForm::Missing, None),
            Presence::Unreachable { heard_by } => (PresenceForm::Unreachable, heard_by),
        };
        Self {
            record: Some((&node.record).into()),
            liveness: liveness.into(),
            heard_ms: node.heard_ms,
            leaders: node.leaders,
            replicas: node.replicas,
            disk_used_bytes: node.disk_used_bytes,
            disk_total_bytes: node.disk_total_bytes,
            catalog_version: node.catalog_version,
            clock_offset_ms: node.clock_offset_ms,
            absence: node.absence.clone(),
            presence: presence.into(),
            heard_by: heard_by.map(|node| node.0),
            syncs: Some(node.syncs.into()),
            clocks: forms(&node.clocks),
            clock_doubt: node.clock_doubt.clone(),
            damaged_files: node.damaged_files.clone(),
        }
    }
}

impl TryFrom<NodeStatusForm> for NodeStatus {
    type Error = WireError;

    fn try_from(form: NodeStatusForm) -> Result<Self, WireError> {
        let missing = |field| WireError::Missing { message: NODE, field };
        let liveness = match form.liveness() {
            LivenessForm::Live => Liveness::Live,
            LivenessForm::Suspect => Liveness::Suspect,
            LivenessForm::Dead => Liveness::Dead,
            LivenessForm::Draining => Liveness::Draining,
            LivenessForm::Unknown => return Err(missing("liveness")),
        };
        let presence = match form.presence() {
            PresenceForm::Reports => Presence::Reports,
            PresenceForm::Awaited => Presence::Unheard { is_awaited: true },
            PresenceForm::Unheard => Presence::Unheard { is_awaited: false },
            PresenceForm::Missing => Presence::Missing,
            PresenceForm::Unreachable => Presence::Unreachable { heard_by: form.heard_by.map(NodeId) },
            PresenceForm::Unknown => return Err(missing("presence")),
        };
        Ok(Self {
            record: must(NODE, "record", form.record)?.try_into()?,
            liveness,
            heard_ms: form.heard_ms,
            leaders: form.leaders,
            replicas: form.replicas,
            disk_used_bytes: form.disk_used_bytes,
            disk_total_bytes: form.disk_total_bytes,
            catalog_version: form.catalog_version,
            clock_offset_ms: form.clock_offset_ms,
            absence: form.absence,
            presence,
            syncs: form.syncs.unwrap_or_default().into(),
            clocks: form.clocks.into_iter().map(PeerClock::from).collect(),
            clock_doubt: form.clock_doubt,
            damaged_files: form.damaged_files,
        })
    }
}

/// [`DiskSyncs`].
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct SyncsForm {
    #[prost(uint64, tag = "1")]
    p99_ms: u64,
    #[prost(uint64, tag = "2")]
    longest_ms: u64,
    #[prost(uint64, tag = "3")]
    running_ms: u64,
}

impl From<DiskSyncs> for SyncsForm {
    fn from(syncs: DiskSyncs) -> Self {
        let DiskSyncs { p99_ms, longest_ms, running_ms } = syncs;
        Self { p99_ms, longest_ms, running_ms }
    }
}

impl From<SyncsForm> for DiskSyncs {
    fn from(form: SyncsForm) -> Self {
        let SyncsForm { p99_ms, longest_ms, running_ms } = form;
        Self { p99_ms, longest_ms, running_ms }
    }
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct PeerClockForm {
    #[prost(uint64, tag = "1")]
    node_id: u64,
    #[prost(sint64, tag = "2")]
    ahead_ms: i64,
}

impl From<&PeerClock> for PeerClockForm {
    fn from(clock: &PeerClock) -> Self {
        Self { node_id: clock.node_id.0, ahead_ms: clock.ahead_ms }
    }
}

impl From<PeerClockForm> for PeerClock {
    fn from(form: PeerClockForm) -> Self {
        Self { node_id: NodeId(form.node_id), ahead_ms: form.ahead_ms }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct RangeStatusForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(message, optional, tag = "2")]
    span: Option<SpanForm>,
    #[prost(uint64, repeated, tag = "3")]
    replicas: Vec<u64>,
    #[prost(uint64, repeated, tag = "4")]
    missing: Vec<u64>,
    #[prost(uint64, optional, tag = "5")]
    leader: Option<u64>,
    #[prost(uint64, tag = "6")]
    size_bytes: u64,
    #[prost(string, optional, tag = "7")]
    complaint: Option<String>,
    #[prost(uint64, tag = "8")]
    generation: u64,
    #[prost(message, repeated, tag = "9")]
    members: Vec<MemberForm>,
    #[prost(message, optional, tag = "10")]
    change: Option<ChangeForm>,
    #[prost(string, optional, tag = "11")]
    outlook: Option<String>,
    #[prost(uint64, optional, tag = "12")]
    leaderless_ms: Option<u64>,
}

impl From<&RangeStatus> for RangeStatusForm {
    fn from(range: &RangeStatus) -> Self {
        let numbers = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect();
        Self {
            range_id: range.range_id.0,
            span: Some((&range.span).into()),
            replicas: numbers(&range.replicas),
            missing: numbers(&range.missing),
            leader: range.leader.map(|node| node.0),
            size_bytes: range.size_bytes,
            complaint: range.complaint.clone(),
            generation: range.generation,
            members: forms(&range.members),
            change: range.change.as_ref().map(ChangeForm::from),
            outlook: range.outlook.clone(),
            leaderless_ms: range.leaderless_ms,
        }
    }
}

impl TryFrom<RangeStatusForm> for RangeStatus {
    type Error = WireError;

    fn try_from(form: RangeStatusForm) -> Result<Self, WireError> {
        Ok(Self {
            range_id: RangeId(form.range_id),
            span: must(RANGE, "span", form.span)?.into(),
            replicas: nodes_of(form.replicas),
            missing: nodes_of(form.missing),
            leader: form.leader.map(NodeId),
            size_bytes: form.size_bytes,
            complaint: form.complaint,
            generation: form.generation,
            members: form.members.into_iter().map(MemberStatus::from).collect(),
            change: form.change.map(ChangeStatus::from),
            outlook: form.outlook,
            leaderless_ms: form.leaderless_ms,
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct MemberForm {
    #[prost(uint64, tag = "1")]
    replica_id: u64,
    #[prost(uint64, tag = "2")]
    node_id: u64,
    #[prost(bool, tag = "3")]
    is_voter: bool,
    #[prost(uint64, optional, tag = "4")]
    applied: Option<u64>,
    #[prost(string, optional, tag = "5")]
    damage: Option<String>,
}

impl From<&MemberStatus> for MemberForm {
    fn from(member: &MemberStatus) -> Self {
        Self {
            replica_id: member.replica_id.0,
            node_id: member.node_id.0,
            is_voter: member.is_voter,
            applied: member.applied,
            damage: member.damage.clone(),
        }
    }
}

impl From<MemberForm> for MemberStatus {
    fn from(form: MemberForm) -> Self {
        Self {
            replica_id: ReplicaId(form.replica_id),
            node_id: NodeId(form.node_id),
            is_voter: form.is_voter,
            applied: form.applied,
            damage: form.damage,
        }
    }
}

/// A [`ChangeStatus`].
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ChangeForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(uint64, optional, tag = "2")]
    add: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    remove: Option<u64>,
    #[prost(string, tag = "4")]
    stage: String,
    #[prost(uint64, tag = "5")]
    elapsed_ms: u64,
    #[prost(uint64, tag = "6")]
    bytes: u64,
    #[prost(uint64, tag = "7")]
    bytes_expected: u64,
    #[prost(uint64, tag = "8")]
    copying_ms: u64,
    #[prost(string, optional, tag = "9")]
    failure: Option<String>,
}

impl From<&ChangeStatus> for ChangeForm {
    fn from(change: &ChangeStatus) -> Self {
        Self {
            range_id: change.range_id.0,
            add: change.add.map(|node| node.0),
            remove: change.remove.map(|node| node.0),
            stage: change.stage.clone(),
            elapsed_ms: change.elapsed_ms,
            bytes: change.bytes,
            bytes_expected: change.bytes_expected,
            copying_ms: change.copying_ms,
            failure: change.failure.clone(),
        }
    }
}

impl From<ChangeForm> for ChangeStatus {
    fn from(form: ChangeForm) -> Self {
        Self {
            range_id: RangeId(form.range_id),
            add: form.add.map(NodeId),
            remove: form.remove.map(NodeId),
            stage: form.stage,
            elapsed_ms: form.elapsed_ms,
            bytes: form.bytes,
            bytes_expected: form.bytes_expected,
            copying_ms: form.copying_ms,
            failure: form.failure,
        }
    }
}
