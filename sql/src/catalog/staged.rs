//! DDL within a transaction: buffered writes to range 1, laid over the node's catalog for the transaction alone.
//!
//! ```text
//! CREATE    id from the counter → range for the id's keys → {descriptor, name} buffered
//! DROP      {no descriptor, no name} buffered
//! COMMIT    {all of these, version + 1, the rows} at once → all nodes know → ranges of dropped tables removed
//! ROLLBACK  ranges of created tables removed
//! ```
//!
//! Invariant: as for DDL that stands alone (`ddl.rs`), a table is in the catalog only while its range exists. A node that
//! ends in between leaves at worst a range that no table names.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_engine::kv::{KvError, Transaction, Write, keyspace};

use super::descriptor::TableDescriptor;
use super::snapshot::CatalogSnapshot;
use super::{ddl, descriptor_format, keys};
use crate::error::SqlError;
use crate::kv_error::sql_error;
use crate::node::SqlNode;

/// What a transaction has changed in the catalog.
#[derive(Debug, Default)]
pub struct StagedDdl {
    /// Version of the catalog that COMMIT makes, once there is a change.
    version: Option<u64>,
    /// Tables that it has made, those that it has dropped again included: each has a range.
    created: Vec<Arc<TableDescriptor>>,
    /// Tables that it has dropped, its own included.
    dropped: Vec<Arc<TableDescriptor>>,
    /// The last catalog that was laid over, with the result.
    laid_over: Mutex<Option<(Arc<CatalogSnapshot>, Arc<CatalogSnapshot>)>>,
}

impl StagedDdl {
    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.created.is_empty() && self.dropped.is_empty()
    }

    /// Whether the transaction itself has made this table: nobody else knows it.
    pub fn has_created(&self, table_id: u64) -> bool {
        self.created.iter().any(|table| table.id == table_id)
    }

    /// The catalog as the transaction sees it, over the node's.
    pub fn catalog(&self, node: Arc<CatalogSnapshot>) -> Arc<CatalogSnapshot> {
        if self.is_empty() {
            return node;
        }
        let mut laid_over = self.laid_over.lock();
        if let Some((below, catalog)) = laid_over.as_ref()
            && Arc::ptr_eq(below, &node)
        {
            return Arc::clone(catalog);
        }
        let dropped: BTreeSet<u64> = self.dropped.iter().map(|table| table.id).collect();
        let tables = node.tables().chain(&self.created).filter(|table| !dropped.contains(&table.id));
        let catalog = Arc::new(CatalogSnapshot::of(node.version, tables.cloned()));
        *laid_over = Some((node, Arc::clone(&catalog)));
        catalog
    }

    /// Creates a table from a descriptor whose id is filled in here; its range is made at once.
    ///
    /// # Errors
    /// 42P07 where the name is taken, and nothing was done; those of the store.
    pub async fn create(
        &mut self,
        node: &SqlNode,
        transaction: &mut dyn Transaction,
        mut table: TableDescriptor,
    ) -> Result<(), SqlError> {
        let found = ddl::read_id(transaction, &table.name).await.map_err(|error| sql_error(error, None))?;
        if found.is_some() {
            return Err(ddl::duplicate_table(&table.name));
        }
        table.id = ddl::allocate_id(node).await?;
        table.version = 1;
        let table = Arc::new(table);
        // Noted first: what is made of a range must go again.
        self.created.push(Arc::clone(&table));
        node.cluster.create_table_range(keyspace::table_span(table.id)).await?;
        let descriptor = descriptor_format::encode(&table).into();
        // The name was read, so that the commit fails where somebody else takes it.
        let writes = [
            Write::put(keys::name_key(&table.name), keys::number_value(table.id)),
            Write::put(keys::descriptor_key(table.id), descriptor),
        ];
        self.stage(transaction, writes).await
    }

    /// Drops a table.
    ///
    /// # Errors
    /// 42P01 where it does not exist any more; those of the store.
    pub async fn drop(
        &mut self,
        transaction: &mut dyn Transaction,
        table: &Arc<TableDescriptor>,
    ) -> Result<(), SqlError> {
        let found = ddl::read_id(transaction, &table.name).await.map_err(|error| sql_error(error, None))?;
        if found != Some(table.id) {
            return Err(ddl::undefined_table(&table.name));
        }
        self.dropped.push(Arc::clone(table));
        let writes =
            [Write::delete(keys::name_key(&table.name)), Write::delete(keys::descriptor_key(table.id))];
        self.stage(transaction, writes).await
    }

    /// Buffers writes to the catalog, which has a new version with the first of them.
    async fn stage(&mut self, transaction: &mut dyn Transaction, writes: [Write; 2]) -> Result<(), SqlError> {
        *self.laid_over.lock() = None;
        let staged = async {
            if self.version.is_none() {
                self.version = Some(ddl::raise(transaction, keys::version_key(), 0).await?);
            }
            for write in writes {
                transaction.write(write)?;
            }
            Ok::<(), KvError>(())
        };
        staged.await.map_err(|error| sql_error(error, None))
    }

    /// The transaction is committed: waits until all nodes know, then removes what was dropped.
    ///
    /// # Errors
    /// Those of the cluster; what is committed stays so.
    pub async fn finish(self, node: &SqlNode) -> Result<(), SqlError> {
        let Some(version) = self.version else { return Ok(()) };
        ddl::settle(node, version).await?;
        for table in self.dropped {
            node.cluster.drop_table_ranges(keyspace::table_span(table.id)).await?;
        }
        Ok(())
    }

    /// The transaction was not committed: removes the ranges of what it has created.
    pub async fn undo(self, node: &SqlNode) {
        for table in self.created {
            if let Err(left) = node.cluster.drop_table_ranges(keyspace::table_span(table.id)).await {
                tracing::warn!(table = table.id, error = %left, "a range without a table is left");
            }
        }
    }
}
