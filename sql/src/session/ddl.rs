//! CREATE TABLE, DROP TABLE, TRUNCATE and statements about sequences of a session: alone, or staged in the open transaction.

use std::sync::Arc;

use super::dispatch::{Turn, tag};
use super::replace::OwnedSequences;
use super::sink::{Completion, ResultSink};
use super::transaction::TransactionState;
use super::{Prepared, Session};
use crate::bind::sequence::{BoundSequence, ColumnSequence};
use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::view::CatalogView;
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

fn is_if_exists(prepared: &Prepared) -> bool {
    let tree = prepared.statement.tree();
    matches!(
        tree,
        ast::Statement::DropTable { if_exists: true, .. }
            | ast::Statement::AddPrimaryKey { if_exists: true, .. }
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
                Err(error) => {
                    // It was bound to a table that is gone: bound again, there is nothing to do.
                    let is_gone = error.state == SqlState::UndefinedTable && is_if_exists(statement.0);
                    let has_lost = error.state == SqlState::SerializationFailure || is_gone;
                    attempts.after_statement(error, has_lost).await?;
                }
            }
            limits.cancel.check()?;
            node.refresh_catalog().await?;
        }
    }

    pub(super) async fn create_table(
        &mut self,
        if_not_exists: bool,
        (table, sequences): (&TableDescriptor, &[ColumnSequence]),
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        self.check_writable("CREATE TABLE")?;
        // A table comes with its sequences, or not at all.
        if !sequences.is_empty() {
            self.open_implicit();
        }
        let node = Arc::clone(&self.node);
        let created = match self.staging() {
            Some(open) => open.create_table(&node, table.clone(), sequences).await,
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
        let catalog = self.catalog();
        let sequences: Vec<_> = tables.iter().flat_map(|table| catalog.sequences_of(table.id)).collect();
        if tables.len() > 1 || !sequences.is_empty() {
            self.open_implicit();
        }
        let node = Arc::clone(&self.node);
        tables.iter().try_for_each(|table| self.check_unread(table, "DROP TABLE"))?;
        for table in tables {
            match self.staging() {
                Some(open) => open.drop_table(&node, table).await?,
                None => ddl::drop::drop_table(&node, table).await?,
            }
        }
        for sequence in sequences {
            if let Some(open) = self.staging() {
                open.drop_sequence(&node, &sequence).await?;
            }
        }
        for name in missing {
            let message = format!("table \"{name}\" does not exist, skipping");
            sink.notice("NOTICE", SqlState::SuccessfulCompletion, message);
        }
        Ok(tag("DROP TABLE"))
    }

    /// Empties all of these tables or none: those that stand alone are an implicit transaction.
    pub(super) async fn truncate(
        &mut self,
        tables: &[Arc<TableDescriptor>],
        restarts: bool,
    ) -> Result<Completion, SqlError> {
        self.check_writable("TRUNCATE TABLE")?;
        for table in tables {
            self.check_unread(table, "TRUNCATE")?;
        }
        self.open_implicit();
        let node = Arc::clone(&self.node);
        for table in tables {
            let catalog = self.catalog();
            let owned = OwnedSequences::of(catalog.as_ref(), table, restarts)?;
            let Some(open) = self.staging() else {
                return Err(SqlError::new(SqlState::InternalError, "no transaction is open"));
            };
            open.truncate_table(&node, table, &owned).await?;
        }
        Ok(tag("TRUNCATE TABLE"))
    }

    /// Runs a statement about sequences; one that stands alone is an implicit transaction.
    pub(super) async fn sequence_statement(
        &mut self,
        statement: &BoundSequence,
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        let name = match statement {
            BoundSequence::Create { .. } => "CREATE SEQUENCE",
            BoundSequence::Alter { .. } | BoundSequence::AlterMissing { .. } => "ALTER SEQUENCE",
            BoundSequence::Drop { .. } => "DROP SEQUENCE",
        };
        self.check_writable(name)?;
        self.open_implicit();
        let node = Arc::clone(&self.node);
        let Some(open) = self.staging() else {
            return Err(SqlError::new(SqlState::InternalError, "no transaction is open"));
        };
        match statement {
            BoundSequence::Create { if_not_exists, sequence, owner } => {
                match open.create_sequence(&node, sequence, owner.as_deref()).await {
                    Err(error) if *if_not_exists && error.state == SqlState::DuplicateTable => {
                        let message = format!("relation \"{}\" already exists, skipping", sequence.name);
                        sink.notice("NOTICE", SqlState::DuplicateTable, message);
                    }
                    result => result?,
                }
            }
            BoundSequence::Alter { sequence, owner } => {
                open.alter_sequence(&node, sequence, owner.as_deref()).await?;
            }
            BoundSequence::AlterMissing { name } => {
                let message = format!("relation \"{name}\" does not exist, skipping");
                sink.notice("NOTICE", SqlState::SuccessfulCompletion, message);
            }
            BoundSequence::Drop { sequences, missing } => {
                for name in missing {
                    let message = format!("sequence \"{name}\" does not exist, skipping");
                    sink.notice("NOTICE", SqlState::SuccessfulCompletion, message);
                }
                for sequence in sequences {
                    open.drop_sequence(&node, sequence).await?;
                }
            }
        }
        Ok(tag(name))
    }

    /// Fails for a table that an open cursor reads.
    ///
    /// # Errors
    /// 55006
    pub(super) fn check_unread(&self, table: &TableDescriptor, what: &str) -> Result<(), SqlError> {
        let TransactionState::Open(open) = &self.transaction else { return Ok(()) };
        if !open.cursors.is_reading(table.id) {
            return Ok(());
        }
        let name = &table.name;
        let message =
            format!("cannot {what} \"{name}\" because it is being used by active queries in this session");
        Err(SqlError::new(SqlState::ObjectInUse, message))
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
