//! Who somebody is: greetings, registered nodes, and a node's place in its cluster.

use bytes::Bytes;
use quorate_engine::hlc::Timestamp;
use quorate_placement::topology::{NodeId, StoreId};

use super::pieces::{DescriptorForm, Uuid, VersionsForm, versions_of};
use super::{WireError, forms, must, read, read_all, write};
use crate::cluster::hello::Hello;
use crate::cluster::local_state::Membership;
use crate::cluster::node_format::NodeRecord;
use crate::versions::Versions;

const GREETING: &str = "a greeting";
const NODE: &str = "a node's record";
const MEMBERSHIP: &str = "a membership";

/// The bytes of a greeting.
pub(crate) fn write_hello(hello: &Hello) -> Bytes {
    write(&HelloForm::from(hello))
}

/// Reads a greeting.
pub(crate) fn read_hello(bytes: Bytes) -> Result<Hello, WireError> {
    read::<HelloForm>(GREETING, bytes)?.try_into()
}

/// A [`Hello`].
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct HelloForm {
    #[prost(message, optional, tag = "1")]
    cluster_id: Option<Uuid>,
    #[prost(uint64, tag = "2")]
    node_id: u64,
    #[prost(fixed64, tag = "3")]
    store_id: u64,
    #[prost(uint64, tag = "4")]
    incarnation: u64,
    #[prost(fixed64, tag = "5")]
    mark: u64,
    #[prost(uint64, tag = "6")]
    opened: u64,
    #[prost(string, tag = "7")]
    address: String,
    #[prost(message, optional, tag = "8")]
    protocols: Option<VersionsForm>,
}

impl From<&Hello> for HelloForm {
    fn from(hello: &Hello) -> Self {
        Self {
            cluster_id: Some(hello.cluster_id.into()),
            node_id: hello.node_id.0,
            store_id: hello.store_id.0,
            incarnation: hello.incarnation,
            mark: hello.mark,
            opened: hello.opened,
            address: hello.address.clone(),
            protocols: Some(hello.protocols.into()),
        }
    }
}

impl TryFrom<HelloForm> for Hello {
    type Error = WireError;

    fn try_from(form: HelloForm) -> Result<Self, WireError> {
        Ok(Self {
            cluster_id: must(GREETING, "cluster", form.cluster_id)?.into(),
            node_id: NodeId(form.node_id),
            store_id: StoreId(form.store_id),
            incarnation: form.incarnation,
            mark: form.mark,
            opened: form.opened,
            address: form.address,
            protocols: versions_of(form.protocols),
        })
    }
}

/// A [`NodeRecord`].
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct NodeForm {
    #[prost(uint64, tag = "1")]
    node_id: u64,
    #[prost(fixed64, tag = "2")]
    store_id: u64,
    #[prost(string, tag = "3")]
    address: String,
    #[prost(string, tag = "4")]
    sql_address: String,
    #[prost(string, tag = "5")]
    http_address: String,
    #[prost(string, tag = "6")]
    locality: String,
    #[prost(uint64, tag = "7")]
    incarnation: u64,
    #[prost(fixed64, tag = "8")]
    started: u64,
    #[prost(message, optional, tag = "9")]
    protocols: Option<VersionsForm>,
    #[prost(message, optional, tag = "10")]
    cluster_versions: Option<VersionsForm>,
}

impl From<&NodeRecord> for NodeForm {
    fn from(record: &NodeRecord) -> Self {
        Self {
            node_id: record.node_id.0,
            store_id: record.store_id.0,
            address: record.address.clone(),
            sql_address: record.sql_address.clone(),
            http_address: record.http_address.clone(),
            locality: record.locality.to_string(),
            incarnation: record.incarnation,
            started: record.started.raw(),
            protocols: Some(record.versions.protocols.into()),
            cluster_versions: Some(record.versions.cluster.into()),
        }
    }
}

impl TryFrom<NodeForm> for NodeRecord {
    type Error = WireError;

    fn try_from(form: NodeForm) -> Result<Self, WireError> {
        let (message, field, value) = (NODE, "locality", form.locality.len() as u64);
        let locality = form.locality.parse().map_err(|_| WireError::Invalid { message, field, value })?;
        Ok(Self {
            node_id: NodeId(form.node_id),
            store_id: StoreId(form.store_id),
            address: form.address,
            sql_address: form.sql_address,
            http_address: form.http_address,
            locality,
            incarnation: form.incarnation,
            started: Timestamp::from_raw(form.started),
            versions: Versions {
                protocols: versions_of(form.protocols),
                cluster: versions_of(form.cluster_versions),
            },
        })
    }
}

/// A [`Membership`].
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MembershipForm {
    #[prost(message, optional, tag = "1")]
    cluster_id: Option<Uuid>,
    #[prost(uint64, tag = "2")]
    node_id: u64,
    #[prost(uint64, tag = "3")]
    founders: u64,
    #[prost(message, optional, tag = "4")]
    system: Option<DescriptorForm>,
    #[prost(message, repeated, tag = "5")]
    nodes: Vec<NodeForm>,
    #[prost(uint32, tag = "6")]
    cluster_version: u32,
}

impl From<&Membership> for MembershipForm {
    fn from(membership: &Membership) -> Self {
        Self {
            cluster_id: Some(membership.cluster_id.into()),
            node_id: membership.node_id.0,
            founders: membership.founders,
            system: Some((&membership.system).into()),
            nodes: forms(&membership.nodes),
            cluster_version: membership.cluster_version,
        }
    }
}

impl TryFrom<MembershipForm> for Membership {
    type Error = WireError;

    fn try_from(form: MembershipForm) -> Result<Self, WireError> {
        Ok(Self {
            cluster_id: must(MEMBERSHIP, "cluster", form.cluster_id)?.into(),
            node_id: NodeId(form.node_id),
            founders: form.founders,
            system: must(MEMBERSHIP, "descriptor of range 1", form.system)?.try_into()?,
            nodes: read_all(form.nodes)?,
            cluster_version: form.cluster_version,
        })
    }
}
