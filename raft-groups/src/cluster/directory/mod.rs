//! What range 1 knows of the cluster, read and changed by ordinary transactions: the **directory** of ranges, the rows of
//! the nodes, the settings, the cluster's version, the log of placements.
//!
//! Any node may do any of this. Who decides what is written stands above: the leader's work and the agent. A change that
//! lost against another one is made again ([`attempts`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quorate_engine::clock::HybridClock;
use quorate_engine::kv::{Database, KvError, Span, TransactionOptions, Write, keyspace};

use super::admin_format::removed_of_key;
use super::error::ClusterError;
use super::local_state::LocalState;
use super::node_format::decode_node;
use super::registry::Registry;
use super::settings::{NODE_DEAD_AFTER, Settings, name_of_key};
use super::version::ClusterVersion;
use crate::blocking::Blocking;
use crate::client::router::{Router, SYSTEM_RANGE};
use crate::client::txn::DistributedDatabase;
use crate::descriptor::RangeDescriptor;
use crate::local_ranges::LocalRanges;

pub(super) mod attempts;
pub(super) mod nodes;
mod placement_log;
pub(crate) mod publication;
pub(super) mod ranges;
pub(super) mod rows;
mod settings;
mod token;
mod versions;
mod watched;

use attempts::DirectoryAttempts;
use watched::{ListedRanges, Look, WatchedDirectory};

/// What a directory is made of.
pub(super) struct DirectoryConfig {
    /// All ranges together, range 1 among them.
    pub database: DistributedDatabase,
    /// The copy of the nodes' rows.
    pub registry: Arc<Registry>,
    /// Are told of settings that changed.
    pub ranges: Arc<dyn LocalRanges>,
    pub clock: Arc<HybridClock>,
    /// Where the registry is remembered.
    pub local: Arc<LocalState>,
    pub blocking: Blocking,
    /// Nodes that created the cluster: they have the first ids.
    pub founders: u64,
    /// The cluster's version as last seen.
    pub cluster_version: u32,
}

/// Range 1's rows about the cluster, as seen from one node.
pub(super) struct Directory {
    database: DistributedDatabase,
    pub registry: Arc<Registry>,
    ranges: Arc<dyn LocalRanges>,
    clock: Arc<HybridClock>,
    local: Arc<LocalState>,
    blocking: Blocking,
    founders: u64,
    pub settings: Settings,
    pub version: ClusterVersion,
    /// Rows of the placement log that this node wrote since it trimmed it.
    placement_rows: AtomicU64,
    watched: WatchedDirectory,
    /// Rows of the directory that this node has read, but for those that its own changes read again.
    rows_read: AtomicU64,
}

impl Directory {
    /// The directory; nothing was read yet.
    pub fn new(config: DirectoryConfig) -> Self {
        let directory = Self {
            database: config.database,
            registry: config.registry,
            ranges: config.ranges,
            clock: config.clock,
            local: config.local,
            blocking: config.blocking,
            founders: config.founders,
            settings: Settings::default(),
            version: ClusterVersion::new(config.cluster_version),
            placement_rows: AtomicU64::new(0),
            watched: WatchedDirectory::default(),
            rows_read: AtomicU64::new(0),
        };
        directory.take_version(config.cluster_version);
        directory
    }

    /// The database that all ranges are together.
    pub fn database(&self) -> &DistributedDatabase {
        &self.database
    }

    fn router(&self) -> &Arc<Router> {
        self.database.router()
    }

    /// How long a node may be silent before it counts as dead.
    pub fn node_dead_after(&self) -> Duration {
        Duration::from_millis(self.settings.number(NODE_DEAD_AFTER).unwrap_or(u64::MAX))
    }

    /// Range 1 and the rows of the directory that overlap a span, by start key, read as of now.
    ///
    /// # Errors
    /// Range 1 cannot be read, or holds bytes that cannot.
    pub async fn read(&self, span: &Span) -> Result<Vec<RangeDescriptor>, KvError> {
        let system = self.router().system_range();
        let attempt = || async {
            let mut transaction = self.database.begin(TransactionOptions::reading()).await?;
            rows::read_directory(transaction.as_mut(), span).await
        };
        let rows = DirectoryAttempts::default().run(attempt).await?;
        self.rows_read.fetch_add(rows.len() as u64, Ordering::Relaxed);
        let system = system.span.overlaps(span).then(|| system.as_ref().clone());
        Ok(system.into_iter().chain(rows).collect())
    }

    /// The rows of all ranges of tables, by start key, as of a moment after this was called: for whoever looks again and
    /// again. Only what has changed since the last look of this node is read.
    ///
    /// # Errors
    /// As [`Directory::read`].
    pub async fn look(&self) -> Result<ListedRanges, KvError> {
        let term = self.ranges.status(SYSTEM_RANGE).map(|status| status.term);
        let Look { ranges, rows_read } = self.watched.look(&self.database, term).await?;
        self.rows_read.fetch_add(rows_read, Ordering::Relaxed);
        Ok(ranges)
    }

    /// Rows of the directory that this node has read since it started, but for those that its own changes read again.
    #[cfg(test)]
    pub fn rows_read(&self) -> u64 {
        self.rows_read.load(Ordering::Relaxed)
    }

    /// Reads the registry and the settings, and remembers the registry in the store.
    ///
    /// # Errors
    /// Range 1 cannot be read, or the store not be written; what was known stays.
    pub async fn refresh(&self) -> Result<(), ClusterError> {
        self.refresh_nodes().await?;
        let rows = rows::read_part(&self.database, keyspace::SYSTEM_SETTINGS).await?;
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).ok();
        let values =
            rows.iter().filter_map(|(key, value)| Some((name_of_key(key)?.to_owned(), text(value)?)));
        self.settings.replace(values.collect());
        self.apply_settings();
        if let Some(mut membership) = self.local.membership() {
            membership.nodes = self.registry.all();
            membership.cluster_version = self.version.get();
            membership.system = self.router().system_range().as_ref().clone();
            self.local.save(membership, &self.blocking).await?;
        }
        Ok(())
    }

    async fn refresh_nodes(&self) -> Result<(), ClusterError> {
        let rows = rows::read_part(&self.database, keyspace::SYSTEM_NODES).await?;
        let records: Result<Vec<_>, _> = rows
            .iter()
            .map(|(key, value)| decode_node(value).map_err(|error| rows::damaged(key, &error)))
            .collect();
        let removed = rows::read_part(&self.database, keyspace::SYSTEM_REMOVED_NODES).await?;
        self.registry.forget(removed.iter().filter_map(|(key, _)| removed_of_key(key)));
        self.registry.learn(records?);
        Ok(())
    }

    /// Writes rows of range 1 in one transaction. Their values are the same whoever writes them last.
    async fn write(&self, writes: &[Write]) -> Result<(), KvError> {
        DirectoryAttempts::default().run(|| self.try_write(writes)).await
    }

    async fn try_write(&self, writes: &[Write]) -> Result<(), KvError> {
        let mut transaction = self.database.begin(TransactionOptions::default()).await?;
        for write in writes {
            transaction.write(write.clone())?;
        }
        transaction.commit(None).await.map(drop)
    }
}
