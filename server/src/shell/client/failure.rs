//! Why a statement failed, cut by what the shell does next.

use std::io;

use super::report;

/// Why a statement failed.
#[derive(Debug)]
pub enum StatementFailure {
    /// The server refused or broke it off; the session goes on. Holds the text to show.
    Sql(String),
    /// The connection is gone, and nobody knows whether the statement took effect. Holds the text to show.
    Lost(String),
    /// Rows could not be written.
    Output(io::Error),
    /// What was typed makes no sense to the shell, or a file cannot be read. Holds the text to show.
    Shell(String),
}

impl StatementFailure {
    /// What the driver's error means for this statement.
    pub fn of(error: tokio_postgres::Error, statement: &str) -> Self {
        match report(&error) {
            Some(report) if report.severity != "FATAL" && report.severity != "PANIC" => {
                Self::Sql(report.render(statement))
            }
            Some(report) => Self::Lost(report.render(statement)),
            None if error.is_closed() || is_io(&error) => Self::Lost(lost(&error)),
            None => Self::Sql(format!("ERROR: the answer cannot be read: {error}")),
        }
    }
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<io::Error>)
}

fn lost(error: &tokio_postgres::Error) -> String {
    format!(
        "ERROR: the connection to the node is lost ({error})\n\
         DETAIL: whether the statement took effect is not known\n\
         HINT: ask another node: quorate sql URL, or quorate status --host HOST:PORT"
    )
}
