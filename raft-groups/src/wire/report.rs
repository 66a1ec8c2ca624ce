//! How a node is, as it tells each second: [`NodeReport`].

use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use super::forms;
use super::status::{ChangeForm, SyncsForm};
use crate::cluster::message::{NodeReport, PeerReport, ReplicaReport};
use crate::cluster::status::ChangeStatus;

/// A [`NodeReport`].
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ReportForm {
    #[prost(uint64, optional, tag = "1")]
    catalog_version: Option<u64>,
    #[prost(uint64, tag = "2")]
    disk_used_bytes: u64,
    #[prost(uint64, tag = "3")]
    disk_total_bytes: u64,
    #[prost(uint64, tag = "4")]
    system_generation: u64,
    #[prost(message, repeated, tag = "5")]
    replicas: Vec<ReplicaForm>,
    #[prost(message, repeated, tag = "6")]
    changes: Vec<ChangeForm>,
    #[prost(message, optional, tag = "7")]
    syncs: Option<SyncsForm>,
    #[prost(message, repeated, tag = "8")]
    peers: Vec<PeerForm>,
    #[prost(string, optional, tag = "9")]
    clock_doubt: Option<String>,
    #[prost(string, repeated, tag = "10")]
    damaged_files: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ReplicaForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(uint64, tag = "2")]
    replica_id: u64,
    #[prost(uint64, tag = "3")]
    applied: u64,
    #[prost(bool, tag = "4")]
    has_lease: bool,
    #[prost(uint64, optional, tag = "5")]
    leader: Option<u64>,
    #[prost(uint64, tag = "6")]
    size_bytes: u64,
    #[prost(string, optional, tag = "7")]
    complaint: Option<String>,
    #[prost(string, optional, tag = "8")]
    damage: Option<String>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct PeerForm {
    #[prost(uint64, tag = "1")]
    node_id: u64,
    #[prost(uint64, tag = "2")]
    silence_ms: u64,
    #[prost(sint64, optional, tag = "3")]
    clock_ahead_ms: Option<i64>,
}

impl From<&NodeReport> for ReportForm {
    fn from(report: &NodeReport) -> Self {
        Self {
            catalog_version: report.catalog_version,
            disk_used_bytes: report.disk_used_bytes,
            disk_total_bytes: report.disk_total_bytes,
            system_generation: report.system_generation,
            replicas: forms(&report.replicas),
            changes: forms(&report.changes),
            syncs: Some(report.syncs.into()),
            peers: forms(&report.peers),
            clock_doubt: report.clock_doubt.clone(),
            damaged_files: report.damaged_files.clone(),
        }
    }
}

impl From<ReportForm> for NodeReport {
    fn from(form: ReportForm) -> Self {
        Self {
            catalog_version: form.catalog_version,
            disk_used_bytes: form.disk_used_bytes,
            disk_total_bytes: form.disk_total_bytes,
            system_generation: form.system_generation,
            replicas: form.replicas.into_iter().map(ReplicaReport::from).collect(),
            changes: form.changes.into_iter().map(ChangeStatus::from).collect(),
            syncs: form.syncs.unwrap_or_default().into(),
            peers: form.peers.into_iter().map(PeerReport::from).collect(),
            clock_doubt: form.clock_doubt,
            damaged_files: form.damaged_files,
        }
    }
}

impl From<&ReplicaReport> for ReplicaForm {
    fn from(replica: &ReplicaReport) -> Self {
        Self {
            range_id: replica.range_id.0,
            replica_id: replica.replica_id.0,
            applied: replica.applied,
            has_lease: replica.has_lease,
            leader: replica.leader.map(|node| node.0),
            size_bytes: replica.size_bytes,
            complaint: replica.complaint.clone(),
            damage: replica.damage.clone(),
        }
    }
}

impl From<ReplicaForm> for ReplicaReport {
    fn from(form: ReplicaForm) -> Self {
        Self {
            range_id: RangeId(form.range_id),
            replica_id: ReplicaId(form.replica_id),
            applied: form.applied,
            has_lease: form.has_lease,
            leader: form.leader.map(NodeId),
            size_bytes: form.size_bytes,
            complaint: form.complaint,
            damage: form.damage,
        }
    }
}

impl From<&PeerReport> for PeerForm {
    fn from(peer: &PeerReport) -> Self {
        Self { node_id: peer.node_id.0, silence_ms: peer.silence_ms, clock_ahead_ms: peer.clock_ahead_ms }
    }
}

impl From<PeerForm> for PeerReport {
    fn from(form: PeerForm) -> Self {
        Self {
            node_id: NodeId(form.node_id),
            silence_ms: form.silence_ms,
            clock_ahead_ms: form.clock_ahead_ms,
        }
    }
}
