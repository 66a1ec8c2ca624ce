//! `quorate sql`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::host::HostArguments;
use crate::shell::Format;

const EXAMPLES: &str = "\
Examples:
  quorate sql                                    the shell, on the node that listens at 127.0.0.1:7001
  quorate sql --host 127.0.0.1:7002 -e \"SELECT 1\" -e \"SELECT 2\"
  quorate sql postgres://root@127.0.0.1:5401/quorate -f schema.sql --format csv
  echo \"SELECT 1\" | quorate sql

On a terminal rows are shown as a table, else as lines of tab-separated values without a header (NULL is \\N).
The first error ends -e, -f and piped statements with exit code 1.";

/// Flags of `quorate sql`.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct SqlArguments {
    /// A SQL address as PostgreSQL's clients have it; without it the node at --host is asked for its own
    #[arg(value_name = "URL", env = "QUORATE_URL", hide_env_values = true)]
    pub url: Option<String>,
    /// Where to ask.
    #[command(flatten)]
    pub to: HostArguments,
    /// Run this and end; may be given several times
    #[arg(short = 'e', long = "execute", value_name = "SQL")]
    pub execute: Vec<String>,
    /// Run the statements of this file and end; after those of -e
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// How rows are printed; without it: table on a terminal, else tsv
    #[arg(long, value_enum)]
    pub format: Option<FormatArgument>,
}

/// How rows are printed.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormatArgument {
    /// Aligned columns and a count
    Table,
    /// Comma-separated, with a header
    Csv,
    /// An array of objects for each statement
    Json,
    /// Tab-separated, without a header
    Tsv,
}

impl From<FormatArgument> for Format {
    fn from(argument: FormatArgument) -> Self {
        match argument {
            FormatArgument::Table => Self::Table,
            FormatArgument::Csv => Self::Csv,
            FormatArgument::Json => Self::Json,
            FormatArgument::Tsv => Self::Tsv,
        }
    }
}
