//! SQL of one node: what its sessions share.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quorate_engine::kv::Database;

use crate::catalog::cache::CatalogCache;
use crate::cluster::Cluster;
use crate::error::{SqlError, SqlState};
use crate::session::{Session, SessionOptions};
use crate::storage::rowid::RowIds;

/// Name of the one database.
pub const DATABASE: &str = "quorate";
/// Names under which clients find it: tools that administer a server look for PostgreSQL's own.
const DATABASES: &[&str] = &[DATABASE, "postgres"];

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

    /// A session of one client.
    pub fn session(self: &Arc<Self>, options: SessionOptions) -> Session {
        Session::new(Arc::clone(self), options)
    }

    /// A session of a client that connects: to a database that exists, with settings that hold from the start and come
    /// back with RESET.
    ///
    /// # Errors
    /// 3D000 for another database; for settings as [`Session::set_at_connect`].
    pub fn connect(
        self: &Arc<Self>,
        options: SessionOptions,
        settings: &[(String, String)],
    ) -> Result<Session, SqlError> {
        if !DATABASES.contains(&options.database.as_str()) {
            let message = format!("database \"{}\" does not exist", options.database);
            return Err(SqlError::new(SqlState::UndefinedDatabase, message).with_hint(format!(
                "There is one database, \"{DATABASE}\"; say dbname={DATABASE}. Clients may call it {} too.",
                DATABASES.iter().skip(1).map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" or ")
            )));
        }
        let mut session = self.session(options);
        for (name, value) in settings {
            session.set_at_connect(name, value)?;
        }
        Ok(session)
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
