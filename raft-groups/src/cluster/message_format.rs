//! What members of a cluster say to each other (`Service::Cluster`), and its bytes.
//!
//! Version 1: a version byte, a byte for the kind, the fields.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer, owned};
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Fence, Key, Span};
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use super::publication::Verdict;
use super::status::{ChangeStatus, ClusterStatus, DiskSyncs};
use super::status_format::{
    put_change, put_names, put_number, put_status, put_syncs, put_text, take_change, take_names, take_number,
    take_status, take_syncs, take_text, unzigzag, zigzag,
};
use crate::api_format::{put_list, put_span, take_list, take_span};
use crate::descriptor::RangeDescriptor;
use crate::local_ranges::ReplicaProgress;
use crate::range_format::{get_descriptor, put_descriptor};

/// Newest version of these bytes.
const CLUSTER_VERSION: u8 = 1;

/// What is asked of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ClusterRequest {
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
pub(super) enum ClusterAnswer {
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
pub(super) struct NodeReport {
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
pub(super) struct PeerReport {
    /// Which.
    pub node_id: NodeId,
    /// Milliseconds since it was heard last.
    pub silence_ms: u64,
    /// How far its clock is ahead of the teller's, in milliseconds; `None` where it was not measured lately.
    pub clock_ahead_ms: Option<i64>,
}

/// How a replica is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReplicaReport {
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

const REPORT: u8 = 1;
const CATALOG_CHANGED: u8 = 2;
const CREATE_REPLICA: u8 = 3;
const DESTROY_REPLICA: u8 = 4;
const TRANSFER_LEASE: u8 = 5;
const CREATE_RANGE: u8 = 6;
const DROP_RANGES: u8 = 7;
const AWAIT_CATALOG: u8 = 8;
const STATUS: u8 = 9;
const CHANGE_REPLICAS: u8 = 10;
const CREATE_LEARNER: u8 = 11;
const PROGRESS: u8 = 12;
const COLLECT: u8 = 13;
const DESCRIBE: u8 = 14;
const PUBLISH_RANGES: u8 = 15;
const SPLIT_RANGE: u8 = 16;
const TIME: u8 = 17;
const REMOVE_NODE: u8 = 18;
const CREATE_RANGE_FENCED: u8 = 19;
const DROP_RANGES_FENCED: u8 = 20;

const DONE: u8 = 1;
const LEASE: u8 = 2;
const CATALOG: u8 = 3;
const STATUS_ANSWER: u8 = 4;
const NOT_LEADER: u8 = 5;
const UNAVAILABLE: u8 = 6;
const REFUSED: u8 = 7;
const PROGRESS_ANSWER: u8 = 8;
const DESCRIBED: u8 = 9;
const PUBLISHED: u8 = 10;
const RANGE: u8 = 11;

const STANDS: u8 = 1;
const WAITS: u8 = 2;
const GONE: u8 = 3;

/// The bytes of a request.
pub(super) fn encode_request(request: &ClusterRequest) -> Vec<u8> {
    let mut writer = Writer::versioned(CLUSTER_VERSION);
    match request {
        ClusterRequest::Report(report) => put_report(writer.u8(REPORT), report),
        ClusterRequest::CatalogChanged { version } => {
            writer.u8(CATALOG_CHANGED).varint(*version);
        }
        ClusterRequest::CreateReplica { descriptor, campaign } => {
            put_descriptor(writer.u8(CREATE_REPLICA).bool(*campaign), descriptor);
        }
        ClusterRequest::DestroyReplica { range_id, next_replica_id } => {
            writer.u8(DESTROY_REPLICA).varint(range_id.0).varint(next_replica_id.0);
        }
        ClusterRequest::ChangeReplicas { range_id, generation, add, remove } => {
            writer.u8(CHANGE_REPLICAS).varint(range_id.0).varint(*generation);
            put_number(&mut writer, add.map(|node| node.0));
            put_number(&mut writer, remove.map(|node| node.0));
        }
        ClusterRequest::CreateLearner { descriptor } => {
            put_descriptor(writer.u8(CREATE_LEARNER), descriptor);
        }
        ClusterRequest::Progress { range_id, replica_id } => {
            writer.u8(PROGRESS).varint(range_id.0).varint(replica_id.0);
        }
        ClusterRequest::Collect { descriptor } => put_descriptor(writer.u8(COLLECT), descriptor),
        ClusterRequest::Describe { range_id } => {
            writer.u8(DESCRIBE).varint(range_id.0);
        }
        ClusterRequest::TransferLease { range_id, to } => {
            writer.u8(TRANSFER_LEASE).varint(range_id.0).varint(to.0);
        }
        ClusterRequest::CreateRange { span } => put_span(writer.u8(CREATE_RANGE), span),
        ClusterRequest::DropRanges { span } => put_span(writer.u8(DROP_RANGES), span),
        ClusterRequest::CreateRangeFenced { span, fence } => {
            put_span(writer.u8(CREATE_RANGE_FENCED), span);
            put_fence(&mut writer, fence);
        }
        ClusterRequest::DropRangesFenced { span, fence } => {
            put_span(writer.u8(DROP_RANGES_FENCED), span);
            put_fence(&mut writer, fence);
        }
        ClusterRequest::AwaitCatalog { version } => {
            writer.u8(AWAIT_CATALOG).varint(*version);
        }
        ClusterRequest::Status => {
            writer.u8(STATUS);
        }
        ClusterRequest::Time => {
            writer.u8(TIME);
        }
        ClusterRequest::RemoveNode { node } => {
            writer.u8(REMOVE_NODE).varint(node.0);
        }
        ClusterRequest::PublishRanges { descriptors } => {
            put_list(writer.u8(PUBLISH_RANGES), descriptors, put_descriptor);
        }
        ClusterRequest::SplitRange { range_id, at } => {
            writer.u8(SPLIT_RANGE).varint(range_id.0).bool(at.is_some());
            writer.bytes(at.as_ref().map_or(&[], |at| at.as_ref()));
        }
    }
    writer.finish()
}

/// Reads a request.
pub(super) fn decode_request(bytes: &[u8]) -> Result<ClusterRequest, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, CLUSTER_VERSION, "cluster request")?;
    let request = match reader.u8()? {
        REPORT => ClusterRequest::Report(take_report(&mut reader)?),
        CATALOG_CHANGED => ClusterRequest::CatalogChanged { version: reader.varint()? },
        CREATE_REPLICA => {
            let campaign = reader.bool()?;
            ClusterRequest::CreateReplica { descriptor: get_descriptor(&mut reader)?, campaign }
        }
        DESTROY_REPLICA => ClusterRequest::DestroyReplica {
            range_id: RangeId(reader.varint()?),
            next_replica_id: ReplicaId(reader.varint()?),
        },
        CHANGE_REPLICAS => ClusterRequest::ChangeReplicas {
            range_id: RangeId(reader.varint()?),
            generation: reader.varint()?,
            add: take_number(&mut reader)?.map(NodeId),
            remove: take_number(&mut reader)?.map(NodeId),
        },
        CREATE_LEARNER => ClusterRequest::CreateLearner { descriptor: get_descriptor(&mut reader)? },
        PROGRESS => ClusterRequest::Progress {
            range_id: RangeId(reader.varint()?),
            replica_id: ReplicaId(reader.varint()?),
        },
        DESCRIBE => ClusterRequest::Describe { range_id: RangeId(reader.varint()?) },
        COLLECT => ClusterRequest::Collect { descriptor: get_descriptor(&mut reader)? },
        TRANSFER_LEASE => ClusterRequest::TransferLease {
            range_id: RangeId(reader.varint()?),
            to: NodeId(reader.varint()?),
        },
        CREATE_RANGE => ClusterRequest::CreateRange { span: take_span(&mut reader)? },
        DROP_RANGES => ClusterRequest::DropRanges { span: take_span(&mut reader)? },
        CREATE_RANGE_FENCED => ClusterRequest::CreateRangeFenced {
            span: take_span(&mut reader)?,
            fence: take_fence(&mut reader)?,
        },
        DROP_RANGES_FENCED => ClusterRequest::DropRangesFenced {
            span: take_span(&mut reader)?,
            fence: take_fence(&mut reader)?,
        },
        AWAIT_CATALOG => ClusterRequest::AwaitCatalog { version: reader.varint()? },
        STATUS => ClusterRequest::Status,
        TIME => ClusterRequest::Time,
        REMOVE_NODE => ClusterRequest::RemoveNode { node: NodeId(reader.varint()?) },
        PUBLISH_RANGES => {
            ClusterRequest::PublishRanges { descriptors: take_list(&mut reader, get_descriptor)? }
        }
        SPLIT_RANGE => {
            let (range_id, is_given) = (RangeId(reader.varint()?), reader.bool()?);
            let at = Key::new(owned(reader.bytes()?));
            ClusterRequest::SplitRange { range_id, at: is_given.then_some(at) }
        }
        other => return Err(reader.invalid(u64::from(other))),
    };
    reader.finish()?;
    Ok(request)
}

fn put_fence(writer: &mut Writer, fence: &Fence) {
    writer.bytes(fence.key.as_ref()).bytes(&fence.prefix);
}

fn take_fence(reader: &mut Reader<'_>) -> Result<Fence, CodecError> {
    Ok(Fence { key: Key::new(owned(reader.bytes()?)), prefix: owned(reader.bytes()?) })
}

/// The bytes of an answer.
pub(super) fn encode_answer(answer: &ClusterAnswer) -> Vec<u8> {
    let mut writer = Writer::versioned(CLUSTER_VERSION);
    match answer {
        ClusterAnswer::Done => {
            writer.u8(DONE);
        }
        ClusterAnswer::Lease { until, required_version, system } => {
            writer.u8(LEASE).varint(*required_version);
            writer.bool(until.is_some()).timestamp(until.unwrap_or_default());
            put_maybe_descriptor(&mut writer, system.as_ref());
        }
        ClusterAnswer::Described(found) => put_maybe_descriptor(writer.u8(DESCRIBED), found.as_ref()),
        ClusterAnswer::Progress(progress) => put_progress(writer.u8(PROGRESS_ANSWER), *progress),
        ClusterAnswer::Catalog { version } => put_number(writer.u8(CATALOG), *version),
        ClusterAnswer::Status(status) => put_status(writer.u8(STATUS_ANSWER), status),
        ClusterAnswer::Published(verdicts) => {
            put_list(writer.u8(PUBLISHED), verdicts, put_verdict);
        }
        ClusterAnswer::Range(descriptor) => put_descriptor(writer.u8(RANGE), descriptor),
        ClusterAnswer::NotLeader { leader } => {
            put_number(writer.u8(NOT_LEADER), leader.map(|node| node.0));
        }
        ClusterAnswer::Unavailable(detail) => {
            writer.u8(UNAVAILABLE).text(detail);
        }
        ClusterAnswer::Refused(detail) => {
            writer.u8(REFUSED).text(detail);
        }
    }
    writer.finish()
}

/// Reads an answer.
pub(super) fn decode_answer(bytes: &[u8]) -> Result<ClusterAnswer, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, CLUSTER_VERSION, "cluster answer")?;
    let answer = match reader.u8()? {
        DONE => ClusterAnswer::Done,
        LEASE => {
            let required_version = reader.varint()?;
            let is_some = reader.bool()?;
            let until = reader.timestamp()?;
            let system = take_maybe_descriptor(&mut reader)?;
            ClusterAnswer::Lease { until: is_some.then_some(until), required_version, system }
        }
        DESCRIBED => ClusterAnswer::Described(take_maybe_descriptor(&mut reader)?),
        PROGRESS_ANSWER => ClusterAnswer::Progress(take_progress(&mut reader)?),
        CATALOG => ClusterAnswer::Catalog { version: take_number(&mut reader)? },
        STATUS_ANSWER => ClusterAnswer::Status(Box::new(take_status(&mut reader)?)),
        PUBLISHED => ClusterAnswer::Published(take_list(&mut reader, take_verdict)?),
        RANGE => ClusterAnswer::Range(Box::new(get_descriptor(&mut reader)?)),
        NOT_LEADER => ClusterAnswer::NotLeader { leader: take_number(&mut reader)?.map(NodeId) },
        UNAVAILABLE => ClusterAnswer::Unavailable(reader.text()?.to_owned()),
        REFUSED => ClusterAnswer::Refused(reader.text()?.to_owned()),
        other => return Err(reader.invalid(u64::from(other))),
    };
    reader.finish()?;
    Ok(answer)
}

fn put_verdict(writer: &mut Writer, verdict: &Verdict) {
    writer.u8(match verdict {
        Verdict::Stands => STANDS,
        Verdict::Waits => WAITS,
        Verdict::Gone => GONE,
    });
}

fn take_verdict(reader: &mut Reader<'_>) -> Result<Verdict, CodecError> {
    match reader.u8()? {
        STANDS => Ok(Verdict::Stands),
        WAITS => Ok(Verdict::Waits),
        GONE => Ok(Verdict::Gone),
        other => Err(reader.invalid(u64::from(other))),
    }
}

fn put_report(writer: &mut Writer, report: &NodeReport) {
    put_number(writer, report.catalog_version);
    writer.varint(report.disk_used_bytes).varint(report.disk_total_bytes).varint(report.system_generation);
    put_list(writer, &report.replicas, |writer, replica| {
        writer.varint(replica.range_id.0).varint(replica.replica_id.0).varint(replica.applied);
        writer.bool(replica.has_lease);
        put_number(writer, replica.leader.map(|node| node.0));
        put_text(writer.varint(replica.size_bytes), replica.complaint.as_deref());
        put_text(writer, replica.damage.as_deref());
    });
    put_list(writer, &report.changes, put_change);
    put_syncs(writer, report.syncs);
    put_list(writer, &report.peers, |writer, peer| {
        writer.varint(peer.node_id.0).varint(peer.silence_ms);
        put_number(writer, peer.clock_ahead_ms.map(zigzag));
    });
    put_text(writer, report.clock_doubt.as_deref());
    put_names(writer, &report.damaged_files);
}

fn put_maybe_descriptor(writer: &mut Writer, descriptor: Option<&RangeDescriptor>) {
    writer.bool(descriptor.is_some());
    if let Some(descriptor) = descriptor {
        put_descriptor(writer, descriptor);
    }
}

fn take_maybe_descriptor(reader: &mut Reader<'_>) -> Result<Option<RangeDescriptor>, CodecError> {
    if reader.bool()? { get_descriptor(reader).map(Some) } else { Ok(None) }
}

fn put_progress(writer: &mut Writer, progress: Option<ReplicaProgress>) {
    let ReplicaProgress { applied, bytes, bytes_expected } = progress.unwrap_or_default();
    writer.bool(progress.is_some()).varint(applied).varint(bytes).varint(bytes_expected);
}

fn take_progress(reader: &mut Reader<'_>) -> Result<Option<ReplicaProgress>, CodecError> {
    let is_some = reader.bool()?;
    let progress = ReplicaProgress {
        applied: reader.varint()?,
        bytes: reader.varint()?,
        bytes_expected: reader.varint()?,
    };
    Ok(is_some.then_some(progress))
}

fn take_report(reader: &mut Reader<'_>) -> Result<NodeReport, CodecError> {
    Ok(NodeReport {
        catalog_version: take_number(reader)?,
        disk_used_bytes: reader.varint()?,
        disk_total_bytes: reader.varint()?,
        system_generation: reader.varint()?,
        replicas: take_list(reader, |reader| {
            Ok(ReplicaReport {
                range_id: RangeId(reader.varint()?),
                replica_id: ReplicaId(reader.varint()?),
                applied: reader.varint()?,
                has_lease: reader.bool()?,
                leader: take_number(reader)?.map(NodeId),
                size_bytes: reader.varint()?,
                complaint: take_text(reader)?,
                damage: take_text(reader)?,
            })
        })?,
        changes: take_list(reader, take_change)?,
        syncs: take_syncs(reader)?,
        peers: take_list(reader, |reader| {
            Ok(PeerReport {
                node_id: NodeId(reader.varint()?),
                silence_ms: reader.varint()?,
                clock_ahead_ms: take_number(reader)?.map(unzigzag),
            })
        })?,
        clock_doubt: take_text(reader)?,
        damaged_files: take_names(reader)?,
    })
}

#[cfg(test)]
mod tests;
