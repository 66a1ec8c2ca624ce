//! Where a session stands between its statements.
//!
//! ```text
//! Idle ── BEGIN ──▶ Open(explicit) ── error ──▶ Failed ── COMMIT, ROLLBACK ──▶ Idle
//!   │                    ▲ BEGIN
//!   └─ one of several ─▶ Open(implicit) ── end of the text, Sync, COMMIT, ROLLBACK, error ──▶ Idle
//! ```
//!
//! One of several: statements of one text, or those that a client sends before its Sync.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Transaction, TransactionOptions};

use super::sink::TransactionStatus;
use crate::cancel::CancelToken;
use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::lease::CatalogWait;
use crate::catalog::snapshot::CatalogSnapshot;
use crate::ddl::staged::StagedDdl;
use crate::error::{SqlError, SqlState};
use crate::kv_error::sql_error;
use crate::node::SqlNode;

/// Who ends a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The user, by COMMIT or ROLLBACK.
    Explicit,
    /// The end of the text, or the Sync.
    Implicit,
}

/// A transaction that is open.
pub struct OpenTransaction {
    /// Who ends it.
    pub kind: Kind,
    /// Writes are refused.
    pub read_only: bool,
    /// `now()`.
    pub now_micros: i64,
    /// When the first attempt at the same work began, where this is a further one.
    since: Option<Timestamp>,
    /// The store's transaction, from the first statement on that needs it: it reads as of then.
    kv: Option<Box<dyn Transaction>>,
    /// Tables that it used, with the versions that its statements were bound with.
    tables: BTreeMap<u64, u64>,
    /// What it has changed in the catalog.
    pub staged: StagedDdl,
}

impl OpenTransaction {
    /// A transaction that has done nothing.
    pub fn new(kind: Kind, read_only: bool, now_micros: i64) -> Self {
        let (tables, staged) = (BTreeMap::new(), StagedDdl::default());
        Self { kind, read_only, now_micros, since: None, kv: None, tables, staged }
    }

    /// The same for work that was tried before: it keeps its age.
    pub fn again(self, since: Option<Timestamp>) -> Self {
        Self { since, ..self }
    }

    /// When the first attempt at its work began; `None` where it has not begun.
    pub fn age(&self) -> Option<Timestamp> {
        self.since
    }

    /// The store's transaction, begun where it was not yet.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin(&mut self, node: &SqlNode) -> Result<&mut Box<dyn Transaction>, SqlError> {
        if self.kv.is_none() {
            let options = TransactionOptions { read_only: self.read_only, since: self.since };
            let kv = node.database.begin(options).await.map_err(|error| sql_error(error, None))?;
            self.since.get_or_insert(kv.read_timestamp());
            self.kv = Some(kv);
        }
        self.kv.as_mut().ok_or_else(not_begun)
    }

    /// The same for a COPY into this table.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin_copy(
        &mut self,
        node: &SqlNode,
        table: &TableDescriptor,
    ) -> Result<&mut Box<dyn Transaction>, SqlError> {
        self.used_table(table.id, table.version);
        let transaction = self.begin(node).await?;
        transaction.start_statement();
        Ok(transaction)
    }

    /// Forbids or allows writes, from now on.
    ///
    /// # Errors
    /// 25001 where writes were forbidden, and the store's transaction has begun so.
    pub fn set_read_only(&mut self, read_only: bool) -> Result<(), SqlError> {
        if self.read_only && !read_only && self.kv.is_some() {
            let message = "transaction read-write mode must be set before any query";
            return Err(SqlError::new(SqlState::ActiveSqlTransaction, message));
        }
        self.read_only = read_only;
        Ok(())
    }

    /// Notes a table that a statement used.
    pub fn used_table(&mut self, id: u64, version: u64) {
        self.tables.insert(id, version);
    }

    /// Creates a table, for itself alone until it commits.
    ///
    /// # Errors
    /// 42P07, and nothing was done; those of the store.
    pub async fn create_table(&mut self, node: &SqlNode, table: TableDescriptor) -> Result<(), SqlError> {
        self.begin(node).await?.start_statement();
        let Some(kv) = &mut self.kv else { return Err(not_begun()) };
        self.staged.create(node, kv.as_mut(), table).await
    }

    /// Drops a table, for itself alone until it commits.
    ///
    /// # Errors
    /// 42P01; those of the store.
    pub async fn drop_table(&mut self, node: &SqlNode, table: &Arc<TableDescriptor>) -> Result<(), SqlError> {
        self.begin(node).await?.start_statement();
        let Some(kv) = &mut self.kv else { return Err(not_begun()) };
        self.staged.drop(node, kv.as_mut(), table).await
    }

    /// Commits: rows and tables at once, or none.
    ///
    /// # Errors
    /// The store's; 40001 where a table has changed since a statement was bound.
    pub async fn commit(mut self, node: &SqlNode) -> Result<(), SqlError> {
        let Some(mut kv) = self.kv.take() else { return Ok(()) };
        let lease = CatalogWait::new(node, &CancelToken::new()).lease().await;
        let checked = lease.and_then(|deadline| {
            self.check_tables(&node.catalog.snapshot())?;
            Ok(deadline)
        });
        let deadline = match checked {
            Ok(deadline) => deadline,
            Err(error) => {
                kv.rollback().await;
                self.staged.undo(node).await;
                return Err(error);
            }
        };
        match kv.commit(Some(deadline)).await {
            Ok(committed) => self.staged.finish(node, committed.timestamp).await,
            Err(error) => {
                let catalog = self.staged.catalog(node.catalog.snapshot());
                // An unknown commit may have published the tables: their jobs' rows tell whoever takes them over.
                if !error.is_ambiguous() {
                    self.staged.undo(node).await;
                }
                Err(sql_error(error, Some(&catalog)))
            }
        }
    }

    /// Ends it without effect.
    pub async fn rollback(self, node: &SqlNode) {
        if let Some(mut kv) = self.kv {
            kv.rollback().await;
        }
        self.staged.undo(node).await;
    }

    fn check_tables(&self, catalog: &CatalogSnapshot) -> Result<(), SqlError> {
        let is_same = |(id, version): (&u64, &u64)| {
            self.staged.has_created(*id)
                || catalog.table_by_id(*id).is_some_and(|table| table.version == *version)
        };
        if self.tables.iter().all(is_same) {
            return Ok(());
        }
        Err(SqlError::new(
            SqlState::SerializationFailure,
            "restart transaction: a table that it used was changed or dropped",
        )
        .with_hint("Run the whole transaction again."))
    }
}

fn not_begun() -> SqlError {
    SqlError::new(SqlState::InternalError, "a transaction was not begun")
}

/// Where a session stands.
#[derive(Default)]
pub enum TransactionState {
    /// No transaction.
    #[default]
    Idle,
    /// One is open.
    Open(OpenTransaction),
    /// The user's transaction has failed, and was rolled back.
    Failed,
}

impl TransactionState {
    /// What the client is told.
    pub fn status(&self) -> TransactionStatus {
        match self {
            Self::Idle => TransactionStatus::Idle,
            Self::Open(open) => match open.kind {
                Kind::Explicit => TransactionStatus::Active,
                Kind::Implicit => TransactionStatus::Idle,
            },
            Self::Failed => TransactionStatus::Failed,
        }
    }
}
