//! CREATE TABLE, DROP TABLE and TRUNCATE of a session: alone, or staged in the open transaction.

use std::sync::Arc;

use super::dispatch::{Turn, tag};
use super::sink::{Completion, ResultSink};
use super::transaction::{Kind, TransactionState};
use super::{Prepared, Session};
use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::descriptor_format::is_new;
use crate::cluster::Feature;
use crate::ddl;
use crate::error::{SqlError, SqlState};
use crate::exec::context::Limits;
use crate::parser::ast;
use crate::retry::CatalogAttempts;
use crate::types::Datum;

/// Whether a statement that stands alone is run again where it has lost against others: it has given its client no rows, and
/// means whatever table has the name.
pub(super) const fn repeats(statement: &ast::Statement) -> bool {
    matches!(
        statement,
        ast::Statement::DropTable { .. }
            | ast::Statement::Truncate { .. }
            | ast::Statement::AddPrimaryKey { .. }
    )
}

impl Session {
    /// Runs a statement that stands alone until it has not lost against others, with the newest catalog each time.
    pub(super) async fn execute_repeatedly(
        &mut self,
        statement: (&Prepared, &[Datum]),
        (turn, limits): (Turn, &Limits),
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        let node = Arc::clone(&self.node);
        let mut attempts = CatalogAttempts::new(&node);
        loop {
            let result = self.execute_once(statement, (turn, limits), sink).await;
            match self.after(result).await {
                Ok(done) => return Ok(done),
                Err(error) => attempts.after_statement(error).await?,
            }
            limits.cancel.check()?;
            node.refresh_catalog().await?;
        }
    }

    pub(super) async fn create_table(
        &mut self,
        if_not_exists: bool,
        table: &TableDescriptor,
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        self.check_writable("CREATE TABLE")?;
        let node = Arc::clone(&self.node);
        if is_new(table) && !node.cluster.allows(Feature::ThirdTypes) {
            return Err(too_new());
        }
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
        for name in missing {
            let message = format!("table \"{name}\" does not exist, skipping");
            sink.notice("NOTICE", SqlState::SuccessfulCompletion, message);
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

/// The error of a table that nodes of the release before cannot read.
fn too_new() -> SqlError {
    let message = "this table has columns that the release before does not know, and the cluster's version still allows for it";
    SqlError::new(SqlState::FeatureNotSupported, message).with_hint(
        "Once all nodes run this release, SET CLUSTER SETTING cluster_version = '2', and create the table again.",
    )
}
