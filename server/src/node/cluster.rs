//! Translates between SQL and the cluster: [`SqlCluster`] answers what SQL asks, [`CatalogRefresher`] tells SQL when the
//! catalog has changed.

use std::sync::Arc;

use async_trait::async_trait;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Fence, Span};
use quorate_raft_groups::cluster::catalog::CatalogListener;
use quorate_raft_groups::cluster::error::ClusterError;
use quorate_raft_groups::cluster::member::Member;
use quorate_raft_groups::cluster::version::Feature;
use quorate_raft_groups::safeguard::{self, Safeguard};
use quorate_sql::cluster::{Cluster, RangeInfo, SettingInfo};
use quorate_sql::error::{SqlError, SqlState};
use quorate_sql::kv_error;
use quorate_sql::node::SqlNode;

/// The cluster, as SQL sees it.
pub struct SqlCluster {
    member: Arc<Member>,
}

impl SqlCluster {
    /// Through this member.
    pub fn new(member: Arc<Member>) -> Self {
        Self { member }
    }
}

#[async_trait]
impl Cluster for SqlCluster {
    async fn create_table_range(&self, span: Span, fence: Fence) -> Result<(), SqlError> {
        self.member.create_fenced_range(span, fence).await.map_err(sql_error)
    }

    async fn drop_table_ranges(&self, span: Span, fence: Fence) -> Result<(), SqlError> {
        self.member.drop_fenced_ranges(span, fence).await.map_err(sql_error)
    }

    async fn await_catalog(&self, upto: Timestamp) -> Result<(), SqlError> {
        if !safeguard::holds(Safeguard::CatalogSettled) {
            return Ok(());
        }
        self.member.await_catalog(upto.raw()).await.map_err(sql_error)
    }

    fn catalog_lease(&self) -> Result<Timestamp, SqlError> {
        self.member.catalog_lease().map_err(sql_error)
    }

    async fn ranges(&self, span: Span) -> Result<Vec<RangeInfo>, SqlError> {
        let ranges = self.member.ranges(span).await.map_err(sql_error)?;
        Ok(ranges
            .into_iter()
            .map(|range| RangeInfo {
                range_id: range.descriptor.range_id.0,
                replicas: range.descriptor.nodes().into_iter().map(|node| node.0).collect(),
                span: range.descriptor.span,
                size_bytes: range.size_bytes,
                leader_node: range.leader.map(|node| node.0),
                leader_zone: range.leader_zone,
            })
            .collect())
    }

    async fn settings(&self) -> Result<Vec<SettingInfo>, SqlError> {
        Ok(self
            .member
            .settings()
            .into_iter()
            .map(|row| SettingInfo {
                name: row.setting.name.to_owned(),
                value: row.value,
                default: row.setting.default.to_owned(),
                description: row.setting.description.to_owned(),
            })
            .collect())
    }

    async fn set_setting(&self, name: &str, value: &str) -> Result<(), SqlError> {
        self.member.set_setting(name, value).await.map_err(sql_error)
    }

    fn generation(&self) -> u8 {
        if self.member.cluster_version().allows(Feature::SqlGeneration3) { 3 } else { 2 }
    }

    fn node_id(&self) -> u64 {
        self.member.node_id().0
    }

    fn incarnation(&self) -> u64 {
        self.member.incarnation()
    }

    async fn reach(&self, point: &'static str) {
        safeguard::reach(point);
    }
}

/// The SQLSTATE of each kind of failure.
fn sql_error(error: ClusterError) -> SqlError {
    let state = match error {
        ClusterError::Kv(error) => return kv_error::sql_error(error, None),
        ClusterError::Uninitialised(_)
        | ClusterError::CatalogLease(_)
        | ClusterError::Clock(_)
        | ClusterError::NotBelieved(_) => SqlState::CannotConnectNow,
        ClusterError::Unavailable(_) => SqlState::SystemError,
        ClusterError::Setting(_) => SqlState::InvalidParameterValue,
        ClusterError::Exists(_) | ClusterError::Refused(_) | ClusterError::Identity(_) => {
            SqlState::SystemError
        }
        ClusterError::Store(_) => SqlState::IoError,
    };
    SqlError::new(state, error.to_string())
}

/// Reads SQL's catalog anew when the cluster says so.
pub struct CatalogRefresher {
    sql: Arc<SqlNode>,
}

impl CatalogRefresher {
    /// For the SQL of this node.
    pub fn new(sql: Arc<SqlNode>) -> Self {
        Self { sql }
    }
}

#[async_trait]
impl CatalogListener for CatalogRefresher {
    async fn refresh(&self) -> Result<u64, String> {
        let confirmed = if safeguard::holds(Safeguard::CommitsSettled) {
            self.sql.confirm_catalog().await
        } else {
            self.sql.refresh_catalog().await
        };
        confirmed.map(Timestamp::raw).map_err(|error| match &error.detail {
            Some(detail) => format!("{error}: {detail}"),
            None => error.to_string(),
        })
    }
}
