//! Why a bench ended early, and how one operation failed.

use std::io;
use std::path::PathBuf;

/// Why nothing, or not all, was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Flags that do not go together, or a program that is not there: with what to do.
    #[error("{0}")]
    Usage(String),
    /// A file, a folder or a socket of the bench itself.
    #[error("{what}: {source}")]
    Io {
        /// What was done.
        what: String,
        /// The system's words.
        source: io::Error,
    },
    /// A process did not start, or has ended; its log says why.
    #[error("{what}\n  log: {}", log.display())]
    Process {
        /// What happened.
        what: String,
        /// Where its output is.
        log: PathBuf,
    },
    /// A wait that took too long.
    #[error("{what} did not come within {seconds} s; last: {last}")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// What was seen last.
        last: String,
    },
    /// A system refused what a run needs.
    #[error("{system}: {what}: {detail}")]
    System {
        /// Which one.
        system: String,
        /// What was asked.
        what: String,
        /// Its words.
        detail: String,
    },
    /// The report could not be written.
    #[error("the chart was not drawn: {0}")]
    Chart(String),
    /// The user has stopped the run.
    #[error("stopped")]
    Stopped,
}

impl BenchError {
    /// An error of this bench's own input and output.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Whether nothing was tried: the exit code tells it apart.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Usage(_))
    }
}

/// What is known of an operation that was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was refused and has not happened; the client may ask again (SQLSTATE 40001).
    Retry,
    /// It was refused and has not happened.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// An operation that was not acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{detail}")]
pub struct OpError {
    /// What is known of it.
    pub fate: Fate,
    /// The system's words.
    pub detail: String,
}

impl OpError {
    /// One whose outcome nobody knows.
    pub fn unknown(detail: impl Into<String>) -> Self {
        Self { fate: Fate::Unknown, detail: detail.into() }
    }

    /// One that has not happened.
    pub fn refused(detail: impl Into<String>) -> Self {
        Self { fate: Fate::Refused, detail: detail.into() }
    }
}
