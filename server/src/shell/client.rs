//! The shell's connection: opens it, runs one statement at a time, and says what to do where it cannot.

mod connect;
mod failure;

use std::pin::pin;

use futures::StreamExt;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::copy::{self, Direction};
use super::output::Output;
use super::render::{Column, ColumnKind, Format, TextRow};
use super::report::Report;
use super::script::Lines;
use super::splitter::leading_words;
use super::transaction::TransactionMark;

pub use connect::ConnectFailure;
pub use failure::StatementFailure;

/// An open connection.
pub struct ShellClient {
    client: Client,
    /// At a prompt, Ctrl-C ends the statement and not the shell.
    cancels_on_ctrl_c: bool,
    transaction: TransactionMark,
}

impl ShellClient {
    /// Connects.
    ///
    /// # Errors
    /// A URL that cannot be read, a node that cannot be reached or refuses; with the command to run next.
    pub async fn connect(url: &str) -> Result<Self, ConnectFailure> {
        let client = connect::connect(url).await?;
        Ok(Self { client, cancels_on_ctrl_c: false, transaction: TransactionMark::Idle })
    }

    /// From now on Ctrl-C asks the server to end the running statement.
    pub fn cancel_on_ctrl_c(&mut self) {
        self.cancels_on_ctrl_c = true;
    }

    /// Where the session's transaction stands.
    pub fn transaction(&self) -> TransactionMark {
        self.transaction
    }

    /// Notes what a statement has done to the transaction.
    pub fn note(&mut self, statement: &str, is_done: bool) {
        self.transaction = self.transaction.after(statement, is_done);
    }

    /// The rows of a query, at most so many.
    ///
    /// # Errors
    /// As [`ShellClient::run`].
    pub async fn rows(&mut self, query: &str, rows_max: usize) -> Result<Vec<TextRow>, StatementFailure> {
        let result = self.collect(query, rows_max).await;
        self.note(query, result.is_ok());
        result
    }

    async fn collect(&self, query: &str, rows_max: usize) -> Result<Vec<TextRow>, StatementFailure> {
        let failed = |error| StatementFailure::of(error, query);
        let mut messages = pin!(self.client.simple_query_raw(query).await.map_err(failed)?);
        let mut rows = Vec::new();
        while let Some(message) = messages.next().await {
            if let SimpleQueryMessage::Row(row) = message.map_err(failed)?
                && rows.len() < rows_max
            {
                rows.push((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect());
            }
        }
        Ok(rows)
    }

    /// The connection itself, for COPY.
    pub fn postgres(&self) -> &Client {
        &self.client
    }

    /// Runs one statement and prints what it answers; `lines` are those behind it, where it stands in a file.
    ///
    /// # Errors
    /// The statement failed, the connection is lost, or the output cannot be written.
    pub async fn run(
        &mut self,
        statement: &str,
        lines: Option<&mut Lines<'_>>,
        output: &mut Output,
    ) -> Result<(), StatementFailure> {
        let result = match (copy::direction(statement), lines) {
            (Some(Direction::In), Some(lines)) => copy::run_lines(self, statement, lines, output).await,
            (Some(direction), _) => copy::run(self, direction, statement, output).await,
            (None, _) => self.run_query(statement, output).await,
        };
        self.note(statement, result.is_ok());
        if result.is_err() {
            output.abandon().map_err(StatementFailure::Output)?;
        }
        result
    }

    async fn run_query(&mut self, statement: &str, output: &mut Output) -> Result<(), StatementFailure> {
        let kinds = self.kinds(statement, output.format()).await?;
        let rows = self.client.simple_query_raw(statement).await;
        let mut rows = pin!(rows.map_err(|error| StatementFailure::of(error, statement))?);
        let mut interrupt = pin!(interrupt(self.cancels_on_ctrl_c));
        let mut interrupted = false;
        loop {
            let message = tokio::select! {
                message = rows.next() => message,
                () = &mut interrupt, if !interrupted => {
                    interrupted = true;
                    self.ask_to_cancel(output).await;
                    continue;
                }
            };
            let Some(message) = message else { return Ok(()) };
            let message = message.map_err(|error| StatementFailure::of(error, statement))?;
            print(message, &kinds, (statement, self.transaction), output)
                .map_err(StatementFailure::Output)?;
        }
    }

    /// Kinds of the columns, where the format needs them: text alone does not tell a number from digits.
    async fn kinds(&self, statement: &str, format: Format) -> Result<Vec<ColumnKind>, StatementFailure> {
        let words = leading_words(statement, 1);
        let returns_rows = words.first().is_some_and(|first| RETURN_ROWS.contains(&first.as_str()));
        if format != Format::Json || !returns_rows {
            return Ok(Vec::new());
        }
        let prepared = self.client.prepare(statement).await;
        let prepared = prepared.map_err(|error| StatementFailure::of(error, statement))?;
        Ok(prepared.columns().iter().map(|column| kind(column.type_())).collect())
    }

    async fn ask_to_cancel(&self, output: &mut Output) {
        output.say("cancelling …");
        if let Err(error) = self.client.cancel_token().cancel_query(NoTls).await {
            output.say(&format!("the request to cancel was not delivered: {error}"));
        }
    }
}

/// What statements begin with that may return rows.
const RETURN_ROWS: [&str; 11] = [
    "SELECT", "VALUES", "WITH", "SHOW", "EXPLAIN", "TABLE", "INSERT", "UPDATE", "DELETE", "FETCH", "EXECUTE",
];

/// Waits for Ctrl-C, or for ever.
async fn interrupt(listens: bool) {
    if !listens || tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn kind(data_type: &Type) -> ColumnKind {
    match *data_type {
        Type::INT2 | Type::INT4 | Type::INT8 | Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC => {
            ColumnKind::Number
        }
        Type::BOOL => ColumnKind::Bool,
        _ => ColumnKind::Text,
    }
}

fn print(
    message: SimpleQueryMessage,
    kinds: &[ColumnKind],
    (statement, transaction): (&str, TransactionMark),
    output: &mut Output,
) -> std::io::Result<()> {
    match message {
        SimpleQueryMessage::RowDescription(columns) => {
            let kinds = kinds.iter().copied().chain(std::iter::repeat(ColumnKind::Text));
            let column = |(column, kind): (&tokio_postgres::SimpleColumn, ColumnKind)| Column {
                name: column.name().to_owned(),
                kind,
            };
            output.begin(columns.iter().zip(kinds).map(column).collect())
        }
        SimpleQueryMessage::Row(row) => {
            output.row((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
        }
        SimpleQueryMessage::CommandComplete(rows) => output.end(&tag(statement, rows, transaction)),
        _ => Ok(()),
    }
}

/// The command tag as psql shows it; the driver keeps only its number.
fn tag(statement: &str, rows: u64, transaction: TransactionMark) -> String {
    let words = leading_words(statement, 2);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["INSERT", ..] => format!("INSERT 0 {rows}"),
        [word @ ("UPDATE" | "DELETE" | "COPY"), ..] => format!("{word} {rows}"),
        ["COMMIT" | "END", ..] if transaction == TransactionMark::Failed => "ROLLBACK".to_owned(),
        ["START", ..] => "START TRANSACTION".to_owned(),
        [word @ ("CREATE" | "DROP" | "ALTER"), object, ..] => format!("{word} {object}"),
        [word, ..] => (*word).to_owned(),
        [] => String::new(),
    }
}

/// A report of what the server said, where it said something.
fn report(error: &tokio_postgres::Error) -> Option<Report> {
    error.as_db_error().map(Report::from)
}
