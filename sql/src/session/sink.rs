//! Where a statement's results go, and how a statement ended.

use async_trait::async_trait;
use bytes::Bytes;

use super::variables::severity_rank;
use crate::copy::CopyIn;
use crate::error::{SqlError, SqlState};
use crate::plan::node::OutputColumn;
use crate::types::Row;

/// Takes a statement's results; the wire and the tests implement it. Calls may wait: that is the back-pressure.
#[async_trait]
pub trait ResultSink: Send {
    /// The columns of a result; once, before its rows.
    async fn columns(&mut self, columns: &[OutputColumn]) -> Result<(), SqlError>;

    /// What follows are rows of a BINARY cursor: told in the binary format where the client has not chosen one.
    fn use_binary(&mut self) {}

    /// At most [`crate::limits::SINK_ROWS_MAX`] rows.
    async fn rows(&mut self, rows: Vec<Row>) -> Result<(), SqlError>;

    /// `COPY TO STDOUT` begins, with this many columns.
    async fn copy_out(&mut self, column_count: usize) -> Result<(), SqlError>;

    /// Lines of `COPY TO STDOUT`, each a message of its own: clients take a message for a row.
    async fn copy_data(&mut self, lines: Vec<Bytes>) -> Result<(), SqlError>;

    /// A message beside the result; `severity` is `NOTICE` or `WARNING`.
    fn notice(&mut self, severity: &str, state: SqlState, message: String);
}

/// How a statement ended.
#[derive(Debug)]
pub enum Completion {
    /// PostgreSQL's command tag: `INSERT 0 5`, `SELECT 3`, `BEGIN`.
    Tag(String),
    /// The text had no statement.
    Empty,
    /// `COPY … FROM STDIN`: feed it, then finish or abort it.
    CopyIn(Box<CopyIn>),
}

/// Where a session stands; the wire's ReadyForQuery tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// No transaction.
    Idle,
    /// In a transaction.
    Active,
    /// In a transaction that failed: only its end is accepted.
    Failed,
}

/// A sink without the notices that its client does not want.
pub(crate) struct WantedNotices<'a> {
    /// Where everything else goes.
    pub sink: &'a mut dyn ResultSink,
    /// Rank of the least severity that is wanted.
    pub least: usize,
}

#[async_trait]
impl ResultSink for WantedNotices<'_> {
    async fn columns(&mut self, columns: &[OutputColumn]) -> Result<(), SqlError> {
        self.sink.columns(columns).await
    }

    async fn rows(&mut self, rows: Vec<Row>) -> Result<(), SqlError> {
        self.sink.rows(rows).await
    }

    fn use_binary(&mut self) {
        self.sink.use_binary();
    }

    async fn copy_out(&mut self, column_count: usize) -> Result<(), SqlError> {
        self.sink.copy_out(column_count).await
    }

    async fn copy_data(&mut self, lines: Vec<Bytes>) -> Result<(), SqlError> {
        self.sink.copy_data(lines).await
    }

    fn notice(&mut self, severity: &str, state: SqlState, message: String) {
        if severity_rank(severity).is_none_or(|rank| rank >= self.least) {
            self.sink.notice(severity, state, message);
        }
    }
}
