//! Pieces that many messages are made of: spans, descriptors, ids, versions.

use bytes::Bytes;
use quorate_engine::kv::{Key, Span};
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use super::{WireError, forms, must, read_all};
use crate::descriptor::{RangeDescriptor, ReplicaDescriptor, ReplicaRole};
use crate::versions::VersionRange;

/// A message without fields.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Nothing {}

/// Sixteen bytes of an id.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Uuid {
    #[prost(fixed64, tag = "1")]
    high: u64,
    #[prost(fixed64, tag = "2")]
    low: u64,
}

impl From<uuid::Uuid> for Uuid {
    fn from(id: uuid::Uuid) -> Self {
        let (high, low) = id.as_u64_pair();
        Self { high, low }
    }
}

impl From<Uuid> for uuid::Uuid {
    fn from(form: Uuid) -> Self {
        Self::from_u64_pair(form.high, form.low)
    }
}

/// A span of keys.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SpanForm {
    #[prost(bytes = "bytes", tag = "1")]
    start: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    end: Bytes,
}

impl From<&Span> for SpanForm {
    fn from(span: &Span) -> Self {
        Self { start: span.start.bytes().clone(), end: span.end.bytes().clone() }
    }
}

impl From<SpanForm> for Span {
    fn from(form: SpanForm) -> Self {
        Self::new(own_key(&form.start), own_key(&form.end))
    }
}

/// A key in an allocation of its own.
pub(crate) fn own_key(bytes: &Bytes) -> Key {
    Key::from(bytes.as_ref())
}

/// What spans mean.
pub(crate) fn spans_of(forms: Vec<SpanForm>) -> Vec<Span> {
    forms.into_iter().map(Span::from).collect()
}

/// Numbers of nodes.
pub(crate) fn nodes_of(numbers: Vec<u64>) -> Vec<NodeId> {
    numbers.into_iter().map(NodeId).collect()
}

/// A range's descriptor.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DescriptorForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(message, optional, tag = "2")]
    span: Option<SpanForm>,
    #[prost(message, repeated, tag = "3")]
    replicas: Vec<ReplicaForm>,
    #[prost(uint64, tag = "4")]
    next_replica_id: u64,
    #[prost(uint64, tag = "5")]
    generation: u64,
}

/// A replica in a descriptor.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct ReplicaForm {
    #[prost(uint64, tag = "1")]
    replica_id: u64,
    #[prost(uint64, tag = "2")]
    node_id: u64,
    #[prost(enumeration = "RoleForm", tag = "3")]
    role: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum RoleForm {
    Unknown = 0,
    Voter = 1,
    Learner = 2,
}

const DESCRIPTOR: &str = "a range's descriptor";

impl From<&RangeDescriptor> for DescriptorForm {
    fn from(descriptor: &RangeDescriptor) -> Self {
        Self {
            range_id: descriptor.range_id.0,
            span: Some((&descriptor.span).into()),
            replicas: forms(&descriptor.replicas),
            next_replica_id: descriptor.next_replica_id.0,
            generation: descriptor.generation,
        }
    }
}

impl TryFrom<DescriptorForm> for RangeDescriptor {
    type Error = WireError;

    fn try_from(form: DescriptorForm) -> Result<Self, WireError> {
        Ok(Self {
            range_id: RangeId(form.range_id),
            span: must(DESCRIPTOR, "span", form.span)?.into(),
            replicas: read_all(form.replicas)?,
            next_replica_id: ReplicaId(form.next_replica_id),
            generation: form.generation,
        })
    }
}

impl From<&ReplicaDescriptor> for ReplicaForm {
    fn from(replica: &ReplicaDescriptor) -> Self {
        let role = match replica.role {
            ReplicaRole::Voter => RoleForm::Voter,
            ReplicaRole::Learner => RoleForm::Learner,
        };
        Self { replica_id: replica.replica_id.0, node_id: replica.node_id.0, role: role.into() }
    }
}

impl TryFrom<ReplicaForm> for ReplicaDescriptor {
    type Error = WireError;

    fn try_from(form: ReplicaForm) -> Result<Self, WireError> {
        let role = match form.role() {
            RoleForm::Voter => ReplicaRole::Voter,
            RoleForm::Learner => ReplicaRole::Learner,
            RoleForm::Unknown => return Err(WireError::Missing { message: DESCRIPTOR, field: "role" }),
        };
        Ok(Self { replica_id: ReplicaId(form.replica_id), node_id: NodeId(form.node_id), role })
    }
}

/// A range of versions.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct VersionsForm {
    #[prost(uint32, tag = "1")]
    oldest: u32,
    #[prost(uint32, tag = "2")]
    newest: u32,
}

impl From<VersionRange> for VersionsForm {
    fn from(range: VersionRange) -> Self {
        Self { oldest: range.oldest, newest: range.newest }
    }
}

/// What a node says of its versions; nothing, where it says nothing.
pub(crate) fn versions_of(form: Option<VersionsForm>) -> VersionRange {
    form.map_or(VersionRange::NONE, |form| VersionRange { oldest: form.oldest, newest: form.newest })
}
