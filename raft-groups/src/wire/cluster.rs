//! What members of a cluster say to each other (`Service::Cluster`): [`ClusterRequest`] and [`ClusterAnswer`].

use bytes::Bytes;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Fence, Span};
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use super::pieces::{DescriptorForm, Nothing, SpanForm, own_key};
use super::report::ReportForm;
use super::status::StatusForm;
use super::{WireError, forms, must, read, read_all, read_maybe, write};
use crate::cluster::directory::publication::Verdict;
use crate::cluster::message::{ClusterAnswer, ClusterRequest};
use crate::local_ranges::ReplicaProgress;

const REQUEST: &str = "a cluster request";
const ANSWER: &str = "an answer to a cluster request";

/// The bytes of a request.
pub(crate) fn write_request(request: &ClusterRequest) -> Bytes {
    write(&RequestForm { request: Some(request.into()) })
}

/// Reads a request.
pub(crate) fn read_request(bytes: Bytes) -> Result<ClusterRequest, WireError> {
    must(REQUEST, "kind", read::<RequestForm>(REQUEST, bytes)?.request)?.try_into()
}

/// The bytes of an answer.
pub(crate) fn write_answer(answer: &ClusterAnswer) -> Bytes {
    write(&AnswerForm { answer: Some(answer.into()) })
}

/// Reads an answer.
pub(crate) fn read_answer(bytes: Bytes) -> Result<ClusterAnswer, WireError> {
    must(ANSWER, "kind", read::<AnswerForm>(ANSWER, bytes)?.answer)?.try_into()
}

#[derive(Clone, PartialEq, prost::Message)]
struct RequestForm {
    #[prost(oneof = "Asked", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20")]
    request: Option<Asked>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Asked {
    #[prost(message, tag = "1")]
    Report(ReportForm),
    #[prost(uint64, tag = "2")]
    CatalogChanged(u64),
    #[prost(message, tag = "3")]
    CreateReplica(CreateReplicaForm),
    #[prost(message, tag = "4")]
    DestroyReplica(DestroyReplicaForm),
    #[prost(message, tag = "5")]
    TransferLease(TransferLeaseForm),
    #[prost(message, tag = "6")]
    CreateRange(SpanForm),
    #[prost(message, tag = "7")]
    DropRanges(SpanForm),
    #[prost(uint64, tag = "8")]
    AwaitCatalog(u64),
    #[prost(message, tag = "9")]
    Status(Nothing),
    #[prost(message, tag = "10")]
    ChangeReplicas(ChangeReplicasForm),
    #[prost(message, tag = "11")]
    CreateLearner(DescriptorForm),
    #[prost(message, tag = "12")]
    Progress(ProgressOfForm),
    #[prost(message, tag = "13")]
    Collect(DescriptorForm),
    #[prost(uint64, tag = "14")]
    Describe(u64),
    #[prost(message, tag = "15")]
    PublishRanges(DescriptorsForm),
    #[prost(message, tag = "16")]
    SplitRange(SplitRangeForm),
    #[prost(message, tag = "17")]
    Time(Nothing),
    #[prost(uint64, tag = "18")]
    RemoveNode(u64),
    #[prost(message, tag = "19")]
    CreateRangeFenced(FencedForm),
    #[prost(message, tag = "20")]
    DropRangesFenced(FencedForm),
}

#[derive(Clone, PartialEq, prost::Message)]
struct FencedForm {
    #[prost(message, optional, tag = "1")]
    span: Option<SpanForm>,
    #[prost(bytes = "bytes", tag = "2")]
    fence_key: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    fence_prefix: Bytes,
}

impl FencedForm {
    fn new(span: &Span, fence: &Fence) -> Self {
        let (fence_key, fence_prefix) = (fence.key.bytes().clone(), fence.prefix.clone());
        Self { span: Some(span.into()), fence_key, fence_prefix }
    }

    fn take(self) -> Result<(Span, Fence), WireError> {
        let fence = Fence { key: own_key(&self.fence_key), prefix: self.fence_prefix };
        Ok((must(REQUEST, "span", self.span)?.into(), fence))
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct CreateReplicaForm {
    #[prost(message, optional, tag = "1")]
    descriptor: Option<DescriptorForm>,
    #[prost(bool, tag = "2")]
    campaign: bool,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct DestroyReplicaForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(uint64, tag = "2")]
    next_replica_id: u64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct TransferLeaseForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(uint64, tag = "2")]
    to: u64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct ChangeReplicasForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(uint64, tag = "2")]
    generation: u64,
    #[prost(uint64, optional, tag = "3")]
    add: Option<u64>,
    #[prost(uint64, optional, tag = "4")]
    remove: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct ProgressOfForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(uint64, tag = "2")]
    replica_id: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct DescriptorsForm {
    #[prost(message, repeated, tag = "1")]
    descriptors: Vec<DescriptorForm>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SplitRangeForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(bytes = "bytes", optional, tag = "2")]
    at: Option<Bytes>,
}

impl From<&ClusterRequest> for Asked {
    fn from(request: &ClusterRequest) -> Self {
        match request {
            ClusterRequest::Report(report) => Self::Report(report.into()),
            ClusterRequest::CatalogChanged { version } => Self::CatalogChanged(*version),
            ClusterRequest::CreateReplica { descriptor, campaign } => {
                Self::CreateReplica(CreateReplicaForm {
                    descriptor: Some(descriptor.into()),
                    campaign: *campaign,
                })
            }
            ClusterRequest::DestroyReplica { range_id, next_replica_id } => {
                let (range_id, next_replica_id) = (range_id.0, next_replica_id.0);
                Self::DestroyReplica(DestroyReplicaForm { range_id, next_replica_id })
            }
            ClusterRequest::ChangeReplicas { range_id, generation, add, remove } => {
                Self::ChangeReplicas(ChangeReplicasForm {
                    range_id: range_id.0,
                    generation: *generation,
                    add: add.map(|node| node.0),
                    remove: remove.map(|node| node.0),
                })
            }
            ClusterRequest::CreateLearner { descriptor } => Self::CreateLearner(descriptor.into()),
            ClusterRequest::Progress { range_id, replica_id } => {
                Self::Progress(ProgressOfForm { range_id: range_id.0, replica_id: replica_id.0 })
            }
            ClusterRequest::Collect { descriptor } => Self::Collect(descriptor.into()),
            ClusterRequest::Describe { range_id } => Self::Describe(range_id.0),
            ClusterRequest::TransferLease { range_id, to } => {
                Self::TransferLease(TransferLeaseForm { range_id: range_id.0, to: to.0 })
            }
            ClusterRequest::CreateRange { span } => Self::CreateRange(span.into()),
            ClusterRequest::DropRanges { span } => Self::DropRanges(span.into()),
            ClusterRequest::CreateRangeFenced { span, fence } => {
                Self::CreateRangeFenced(FencedForm::new(span, fence))
            }
            ClusterRequest::DropRangesFenced { span, fence } => {
                Self::DropRangesFenced(FencedForm::new(span, fence))
            }
            ClusterRequest::AwaitCatalog { version } => Self::AwaitCatalog(*version),
            ClusterRequest::Status => Self::Status(Nothing {}),
            ClusterRequest::PublishRanges { descriptors } => {
                Self::PublishRanges(DescriptorsForm { descriptors: forms(descriptors) })
            }
            ClusterRequest::SplitRange { range_id, at } => {
                let at = at.as_ref().map(|at| at.bytes().clone());
                Self::SplitRange(SplitRangeForm { range_id: range_id.0, at })
            }
            ClusterRequest::Time => Self::Time(Nothing {}),
            ClusterRequest::RemoveNode { node } => Self::RemoveNode(node.0),
        }
    }
}

impl TryFrom<Asked> for ClusterRequest {
    type Error = WireError;

    fn try_from(form: Asked) -> Result<Self, WireError> {
        Ok(match form {
            Asked::Report(report) => Self::Report(report.into()),
            Asked::CatalogChanged(version) => Self::CatalogChanged { version },
            Asked::CreateReplica(CreateReplicaForm { descriptor, campaign }) => Self::CreateReplica {
                descriptor: must(REQUEST, "descriptor", descriptor)?.try_into()?,
                campaign,
            },
            Asked::DestroyReplica(DestroyReplicaForm { range_id, next_replica_id }) => Self::DestroyReplica {
                range_id: RangeId(range_id),
                next_replica_id: ReplicaId(next_replica_id),
            },
            Asked::ChangeReplicas(ChangeReplicasForm { range_id, generation, add, remove }) => {
                Self::ChangeReplicas {
                    range_id: RangeId(range_id),
                    generation,
                    add: add.map(NodeId),
                    remove: remove.map(NodeId),
                }
            }
            Asked::CreateLearner(descriptor) => Self::CreateLearner { descriptor: descriptor.try_into()? },
            Asked::Progress(ProgressOfForm { range_id, replica_id }) => {
                Self::Progress { range_id: RangeId(range_id), replica_id: ReplicaId(replica_id) }
            }
            Asked::Collect(descriptor) => Self::Collect { descriptor: descriptor.try_into()? },
            Asked::Describe(range_id) => Self::Describe { range_id: RangeId(range_id) },
            Asked::TransferLease(TransferLeaseForm { range_id, to }) => {
                Self::TransferLease { range_id: RangeId(range_id), to: NodeId(to) }
            }
            Asked::CreateRange(span) => Self::CreateRange { span: span.into() },
            Asked::DropRanges(span) => Self::DropRanges { span: span.into() },
            Asked::CreateRangeFenced(form) => {
                let (span, fence) = form.take()?;
                Self::CreateRangeFenced { span, fence }
            }
            Asked::DropRangesFenced(form) => {
                let (span, fence) = form.take()?;
                Self::DropRangesFenced { span, fence }
            }
            Asked::AwaitCatalog(version) => Self::AwaitCatalog { version },
            Asked::Status(Nothing {}) => Self::Status,
            Asked::PublishRanges(DescriptorsForm { descriptors }) => {
                Self::PublishRanges { descriptors: read_all(descriptors)? }
            }
            Asked::SplitRange(SplitRangeForm { range_id, at }) => {
                Self::SplitRange { range_id: RangeId(range_id), at: at.as_ref().map(own_key) }
            }
            Asked::Time(Nothing {}) => Self::Time,
            Asked::RemoveNode(node) => Self::RemoveNode { node: NodeId(node) },
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct AnswerForm {
    #[prost(oneof = "Answered", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11")]
    answer: Option<Answered>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Answered {
    #[prost(message, tag = "1")]
    Done(Nothing),
    #[prost(message, tag = "2")]
    Lease(LeaseForm),
    #[prost(message, tag = "3")]
    Catalog(CatalogForm),
    #[prost(message, tag = "4")]
    Status(StatusForm),
    #[prost(message, tag = "5")]
    NotLeader(NotLeaderForm),
    #[prost(string, tag = "6")]
    Unavailable(String),
    #[prost(string, tag = "7")]
    Refused(String),
    #[prost(message, tag = "8")]
    Progress(ProgressForm),
    #[prost(message, tag = "9")]
    Described(DescribedForm),
    #[prost(message, tag = "10")]
    Published(PublishedForm),
    #[prost(message, tag = "11")]
    Range(DescriptorForm),
}

#[derive(Clone, PartialEq, prost::Message)]
struct LeaseForm {
    #[prost(fixed64, optional, tag = "1")]
    until: Option<u64>,
    #[prost(uint64, tag = "2")]
    required_version: u64,
    #[prost(message, optional, tag = "3")]
    system: Option<DescriptorForm>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct CatalogForm {
    #[prost(uint64, optional, tag = "1")]
    version: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct NotLeaderForm {
    #[prost(uint64, optional, tag = "1")]
    leader: Option<u64>,
}

/// Absent fields are of a replica that is not there.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct ProgressForm {
    #[prost(message, optional, tag = "1")]
    progress: Option<ReplicaProgressForm>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct ReplicaProgressForm {
    #[prost(uint64, tag = "1")]
    applied: u64,
    #[prost(uint64, tag = "2")]
    bytes: u64,
    #[prost(uint64, tag = "3")]
    bytes_expected: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct DescribedForm {
    #[prost(message, optional, tag = "1")]
    descriptor: Option<DescriptorForm>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PublishedForm {
    #[prost(enumeration = "VerdictForm", repeated, tag = "1")]
    verdicts: Vec<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum VerdictForm {
    Unknown = 0,
    Stands = 1,
    Waits = 2,
    Gone = 3,
}

impl From<&ClusterAnswer> for Answered {
    fn from(answer: &ClusterAnswer) -> Self {
        match answer {
            ClusterAnswer::Done => Self::Done(Nothing {}),
            ClusterAnswer::Lease { until, required_version, system } => Self::Lease(LeaseForm {
                until: until.map(Timestamp::raw),
                required_version: *required_version,
                system: system.as_ref().map(DescriptorForm::from),
            }),
            ClusterAnswer::Catalog { version } => Self::Catalog(CatalogForm { version: *version }),
            ClusterAnswer::Status(status) => Self::Status(status.as_ref().into()),
            ClusterAnswer::Progress(progress) => {
                let form = |progress: ReplicaProgress| {
                    let ReplicaProgress { applied, bytes, bytes_expected } = progress;
                    ReplicaProgressForm { applied, bytes, bytes_expected }
                };
                Self::Progress(ProgressForm { progress: progress.map(form) })
            }
            ClusterAnswer::Described(found) => {
                Self::Described(DescribedForm { descriptor: found.as_ref().map(DescriptorForm::from) })
            }
            ClusterAnswer::Published(verdicts) => {
                let verdicts = verdicts.iter().map(|verdict| VerdictForm::from(*verdict).into()).collect();
                Self::Published(PublishedForm { verdicts })
            }
            ClusterAnswer::Range(descriptor) => Self::Range(descriptor.as_ref().into()),
            ClusterAnswer::NotLeader { leader } => {
                Self::NotLeader(NotLeaderForm { leader: leader.map(|node| node.0) })
            }
            ClusterAnswer::Unavailable(detail) => Self::Unavailable(detail.clone()),
            ClusterAnswer::Refused(detail) => Self::Refused(detail.clone()),
        }
    }
}

impl TryFrom<Answered> for ClusterAnswer {
    type Error = WireError;

    fn try_from(form: Answered) -> Result<Self, WireError> {
        Ok(match form {
            Answered::Done(Nothing {}) => Self::Done,
            Answered::Lease(LeaseForm { until, required_version, system }) => Self::Lease {
                until: until.map(Timestamp::from_raw),
                required_version,
                system: read_maybe(system)?,
            },
            Answered::Catalog(CatalogForm { version }) => Self::Catalog { version },
            Answered::Status(status) => Self::Status(Box::new(status.try_into()?)),
            Answered::NotLeader(NotLeaderForm { leader }) => Self::NotLeader { leader: leader.map(NodeId) },
            Answered::Unavailable(detail) => Self::Unavailable(detail),
            Answered::Refused(detail) => Self::Refused(detail),
            Answered::Progress(ProgressForm { progress }) => Self::Progress(progress.map(|form| {
                let ReplicaProgressForm { applied, bytes, bytes_expected } = form;
                ReplicaProgress { applied, bytes, bytes_expected }
            })),
            Answered::Described(DescribedForm { descriptor }) => Self::Described(read_maybe(descriptor)?),
            Answered::Published(PublishedForm { verdicts }) => {
                Self::Published(verdicts.into_iter().map(verdict_of).collect::<Result<_, _>>()?)
            }
            Answered::Range(descriptor) => Self::Range(Box::new(descriptor.try_into()?)),
        })
    }
}

impl From<Verdict> for VerdictForm {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Stands => Self::Stands,
            Verdict::Waits => Self::Waits,
            Verdict::Gone => Self::Gone,
        }
    }
}

fn verdict_of(code: i32) -> Result<Verdict, WireError> {
    match VerdictForm::try_from(code) {
        Ok(VerdictForm::Stands) => Ok(Verdict::Stands),
        Ok(VerdictForm::Waits) => Ok(Verdict::Waits),
        Ok(VerdictForm::Gone) => Ok(Verdict::Gone),
        Ok(VerdictForm::Unknown) | Err(_) => Err(WireError::Missing { message: ANSWER, field: "verdict" }),
    }
}
