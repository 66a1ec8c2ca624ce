//! SQL of one node: what its sessions share.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quorate_engine::kv::Database;

use crate::catalog::cache::CatalogCache;
use crate::cluster::Cluster;
use crate::error::SqlError;
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
    pub(crate) row_ids: RowIds,
    /// Held by whoever changes the catalog, so that the sessions of a node do not conflict with each other.
    pub(crate) catalog_turn: tokio::sync::Mutex<()>,
}

impl SqlNode {
    /// SQL over this database. The catalog is empty until [`SqlNode::refresh_catalog`] was called.
    pub fn new(
        database: Arc<dyn Database>,
        cluster: Arc<dyn Cluster>,
        clock: Arc<dyn SqlClock>,
    ) -> Arc<Self> {
        let row_ids = RowIds::new(cluster.node_id());
        let (catalog, catalog_turn) = (CatalogCache::default(), tokio::sync::Mutex::new(()));
        Arc::new(Self { database, cluster, clock, catalog, row_ids, catalog_turn })
    }

    /// Reads all descriptors as of now and replaces the cache; returns the catalog's version.
    ///
    /// # Errors
    /// Range 1 cannot be read.
    pub async fn refresh_catalog(&self) -> Result<u64, SqlError> {
        self.catalog.refresh(self.database.as_ref()).await
    }

    /// Version of the cached catalog; 0 before the first refresh.
    pub fn catalog_version(&self) -> u64 {
        self.catalog.snapshot().version
    }
}
