//! A client's session: statements in, rows and a completion out.
//!
//! ```text
//! simple query    begin_text → TextRun::next …              (the statements of a text are one implicit transaction)
//! extended        parse → prepare → run_before_sync … → sync  (so are those before a Sync)
//!                 parse → prepare → run → sync                (one alone commits before its completion is told)
//! COPY FROM       run gives Completion::CopyIn → feed … → finish or abort
//! ```
//!
//! Invariants: a statement that has sent no row to its sink is run again by the session when the store asks for it, and
//! never after; a transaction that failed accepts only its end; an error leaves the session usable.

mod about;
pub mod connect;
pub mod cursors;
pub mod ddl;
pub mod dispatch;
pub mod dml;
pub mod explain;
mod functions;
pub mod held_rows;
mod named;
pub mod own_tables;
pub mod prepared;
pub mod rekey;
mod replace;
pub mod run_ahead;
pub mod savepoints;
pub mod show;
pub mod sink;
pub mod statements;
pub(crate) mod surroundings;
pub mod texts;
pub mod transaction;
pub mod variables;
mod writers;

use std::sync::Arc;
use std::time::Duration;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::Transaction;

pub(crate) use prepared::{Binding, BoundWith, CatalogStamp};
pub use prepared::{Prepared, Statement, TextRun};
pub use sink::{Completion, ResultSink, TransactionStatus};

use crate::bind::{BindContext, bind};
use crate::cancel::CancelToken;
use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::lease::CatalogWait;
use crate::catalog::snapshot::CatalogSnapshot;
use crate::error::{SqlError, SqlState};
use crate::node::SqlNode;
use crate::parser;
use crate::sequences::drawing::Drawing;
use crate::sequences::memory::SequenceMemory;
use crate::types::{DataType, Datum};
use dispatch::{Turn, is_about_session, needs_catalog};
use statements::Statements;
use texts::Texts;
use transaction::{FailedTransaction, Kind, TransactionState};
use variables::Variables;

/// Who the client is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// Name of the user.
    pub user: String,
    /// Name of the database.
    pub database: String,
    /// The number under which it can be cancelled, as the wire has told its client; 0 for none.
    pub backend_pid: i32,
}

/// One client's session. Not shared: a statement holds it until its end.
pub struct Session {
    pub(crate) node: Arc<SqlNode>,
    options: Arc<SessionOptions>,
    variables: Variables,
    texts: Texts,
    transaction: TransactionState,
    /// When the first attempt began at work that has lost against others, and may be tried again.
    tried_since: Option<Timestamp>,
    /// How often a transaction of this session has changed its own catalog.
    staged_count: u64,
    /// Savepoints of all its transactions.
    savepoints_set: u64,
    /// The lowest number of a savepoint that was gone back to, for the wire.
    gone_back_to: Option<u64>,
    /// What it has got of sequences.
    pub(crate) sequences: SequenceMemory,
    statements: Statements,
}

impl Session {
    pub(crate) fn new(node: Arc<SqlNode>, options: SessionOptions) -> Self {
        let variables = Variables::new(&options.user);
        Self {
            node,
            options: Arc::new(options),
            variables,
            texts: Texts::default(),
            transaction: TransactionState::Idle,
            tried_since: None,
            staged_count: 0,
            savepoints_set: 0,
            gone_back_to: None,
            sequences: SequenceMemory::default(),
            statements: Statements::default(),
        }
    }

    /// Sets what the client asks for as it connects; RESET goes back to it.
    ///
    /// # Errors
    /// 42704 for a setting that there is not, 22023 for a value that it cannot have, 55P02 for one that cannot be set.
    pub fn set_at_connect(&mut self, name: &str, value: &str) -> Result<(), SqlError> {
        self.variables.set_at_connect(name, value)
    }

    /// How long its client may be silent, as the session stands now, where there is a limit.
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.variables.idle_timeout(self.transaction.status() != TransactionStatus::Idle)
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
        let result = match self.check_accepted(statement) {
            Ok(()) => self.bind(statement, types, &CancelToken::new()).await,
            Err(error) => Err(error),
        };
        self.after(result).await
    }

    /// Runs a statement to its end; outside BEGIN it is committed when this returns, with those that were run before the
    /// Sync. After an error inside a transaction, the transaction has failed.
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
        let result = self.execute((prepared, parameters), Turn::Alone, cancel, sink).await;
        self.after(result).await
    }

    /// Runs a statement that others may follow before the Sync: outside BEGIN all of them are one implicit transaction,
    /// which [`Session::sync`], or the [`Session::run`] of the last, commits.
    ///
    /// # Errors
    /// The statement's; all that was run since the last Sync is undone.
    pub async fn run_before_sync(
        &mut self,
        prepared: &Prepared,
        parameters: &[Datum],
        cancel: &CancelToken,
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        let result = self.execute((prepared, parameters), Turn::BeforeSync, cancel, sink).await;
        self.after(result).await
    }

    /// The client's Sync: commits the implicit transaction, where one is open.
    ///
    /// # Errors
    /// Those of the commit; all that was run since the last Sync is undone.
    pub async fn sync(&mut self) -> Result<(), SqlError> {
        if !matches!(&self.transaction, TransactionState::Open(open) if open.kind == Kind::Implicit) {
            return Ok(());
        }
        // Seldom: kept out of the futures of all statements.
        Box::pin(self.commit_implicit()).await
    }

    async fn commit_implicit(&mut self) -> Result<(), SqlError> {
        let TransactionState::Open(open) = std::mem::take(&mut self.transaction) else { return Ok(()) };
        let age = open.age();
        let result = open.commit(&self.node).await;
        self.variables.end(result.is_ok());
        self.note_age(age, &result);
        result
    }

    /// The client is gone: what is open is undone.
    pub async fn close(mut self) {
        match std::mem::take(&mut self.transaction) {
            TransactionState::Idle => {}
            TransactionState::Open(open) => open.rollback(&self.node).await,
            TransactionState::Failed(failed) => failed.rollback(&self.node).await,
        }
    }

    /// Starts a simple query: [`TextRun::next`] then runs one statement after the other.
    ///
    /// # Errors
    /// As [`Session::parse`]; a transaction that was open has failed then.
    pub async fn begin_text(&mut self, text: &str) -> Result<TextRun, SqlError> {
        let parsed = self.parse(text);
        self.after(parsed).await.map(TextRun::new)
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

    /// Fails the open transaction, if there is one, after an error of the protocol.
    pub async fn fail_transaction(&mut self) {
        self.fail_after(None).await;
    }

    /// Fails the open transaction, if there is one. All of it is undone, unless the user can go back to a savepoint.
    async fn fail_after(&mut self, error: Option<&SqlError>) {
        match std::mem::take(&mut self.transaction) {
            TransactionState::Open(open) if open.kind == Kind::Explicit => {
                let failed = FailedTransaction::after(open, error, &self.node).await;
                self.transaction = TransactionState::Failed(failed);
            }
            TransactionState::Open(open) => {
                self.variables.end(false);
                open.rollback(&self.node).await;
            }
            other @ (TransactionState::Idle | TransactionState::Failed(_)) => self.transaction = other,
        }
    }

    /// The catalog as this session sees it: the node's, with what its transaction has changed.
    pub(crate) fn catalog(&self) -> Arc<CatalogSnapshot> {
        let catalog = self.node.catalog.snapshot();
        match &self.transaction {
            TransactionState::Open(open) => open.staged.catalog(catalog),
            TransactionState::Idle | TransactionState::Failed(_) => catalog,
        }
    }

    /// Tells whether [`Session::catalog`] is another than before.
    pub(crate) fn catalog_stamp(&self) -> CatalogStamp {
        let staged = match &self.transaction {
            TransactionState::Open(open) if !open.staged.is_empty() => self.staged_count,
            TransactionState::Idle | TransactionState::Open(_) | TransactionState::Failed(_) => 0,
        };
        CatalogStamp { version: self.node.catalog.version(), staged }
    }

    /// Binds with the newest catalog, as soon as this node may rely on it.
    async fn bind(
        &mut self,
        statement: &Statement,
        types: &[Option<DataType>],
        cancel: &CancelToken,
    ) -> Result<Prepared, SqlError> {
        let (binding, _) = self.confirmed_binding(statement, types, cancel).await?;
        Ok(Prepared { statement: statement.clone(), binding })
    }

    /// The statement's binding with a catalog that this node may rely on; with the lease on it, where it needs one.
    pub(crate) async fn confirmed_binding(
        &mut self,
        statement: &Statement,
        types: &[Option<DataType>],
        cancel: &CancelToken,
    ) -> Result<(Arc<Binding>, Option<Timestamp>), SqlError> {
        if !needs_catalog(statement.tree()) {
            return Ok((self.binding(statement, types)?, None));
        }
        let node = Arc::clone(&self.node);
        let mut wait = CatalogWait::new(&node, cancel);
        loop {
            // The lease comes first: one that is given from now on may be for a newer catalog than the binding's.
            let until = wait.lease().await?;
            let version = node.catalog.version();
            let binding = self.binding(statement, types);
            // And last, so that a pause in between cannot go unnoticed: also that a name is unknown must be true.
            if node.cluster.catalog_lease().is_ok() && node.catalog.version() == version {
                return binding.map(|binding| (binding, Some(until)));
            }
        }
    }

    /// The statement's binding with the newest catalog: the one that it has, or a new one.
    pub(crate) fn binding(
        &self,
        statement: &Statement,
        types: &[Option<DataType>],
    ) -> Result<Arc<Binding>, SqlError> {
        let catalog = self.catalog();
        let options = Arc::clone(&self.options);
        let stamp = CatalogStamp { version: catalog.version, ..self.catalog_stamp() };
        let with = BoundWith { catalog: stamp, types: types.to_vec(), options };
        // What only this transaction may see is not for others that know the statement; nor are a cursor's columns.
        let is_own = stamp.staged != 0 || is_about_session(statement.tree());
        if let Some(binding) = statement.binding(&with).filter(|_| !is_own) {
            return Ok(binding);
        }
        let context = BindContext { parameter_types: types, ..self.bind_context() };
        let bound = bind(statement.tree(), catalog.as_ref(), &context)?;
        let known_columns = self.known_columns(statement.tree());
        let binding = Arc::new(Binding::new(with, bound, known_columns));
        if !is_own {
            statement.set_binding(&binding);
        }
        Ok(binding)
    }

    /// The sequences, as a statement sees them now.
    pub(crate) fn drawing(&self) -> Drawing<'_> {
        let drawing = Drawing::new(&self.node, &self.sequences, self.is_read_only());
        match &self.transaction {
            TransactionState::Open(open) if !open.staged.is_empty() => {
                drawing.within(self.catalog(), open.staged.sequences())
            }
            TransactionState::Open(_) | TransactionState::Idle | TransactionState::Failed(_) => drawing,
        }
    }

    /// What the session adds to the catalog where names are bound.
    pub(crate) fn bind_context(&self) -> BindContext<'_> {
        BindContext {
            parameter_types: &[],
            user: &self.options.user,
            database: &self.options.database,
            generation: self.node.cluster.generation(),
            backend_pid: self.options.backend_pid,
        }
    }

    /// Takes the variables that functions of a statement have changed.
    pub(crate) fn take_changed(&mut self, changed: Option<Box<Variables>>) {
        if let Some(changed) = changed {
            self.variables = *changed;
        }
    }

    /// Whether a transaction is open.
    pub(crate) fn is_in_transaction(&self) -> bool {
        matches!(self.transaction, TransactionState::Open(_))
    }

    /// Fails in a read-only transaction.
    pub(crate) fn check_writable(&self, what: &str) -> Result<(), SqlError> {
        if !self.is_read_only() {
            return Ok(());
        }
        let message = format!("cannot execute {what} in a read-only transaction");
        Err(SqlError::new(SqlState::ReadOnlySqlTransaction, message))
    }

    /// Whether the open transaction may not write, or the next one unless it says so.
    pub(crate) fn is_read_only(&self) -> bool {
        match &self.transaction {
            TransactionState::Open(open) => open.read_only,
            TransactionState::Idle | TransactionState::Failed(_) => self.variables.is_read_only_by_default(),
        }
    }

    /// The open transaction.
    pub(crate) fn open_mut(&mut self) -> Option<&mut transaction::OpenTransaction> {
        match &mut self.transaction {
            TransactionState::Open(open) => Some(open),
            TransactionState::Idle | TransactionState::Failed(_) => None,
        }
    }

    /// The user's transaction, for a COPY within it.
    pub(crate) async fn copy_transaction(
        &mut self,
        table: &TableDescriptor,
    ) -> Result<&mut Box<dyn Transaction>, SqlError> {
        match &mut self.transaction {
            TransactionState::Open(open) => open.begin_copy(&self.node, table).await,
            TransactionState::Idle | TransactionState::Failed(_) => {
                let message = "the transaction of this COPY is over";
                Err(SqlError::new(SqlState::NoActiveSqlTransaction, message))
            }
        }
    }

    /// Fails the transaction after an error.
    pub(crate) async fn after<T>(&mut self, result: Result<T, SqlError>) -> Result<T, SqlError> {
        if let Err(error) = &result {
            if let TransactionState::Open(open) = &self.transaction {
                let age = open.age();
                self.note_age(age, &result);
            }
            self.fail_after(Some(error)).await;
        }
        result
    }

    /// Remembers when work began that has lost against others: whoever repeats it keeps its age.
    pub(crate) fn note_age<T>(&mut self, age: Option<Timestamp>, result: &Result<T, SqlError>) {
        self.tried_since = match result {
            Err(error) if error.state == SqlState::SerializationFailure => age,
            Ok(_) | Err(_) => None,
        };
    }
}

#[cfg(test)]
pub(crate) mod tests;
