//! Rows for tables that a transaction has made itself, or emptied: they go in parts into spans that nobody else knows of, and
//! count for no limit of the transaction. COMMIT makes them seen with the table, ROLLBACK removes both.
//!
//! ```text
//! COPY, or much buffered ──▶ transactions of their own, part by part ──▶ the next statement reads as of the last of them
//! ```
//!
//! Invariant: only tables that go with every way back are filled so: behind a savepoint that was set after the table was made,
//! rows wait in the buffer like all others.

use std::sync::Arc;

use quorate_engine::hlc::Timestamp;

use super::transaction::OpenTransaction;
use crate::catalog::descriptor::TableDescriptor;
use crate::copy::parts::Parts;
use crate::error::SqlError;
use crate::limits::OWN_TABLES_BUFFERED_MAX_BYTES;
use crate::node::SqlNode;
use crate::plan::node::{Plan, Query};

impl OpenTransaction {
    /// Whether rows may go into a table at once: nobody else knows it, and there is no savepoint at which it is there.
    pub(crate) fn fills_at_once(&self, table_id: u64) -> bool {
        self.staged.place_of_created(table_id).is_some_and(|place| place >= self.created_at_savepoint())
    }

    /// What was stored of own tables is seen by the statements that follow.
    pub(crate) fn filled(&mut self, committed: Timestamp) {
        self.filled_upto = self.filled_upto.max(Some(committed));
    }

    /// Gets ready for a statement whose rows for a table of its own may be more than it can buffer: what is buffered is stored,
    /// and seen. Gives what takes those rows; `None` for other plans.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn parts_for(
        &mut self,
        node: &Arc<SqlNode>,
        plan: &Plan,
    ) -> Result<Option<Parts>, SqlError> {
        let Plan::Insert { table, source, .. } = plan else { return Ok(None) };
        if matches!(source, Query::Values { .. }) || !self.fills_at_once(table.id) {
            return Ok(None);
        }
        self.store_own(node, table).await?;
        Ok(Some(Parts::of_own_table(Arc::clone(node), Arc::clone(table))))
    }

    /// Stores what is buffered for a table of its own.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn store_own(
        &mut self,
        node: &Arc<SqlNode>,
        table: &Arc<TableDescriptor>,
    ) -> Result<(), SqlError> {
        assert!(self.fills_at_once(table.id), "only rows of own tables are stored before COMMIT");
        let Some(kv) = &mut self.kv else { return Ok(()) };
        let mut parts = Parts::of_own_table(Arc::clone(node), Arc::clone(table));
        parts.add_own(kv.as_mut()).await?;
        parts.finished().await?.iter().for_each(|at| self.filled(*at));
        Ok(())
    }

    /// Behind a statement: stores what is buffered for tables of its own, where that is much.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn store_much(&mut self, node: &Arc<SqlNode>) -> Result<(), SqlError> {
        if self.kv.as_ref().is_none_or(|kv| kv.buffered_bytes() <= OWN_TABLES_BUFFERED_MAX_BYTES) {
            return Ok(());
        }
        for table in self.staged.created() {
            if self.fills_at_once(table.id) {
                self.store_own(node, &table).await?;
            }
        }
        Ok(())
    }

    /// Lets the transaction see what was stored of its own tables.
    ///
    /// # Errors
    /// 40001 where something else that it has read was changed meanwhile.
    pub(super) async fn see_filled(&mut self) -> Result<(), SqlError> {
        let (Some(upto), Some(kv)) = (self.filled_upto, &mut self.kv) else { return Ok(()) };
        kv.raise_read(upto).await.map_err(|error| crate::kv_error::sql_error(error, None))?;
        self.filled_upto = None;
        Ok(())
    }
}
