//! `quorate status`.

use clap::{Args, ValueEnum};

use super::host::HostArguments;

const EXAMPLES: &str = "\
Examples:
  quorate status --host 127.0.0.1:7001
  quorate status --host 127.0.0.1:7001 --format json

The first line is the verdict. Exit code 0 when the cluster is healthy, 1 when it is not, 2 when no node answers.";

/// Flags of `quorate status`.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct StatusArguments {
    /// Where to ask.
    #[command(flatten)]
    pub to: HostArguments,
    /// How to print it
    #[arg(long, value_enum, default_value = "table")]
    pub format: StatusFormat,
}

/// How `quorate status` prints.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFormat {
    /// For people
    Table,
    /// For programs
    Json,
}
