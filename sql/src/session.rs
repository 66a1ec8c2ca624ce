//! A client's session: statements in, rows and a completion out.
//!
//! ```text
//! simple query    begin_text → TextRun::next … (several statements of one text are one implicit transaction)
//! extended        parse → prepare → run        (each run outside BEGIN commits before its completion is told)
//! COPY FROM       run gives Completion::CopyIn → feed … → finish or abort
//! ```
//!
//! Invariants: a statement that has sent no row to its sink is run again by the session when the store asks for it, and
//! never after; a transaction that failed accepts only its end; an error leaves the session usable.

pub mod dispatch;
pub mod dml;
pub mod explain;
pub mod gate;
pub mod kv_error;
pub mod prepared;
pub mod retry;
pub mod show;
pub mod sink;
pub mod texts;
pub mod transaction;
pub mod variables;

use std::sync::Arc;

use quorate_engine::kv::Transaction;

pub(crate) use prepared::{Binding, BoundWith};
pub use prepared::{Prepared, Statement, TextRun};
pub use sink::{Completion, ResultSink, SINK_BYTES_MAX, SINK_ROWS_MAX, TransactionStatus};

use crate::bind::{BindContext, bind};
use crate::cancel::CancelToken;
use crate::catalog::descriptor::TableDescriptor;
use crate::error::{SqlError, SqlState};
use crate::node::SqlNode;
use crate::parser;
use crate::types::{DataType, Datum};
use dispatch::Mode;
use texts::Texts;
use transaction::{Kind, TransactionState};
use variables::Variables;

/// Who the client is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// Name of the user.
    pub user: String,
    /// Name of the database.
    pub database: String,
    /// `application_name` of the startup message.
    pub application_name: String,
}

/// One client's session. Not shared: a statement holds it until its end.
pub struct Session {
    pub(crate) node: Arc<SqlNode>,
    options: Arc<SessionOptions>,
    variables: Variables,
    texts: Texts,
    transaction: TransactionState,
    deallocated: Vec<Deallocated>,
}

/// A prepared statement that SQL has closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deallocated {
    /// The one of this name.
    Name(String),
    /// All of them.
    All,
}

impl Session {
    pub(crate) fn new(node: Arc<SqlNode>, options: SessionOptions) -> Self {
        let variables = Variables::new(&options.user, &options.application_name);
        Self {
            node,
            options: Arc::new(options),
            variables,
            texts: Texts::default(),
            transaction: TransactionState::Idle,
            deallocated: Vec::new(),
        }
    }

    /// Reads a text of any number of statements; one that came before is not read again.
    ///
    /// # Errors
    /// 42601 with a position within the text; 0A000 for what is not offered.
    pub fn parse(&mut self, text: &str) -> Result<Vec<Statement>, SqlError> {
        if let Some(statements) = self.texts.get(text) {
            return Ok(statements);
        }
        let statements: Vec<Statement> = parser::parse(text)?.into_iter().map(Statement::new).collect();
        self.texts.put(text, &statements);
        Ok(statements)
    }

    /// Binds a statement: finds its parameters' types (of which `types` gives some) and its result's columns.
    ///
    /// # Errors
    /// Those of binding: unknown tables and columns, types that do not fit, …; a transaction that is open has failed.
    pub async fn prepare(
        &mut self,
        statement: &Statement,
        types: &[Option<DataType>],
    ) -> Result<Prepared, SqlError> {
        self.end_implicit(false).await?;
        let result = self.check_accepted(statement).and_then(|()| self.bind(statement, types));
        self.after(result).await
    }

    /// Runs a statement to its end; outside BEGIN it is committed when this returns. After an error inside a
    /// transaction, the transaction has failed.
    ///
    /// # Errors
    /// The statement's.
    pub async fn run(
        &mut self,
        prepared: &Prepared,
        parameters: &[Datum],
        cancel: &CancelToken,
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        self.end_implicit(false).await?;
        let result = self.execute((prepared, parameters), Mode::Alone, cancel, sink).await;
        self.after(result).await
    }

    /// Starts a simple query: [`TextRun::next`] then runs one statement after the other.
    ///
    /// # Errors
    /// As [`Session::parse`]; a transaction that was open has failed then.
    pub fn begin_text(&mut self, text: &str) -> Result<TextRun, SqlError> {
        match self.parse(text) {
            Ok(statements) => Ok(TextRun::new(statements)),
            Err(error) => {
                self.fail_transaction();
                Err(error)
            }
        }
    }

    /// Where the session stands, for ReadyForQuery.
    pub fn transaction_status(&self) -> TransactionStatus {
        self.transaction.status()
    }

    /// All parameters that a client is told of when it connects: `server_version`, `client_encoding`, …
    pub fn parameter_statuses(&self) -> Vec<(String, String)> {
        self.variables.reported()
    }

    /// Those of [`Session::parameter_statuses`] that have changed since the last call.
    pub fn take_changed_parameters(&mut self) -> Vec<(String, String)> {
        self.variables.take_changed()
    }

    /// What `DEALLOCATE` and `DISCARD ALL` closed since the last call: the wire drops these statements.
    pub fn take_deallocated(&mut self) -> Vec<Deallocated> {
        std::mem::take(&mut self.deallocated)
    }

    /// Fails the open transaction, if there is one: after a protocol error inside a block. Its writes were never sent,
    /// so that dropping them undoes them.
    pub fn fail_transaction(&mut self) {
        if let TransactionState::Open(open) = &self.transaction {
            self.transaction = match open.kind {
                Kind::Explicit => TransactionState::Failed,
                Kind::Implicit => TransactionState::Idle,
            };
            if self.transaction.status() == TransactionStatus::Idle {
                self.variables.end(false);
            }
        }
    }

    /// Binds with the newest catalog.
    fn bind(&self, statement: &Statement, types: &[Option<DataType>]) -> Result<Prepared, SqlError> {
        Ok(Prepared { statement: statement.clone(), binding: self.binding(statement, types)? })
    }

    /// The statement's binding with the newest catalog: the one that it has, or a new one.
    pub(crate) fn binding(
        &self,
        statement: &Statement,
        types: &[Option<DataType>],
    ) -> Result<Arc<Binding>, SqlError> {
        let catalog = self.node.catalog.snapshot();
        let options = Arc::clone(&self.options);
        let with = BoundWith { catalog_version: catalog.version, types: types.to_vec(), options };
        if let Some(binding) = statement.binding(&with) {
            return Ok(binding);
        }
        let context = BindContext {
            parameter_types: types,
            user: &self.options.user,
            database: &self.options.database,
        };
        let bound = bind(statement.tree(), catalog.as_ref(), &context)?;
        let binding = Arc::new(Binding::new(with, bound));
        statement.set_binding(&binding);
        Ok(binding)
    }

    /// Rolls back (or commits) the implicit transaction that a text has left open.
    pub(crate) async fn end_implicit(&mut self, is_committed: bool) -> Result<(), SqlError> {
        let open = match std::mem::take(&mut self.transaction) {
            TransactionState::Open(open) if open.kind == Kind::Implicit => open,
            other @ (TransactionState::Idle | TransactionState::Open(_) | TransactionState::Failed) => {
                self.transaction = other;
                return Ok(());
            }
        };
        if !is_committed {
            open.rollback().await;
            self.variables.end(false);
            return Ok(());
        }
        let result = open.commit(&self.node).await;
        self.variables.end(result.is_ok());
        result
    }

    /// Whether a transaction is open.
    pub(crate) fn is_in_transaction(&self) -> bool {
        matches!(self.transaction, TransactionState::Open(_))
    }

    /// Fails in a read-only transaction.
    pub(crate) fn check_writable(&self, what: &str) -> Result<(), SqlError> {
        match &self.transaction {
            TransactionState::Open(open) if open.read_only => {
                let message = format!("cannot execute {what} in a read-only transaction");
                Err(SqlError::new(SqlState::ReadOnlySqlTransaction, message))
            }
            TransactionState::Idle | TransactionState::Open(_) | TransactionState::Failed => Ok(()),
        }
    }

    /// The user's transaction, for a COPY within it.
    pub(crate) async fn copy_transaction(
        &mut self,
        table: &TableDescriptor,
    ) -> Result<&mut Box<dyn Transaction>, SqlError> {
        match &mut self.transaction {
            TransactionState::Open(open) => open.begin_copy(&self.node, table).await,
            TransactionState::Idle | TransactionState::Failed => {
                let message = "the transaction of this COPY is over";
                Err(SqlError::new(SqlState::NoActiveSqlTransaction, message))
            }
        }
    }

    /// Fails the transaction after an error.
    pub(crate) async fn after<T>(&mut self, result: Result<T, SqlError>) -> Result<T, SqlError> {
        if result.is_err() {
            self.fail_transaction();
        }
        result
    }
}

#[cfg(test)]
mod tests;
