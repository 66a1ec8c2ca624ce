//! What SQL needs of the cluster beyond keys and values: the [`Cluster`] trait, which `server` implements and
//! `testing::LocalCluster` fakes on one store.

use async_trait::async_trait;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Fence, Span};

use crate::error::SqlError;

/// A row of `SHOW RANGES`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeInfo {
    /// The range.
    pub range_id: u64,
    /// Its keys.
    pub span: Span,
    /// Estimate of its bytes on the leader's disk.
    pub size_bytes: u64,
    /// Node of the leaseholder; `None` while there is none.
    pub leader_node: Option<u64>,
    /// Zone of that node.
    pub leader_zone: Option<String>,
    /// Nodes that hold a replica, ascending.
    pub replicas: Vec<u64>,
}

/// A row of `SHOW CLUSTER SETTINGS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingInfo {
    /// Name.
    pub name: String,
    /// Value in force.
    pub value: String,
    /// Value of a new cluster.
    pub default: String,
    /// What it does, with its unit.
    pub description: String,
}

/// The cluster, as SQL sees it.
#[async_trait]
pub trait Cluster: Send + Sync + 'static {
    /// Makes a range of its own for a fresh table's keys and waits until it serves. Repeating it does nothing; nor does a call
    /// whose fence does not hold, at the moment at which the range would come to be.
    ///
    /// # Errors
    /// The range cannot be made, or not now; the fence does not hold.
    async fn create_table_range(&self, span: Span, fence: Fence) -> Result<(), SqlError>;

    /// Removes the ranges of a dropped table with all their data, under the same condition.
    ///
    /// # Errors
    /// As [`Cluster::create_table_range`].
    async fn drop_table_ranges(&self, span: Span, fence: Fence) -> Result<(), SqlError>;

    /// Returns when every live node knows the catalog as of `upto` or later, or its catalog lease has run out.
    async fn await_catalog(&self, upto: Timestamp) -> Result<(), SqlError>;

    /// Until when this node may rely on its cached catalog of this `version`; a commit must lie below it.
    ///
    /// # Errors
    /// The lease has run out: the node serves no SQL (57P03, names what it waits for).
    fn catalog_lease(&self) -> Result<Timestamp, SqlError>;

    /// Ranges that overlap `span`, by start key.
    async fn ranges(&self, span: Span) -> Result<Vec<RangeInfo>, SqlError>;

    /// All settings by name.
    async fn settings(&self) -> Result<Vec<SettingInfo>, SqlError>;

    /// `SET CLUSTER SETTING`; checks name and value.
    async fn set_setting(&self, name: &str, value: &str) -> Result<(), SqlError>;

    /// The newest generation of types and functions, from 1, that all nodes can read: what is stored or sent has none of a newer
    /// one. It only rises.
    fn generation(&self) -> u8;

    /// This node's id.
    fn node_id(&self) -> u64;

    /// Which of the node's starts this is: a number that only rises.
    fn incarnation(&self) -> u64;

    /// A job has come to this point. Tests end or hold a process there; else it is nothing.
    async fn reach(&self, _point: &'static str) {}
}
