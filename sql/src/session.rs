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

pub mod kv_error;
pub mod prepared;
pub mod retry;
pub mod sink;

use std::sync::Arc;

pub use prepared::{Prepared, Statement, TextRun};
pub use sink::{Completion, ResultSink, SINK_BYTES_MAX, SINK_ROWS_MAX, TransactionStatus};

use crate::cancel::CancelToken;
use crate::error::SqlError;
use crate::node::SqlNode;
use crate::types::{DataType, Datum};

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
    node: Arc<SqlNode>,
    options: SessionOptions,
}

impl Session {
    pub(crate) fn new(node: Arc<SqlNode>, options: SessionOptions) -> Self {
        Self { node, options }
    }

    /// Reads a text of any number of statements.
    ///
    /// # Errors
    /// 42601 with a position within the text; 0A000 for what is not offered.
    pub fn parse(&self, text: &str) -> Result<Vec<Statement>, SqlError> {
        let _ = text;
        Err(SqlError::unsupported("parsing"))
    }

    /// Binds a statement: finds its parameters' types (of which `types` gives some) and its result's columns.
    ///
    /// # Errors
    /// Those of binding: unknown tables and columns, types that do not fit, …
    pub async fn prepare(
        &mut self,
        statement: &Statement,
        types: &[Option<DataType>],
    ) -> Result<Prepared, SqlError> {
        let _ = (statement, types);
        Err(SqlError::unsupported("prepare"))
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
        let _ = (prepared, parameters, cancel, sink);
        Err(SqlError::unsupported("run"))
    }

    /// Starts a simple query: [`TextRun::next`] then runs one statement after the other.
    ///
    /// # Errors
    /// As [`Session::parse`]; a transaction that was open has failed then.
    pub fn begin_text(&mut self, text: &str) -> Result<TextRun, SqlError> {
        let statements = self.parse(text)?;
        Ok(TextRun::new(statements))
    }

    /// Where the session stands, for ReadyForQuery.
    pub fn transaction_status(&self) -> TransactionStatus {
        TransactionStatus::Idle
    }

    /// All parameters that a client is told of when it connects: `server_version`, `client_encoding`, …
    pub fn parameter_statuses(&self) -> Vec<(String, String)> {
        vec![("application_name".to_owned(), self.options.application_name.clone())]
    }

    /// Those of [`Session::parameter_statuses`] that have changed since the last call.
    pub fn take_changed_parameters(&mut self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Whether `DEALLOCATE ALL` or `DISCARD ALL` ran since the last call: the wire drops its named statements.
    pub fn take_deallocated(&mut self) -> Vec<Deallocated> {
        Vec::new()
    }

    /// Fails the open transaction, if there is one: after a protocol error inside a block.
    pub fn fail_transaction(&mut self) {
        let _ = &self.node;
    }
}

/// A prepared statement that SQL has closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deallocated {
    /// The one of this name.
    Name(String),
    /// All of them.
    All,
}
