//! CREATE TABLE, DROP TABLE and TRUNCATE of a session: alone, or staged in the open transaction.

use std::sync::Arc;

use super::Session;
use super::dispatch::tag;
use super::sink::{Completion, ResultSink};
use super::transaction::{Kind, TransactionState};
use crate::catalog::descriptor::TableDescriptor;
use crate::ddl;
use crate::error::{SqlError, SqlState};

impl Session {
    pub(super) async fn create_table(
        &mut self,
        if_not_exists: bool,
        table: &TableDescriptor,
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        self.check_writable("CREATE TABLE")?;
        let node = Arc::clone(&self.node);
        let created = match self.staging() {
            Some(open) => open.create_table(&node, table.clone()).await,
            None => ddl::create::create_table(&node, table.clone()).await,
        };
        match created {
            Err(error) if if_not_exists && error.state == SqlState::DuplicateTable => {
                let message = format!("relation \"{}\" already exists, skipping", table.name);
                sink.notice("NOTICE", SqlState::DuplicateTable, message);
                Ok(tag("CREATE TABLE"))
            }
            result => result.map(|()| tag("CREATE TABLE")),
        }
    }

    /// Drops all of these tables or none: several that stand alone are an implicit transaction.
    pub(super) async fn drop_tables(
        &mut self,
        tables: &[Arc<TableDescriptor>],
        missing: &[String],
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        self.check_writable("DROP TABLE")?;
        for name in missing {
            let message = format!("table \"{name}\" does not exist, skipping");
            sink.notice("NOTICE", SqlState::SuccessfulCompletion, message);
        }
        if tables.len() > 1 && matches!(self.transaction, TransactionState::Idle) {
            self.open_transaction(Kind::Implicit, None);
        }
        let node = Arc::clone(&self.node);
        for table in tables {
            match self.staging() {
                Some(open) => open.drop_table(&node, table).await?,
                None => ddl::drop::drop_table(&node, table).await?,
            }
        }
        Ok(tag("DROP TABLE"))
    }

    /// Empties all of these tables or none: those that stand alone are an implicit transaction.
    pub(super) async fn truncate(&mut self, tables: &[Arc<TableDescriptor>]) -> Result<Completion, SqlError> {
        self.check_writable("TRUNCATE TABLE")?;
        if matches!(self.transaction, TransactionState::Idle) {
            self.open_transaction(Kind::Implicit, None);
        }
        let node = Arc::clone(&self.node);
        for table in tables {
            let Some(open) = self.staging() else {
                return Err(SqlError::new(SqlState::InternalError, "no transaction is open"));
            };
            open.truncate_table(&node, table).await?;
        }
        Ok(tag("TRUNCATE TABLE"))
    }

    /// The open transaction, whose catalog is going to be another; `None` where there is none.
    pub(super) fn staging(&mut self) -> Option<&mut super::transaction::OpenTransaction> {
        match &mut self.transaction {
            TransactionState::Open(open) => {
                self.staged_count += 1;
                Some(open)
            }
            TransactionState::Idle | TransactionState::Failed(_) => None,
        }
    }
}
