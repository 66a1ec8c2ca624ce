//! The cached catalog: one snapshot that a statement binds with, replaced as a whole, and the moment as of which it was
//! looked at last.
//!
//! ```text
//! look at T1 ──▶ snapshot as of T1 ── changes in (T1, T2] ──▶ snapshot as of T2
//! ```
//!
//! A node that has looked at T knows every change that was committed at or before T: T is what it confirms.

use std::sync::Arc;

use parking_lot::RwLock;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Database, TransactionOptions};

use super::reading::read_changes;
use super::snapshot::CatalogSnapshot;
use crate::error::SqlError;
use crate::kv_error::sql_error;

/// What is known, and as of when.
#[derive(Clone, Debug, Default)]
struct Known {
    snapshot: Arc<CatalogSnapshot>,
    as_of: Timestamp,
}

/// The newest snapshot that this node has read.
#[derive(Debug, Default)]
pub struct CatalogCache {
    current: RwLock<Known>,
}

impl CatalogCache {
    /// The snapshot to bind with.
    pub fn snapshot(&self) -> Arc<CatalogSnapshot> {
        Arc::clone(&self.current.read().snapshot)
    }

    /// The version of [`CatalogCache::snapshot`].
    pub fn version(&self) -> Timestamp {
        self.current.read().snapshot.version
    }

    /// When the catalog was looked at last: [`CatalogCache::snapshot`] has all that was committed until then.
    pub fn as_of(&self) -> Timestamp {
        self.current.read().as_of
    }

    /// Looks at what has changed since the last look; returns the moment as of which the catalog is known now. Of two looks
    /// at once the later one stays.
    ///
    /// # Errors
    /// Range 1 cannot be read, or holds bytes that cannot.
    pub async fn refresh(&self, database: &dyn Database) -> Result<Timestamp, SqlError> {
        let known = self.current.read().clone();
        let options = TransactionOptions::reading();
        let mut transaction = database.begin(options).await.map_err(|error| sql_error(error, None))?;
        let changes = read_changes(transaction.as_mut(), known.as_of).await?;
        let as_of = transaction.read_timestamp();
        transaction.rollback().await;
        let snapshot = match changes.newest {
            None => known.snapshot,
            Some(version) => Arc::new(known.snapshot.with(version, changes.tables, changes.sequences)),
        };
        let mut current = self.current.write();
        if as_of > current.as_of {
            *current = Known { snapshot, as_of };
        }
        Ok(as_of)
    }
}
