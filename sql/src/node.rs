//! SQL of one node: what its sessions share.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::Database;

use crate::catalog::cache::CatalogCache;
use crate::catalog::commits::{self, CommitsUnderWay};
use crate::cluster::Cluster;
use crate::ddl::held::JobsHeld;
use crate::ddl::id_block::IdBlock;
use crate::ddl::timing::JobTiming;
use crate::error::SqlError;
use crate::sequences::blocks::Blocks;
use crate::storage::rowid::RowIds;

/// Name of the one database.
pub const DATABASE: &str = "quorate";

/// Time, as SQL needs it: for `now()`, row ids, timeouts and waits between attempts.
#[async_trait]
pub trait SqlClock: Send + Sync + 'static {
    /// Microseconds since 1970, by the wall clock.
    fn now_micros(&self) -> u64;

    /// Returns after this time.
    async fn sleep(&self, duration: Duration);
}

/// One per node, shared by its sessions.
pub struct SqlNode {
    pub(crate) database: Arc<dyn Database>,
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) clock: Arc<dyn SqlClock>,
    pub(crate) catalog: CatalogCache,
    pub(crate) commits: Arc<CommitsUnderWay>,
    pub(crate) row_ids: RowIds,
    /// Jobs that are driven here.
    pub(crate) jobs: Arc<JobsHeld>,
    pub(crate) job_timing: JobTiming,
    pub(crate) table_ids: tokio::sync::Mutex<IdBlock>,
    pub(crate) job_ids: tokio::sync::Mutex<IdBlock>,
    /// Values of sequences that this node may give out.
    pub(crate) sequence_blocks: Blocks,
}

impl SqlNode {
    /// SQL over this database. The catalog is empty until [`SqlNode::refresh_catalog`] was called.
    pub fn new(
        database: Arc<dyn Database>,
        cluster: Arc<dyn Cluster>,
        clock: Arc<dyn SqlClock>,
    ) -> Arc<Self> {
        Self::with_job_timing(database, cluster, clock, JobTiming::default())
    }

    /// The same, where drivers of jobs give signs and are missed at other times than usual.
    pub fn with_job_timing(
        database: Arc<dyn Database>,
        cluster: Arc<dyn Cluster>,
        clock: Arc<dyn SqlClock>,
        job_timing: JobTiming,
    ) -> Arc<Self> {
        let row_ids = RowIds::new(cluster.node_id());
        let (catalog, commits, jobs, table_ids, job_ids, sequence_blocks) = Default::default();
        Arc::new(Self {
            database,
            cluster,
            clock,
            catalog,
            commits,
            row_ids,
            jobs,
            job_timing,
            table_ids,
            job_ids,
            sequence_blocks,
        })
    }

    /// Reads what has changed in the catalog; returns the moment as of which it is known now.
    ///
    /// # Errors
    /// Range 1 cannot be read.
    pub async fn refresh_catalog(&self) -> Result<Timestamp, SqlError> {
        self.catalog.refresh(self.database.as_ref()).await
    }

    /// As [`SqlNode::refresh_catalog`]; when it returns, nothing that this node has sent can be committed by an older catalog.
    ///
    /// # Errors
    /// As [`SqlNode::refresh_catalog`].
    pub async fn confirm_catalog(&self) -> Result<Timestamp, SqlError> {
        let as_of = self.refresh_catalog().await?;
        let version = self.catalog.version();
        if self.commits.is_settled(version) {
            return Ok(as_of);
        }
        let mark = self.commits.mark();
        let mut now = as_of;
        while !self.commits.are_over(mark, now) {
            tokio::select! {
                () = self.commits.ended() => {}
                // What is read by then may be newer than what is confirmed.
                () = self.clock.sleep(commits::LOOK_PAUSE) => now = self.refresh_catalog().await?,
            }
        }
        self.commits.settle(version);
        Ok(as_of)
    }
}
