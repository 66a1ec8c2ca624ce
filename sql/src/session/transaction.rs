//! Where a session stands between its statements.
//!
//! ```text
//! Idle ── BEGIN ──▶ Open(explicit) ── error ──▶ Failed ── COMMIT, ROLLBACK ──▶ Idle
//!   └─ one of several statements of a text ─▶ Open(implicit) ── end of the text, error ──▶ Idle
//! ```

use std::collections::BTreeMap;

use quorate_engine::kv::{Transaction, TransactionOptions};

use super::kv_error::sql_error;
use super::sink::TransactionStatus;
use crate::catalog::cache::CatalogSnapshot;
use crate::catalog::descriptor::TableDescriptor;
use crate::error::{SqlError, SqlState};
use crate::node::SqlNode;

/// Who ends a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The user, by COMMIT or ROLLBACK.
    Explicit,
    /// The end of the text.
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
    /// The store's transaction, from the first statement on that needs it: it reads as of then.
    kv: Option<Box<dyn Transaction>>,
    /// Tables that it used, with the versions that its statements were bound with.
    tables: BTreeMap<u64, u64>,
}

impl OpenTransaction {
    /// A transaction that has done nothing.
    pub fn new(kind: Kind, read_only: bool, now_micros: i64) -> Self {
        Self { kind, read_only, now_micros, kv: None, tables: BTreeMap::new() }
    }

    /// The store's transaction, begun where it was not yet.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin(&mut self, node: &SqlNode) -> Result<&mut Box<dyn Transaction>, SqlError> {
        if self.kv.is_none() {
            let options = TransactionOptions { read_only: self.read_only };
            self.kv = Some(node.database.begin(options).await.map_err(|error| sql_error(error, None))?);
        }
        self.kv.as_mut().ok_or_else(|| SqlError::new(SqlState::InternalError, "a transaction was not begun"))
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

    /// Notes a table that a statement used.
    pub fn used_table(&mut self, id: u64, version: u64) {
        self.tables.insert(id, version);
    }

    /// Commits.
    ///
    /// # Errors
    /// The store's; 40001 where a table has changed since a statement was bound.
    pub async fn commit(self, node: &SqlNode) -> Result<(), SqlError> {
        let Some(mut kv) = self.kv else { return Ok(()) };
        let deadline = node.cluster.catalog_lease();
        let snapshot = node.catalog.snapshot();
        let checked = deadline.and_then(|deadline| check_tables(&self.tables, &snapshot).map(|()| deadline));
        match checked {
            Err(error) => {
                kv.rollback().await;
                Err(error)
            }
            Ok(deadline) => match kv.commit(Some(deadline)).await {
                Ok(_) => Ok(()),
                Err(error) => Err(sql_error(error, Some(&snapshot))),
            },
        }
    }

    /// Ends it without effect.
    pub async fn rollback(self) {
        if let Some(mut kv) = self.kv {
            kv.rollback().await;
        }
    }
}

fn check_tables(tables: &BTreeMap<u64, u64>, snapshot: &CatalogSnapshot) -> Result<(), SqlError> {
    let is_same = |(id, version): (&u64, &u64)| {
        snapshot.table_by_id(*id).is_some_and(|table| table.version == *version)
    };
    if tables.iter().all(is_same) {
        return Ok(());
    }
    Err(SqlError::new(
        SqlState::SerializationFailure,
        "restart transaction: a table that it used was changed or dropped",
    )
    .with_hint("Run the whole transaction again."))
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
