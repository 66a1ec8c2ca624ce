//! The cached catalog: one snapshot that a statement binds with, replaced as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use quorate_engine::kv::{Database, TransactionOptions};

use super::descriptor::TableDescriptor;
use super::reading::read_catalog;
use crate::bind::CatalogView;
use crate::error::SqlError;
use crate::session::kv_error::sql_error;

/// All tables at one version of the catalog.
#[derive(Debug, Default)]
pub struct CatalogSnapshot {
    /// Raised by each DDL.
    pub version: u64,
    tables: BTreeMap<String, Arc<TableDescriptor>>,
    names: BTreeMap<u64, String>,
}

impl CatalogSnapshot {
    /// A snapshot of these tables.
    pub fn new(version: u64, tables: Vec<TableDescriptor>) -> Self {
        Self::of(version, tables.into_iter().map(Arc::new))
    }

    /// A snapshot of these tables.
    pub fn of(version: u64, tables: impl Iterator<Item = Arc<TableDescriptor>>) -> Self {
        let tables: BTreeMap<_, _> = tables.map(|table| (table.name.clone(), table)).collect();
        let names = tables.values().map(|table| (table.id, table.name.clone())).collect();
        Self { version, tables, names }
    }

    /// The table with this id.
    pub fn table_by_id(&self, id: u64) -> Option<&Arc<TableDescriptor>> {
        self.tables.get(self.names.get(&id)?)
    }

    /// All tables by name.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableDescriptor>> {
        self.tables.values()
    }
}

impl CatalogView for CatalogSnapshot {
    fn table(&self, name: &str) -> Option<Arc<TableDescriptor>> {
        self.tables.get(name).cloned()
    }

    fn table_names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }
}

/// The newest snapshot that this node has read.
#[derive(Debug, Default)]
pub struct CatalogCache {
    current: RwLock<Arc<CatalogSnapshot>>,
}

impl CatalogCache {
    /// The snapshot to bind with.
    pub fn snapshot(&self) -> Arc<CatalogSnapshot> {
        Arc::clone(&self.current.read())
    }

    /// The version of [`CatalogCache::snapshot`].
    pub fn version(&self) -> u64 {
        self.current.read().version
    }

    /// Reads the catalog as of now; returns its version. Of two refreshes at once the newer catalog stays.
    ///
    /// # Errors
    /// Range 1 cannot be read, or holds bytes that cannot.
    pub async fn refresh(&self, database: &dyn Database) -> Result<u64, SqlError> {
        let options = TransactionOptions::reading();
        let mut transaction = database.begin(options).await.map_err(|error| sql_error(error, None))?;
        let snapshot = read_catalog(transaction.as_mut()).await?;
        transaction.rollback().await;
        let version = snapshot.version;
        let mut current = self.current.write();
        if version >= current.version {
            *current = Arc::new(snapshot);
        }
        Ok(version)
    }
}
