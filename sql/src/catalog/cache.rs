//! The cached catalog: one snapshot that a statement binds with, replaced as a whole.

use std::sync::Arc;

use parking_lot::RwLock;
use quorate_engine::kv::{Database, TransactionOptions};

use super::reading::read_catalog;
use super::snapshot::CatalogSnapshot;
use crate::error::SqlError;
use crate::kv_error::sql_error;

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
        let options = TransactionOptions { read_only: true };
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
