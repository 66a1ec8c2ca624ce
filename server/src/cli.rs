//! The command line: what can be typed, with examples, and the exit codes.
//!
//! clap lives here and nowhere else. The types below hold raw text; `config` checks it and reports all faults at once.

mod demo;
mod host;
mod node;
mod range;
mod sql;
mod start;
mod status;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use demo::DemoArguments;
pub use host::{AdminArguments, HostArguments};
pub use node::{NodeAction, NodeArguments, TokenArguments};
pub use range::{RangeAction, RangeArguments};
pub use sql::SqlArguments;
pub use start::{InitArguments, StartArguments};
pub use status::{StatusArguments, StatusFormat};

/// Quorate's version, as cargo knows it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How a command ends; the numbers are a contract with scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// Done.
    Done,
    /// A statement or an operation failed.
    Failed,
    /// No node could be reached.
    Unreachable,
    /// Wrong flags or a configuration with faults; nothing was done.
    Usage,
}

impl ExitStatus {
    /// The process's exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Unreachable => 2,
            Self::Usage => 4,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

const EXAMPLES: &str = "\
Examples:
  quorate demo                                        three nodes in one process, sample data, a SQL shell
  quorate start --data-dir d1 --listen 127.0.0.1:7001 --sql 127.0.0.1:5401 --http 127.0.0.1:8001 \\
      --locality region=eu,zone=a --join 127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003
  quorate init --host 127.0.0.1:7001                  once, when the first nodes have started
  quorate sql -e \"SELECT 1\" --host 127.0.0.1:7001
  quorate status --host 127.0.0.1:7001
  quorate range ls --host 127.0.0.1:7001
  quorate node remove n4 --host 127.0.0.1:7001        n4 is gone for good

Exit codes: 0 done, 1 failed, 2 no node reached, 4 wrong usage.";

/// A SQL database that splits its data into key ranges, each replicated by its own Raft group.
#[derive(Parser, Debug)]
#[command(name = "quorate", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Start several nodes in this process, with sample data and a SQL shell
    Demo(DemoArguments),
    /// Start one node
    Start(StartArguments),
    /// Make a new cluster of the nodes that have started; once in its life
    Init(InitArguments),
    /// Open a SQL shell, or run statements
    Sql(SqlArguments),
    /// Say how the cluster is, and what to do
    Status(StatusArguments),
    /// List ranges, look at one, move, split or lead it elsewhere
    Range(RangeArguments),
    /// Remove a node that is gone
    Node(NodeArguments),
    /// Make a new token for commands from other machines
    Token(TokenArguments),
    /// Print the version
    Version,
}

/// Why parsing ended without a command to run.
#[derive(Debug)]
pub struct Ended {
    /// Exit status.
    pub status: ExitStatus,
    error: clap::Error,
}

impl Ended {
    /// Prints the help or the fault where it belongs: help on stdout, a fault on stderr.
    pub fn print(&self) {
        // Nothing can be done where the terminal is gone.
        let _ = self.error.print();
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.error)
    }
}

impl Cli {
    /// Reads a command line, the program's name first.
    ///
    /// # Errors
    /// Help was asked for, or a flag is wrong.
    pub fn read<I, T>(arguments: I) -> Result<Self, Ended>
    where
        I: IntoIterator<Item = T>,
        T: Into<std::ffi::OsString> + Clone,
    {
        Self::try_parse_from(arguments).map_err(|error| {
            let status = if error.use_stderr() { ExitStatus::Usage } else { ExitStatus::Done };
            Ended { status, error }
        })
    }
}

#[cfg(test)]
mod tests;
