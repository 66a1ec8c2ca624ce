//! The SQL shell: `quorate sql`.
//!
//! It speaks the PostgreSQL protocol to any node (or to any PostgreSQL server), sends one statement at a time and prints
//! rows as they come. Rows go to stdout and everything else to stderr, so that a script reads rows alone. Statements of
//! `-e`, `-f` and a piped stdin end with the first error; at the prompt the session goes on.

mod catalogs;
mod client;
mod commands;
mod copy;
mod editor;
mod interactive;
mod meta;
mod output;
mod render;
mod report;
mod script;
mod session;
mod splitter;
mod transaction;

use std::io::IsTerminal;
use std::path::PathBuf;

use crate::cli::ExitStatus;

use client::ShellClient;
use output::Output;
pub use render::Format;
use session::Shell;

/// What the shell is to do.
#[derive(Clone, Debug)]
pub struct ShellOptions {
    /// Where to connect.
    pub url: String,
    /// Statements to run.
    pub execute: Vec<String>,
    /// A file of statements to run after them.
    pub file: Option<PathBuf>,
    /// How rows are printed; by itself a table on a terminal, else tab-separated values.
    pub format: Option<Format>,
}

impl ShellOptions {
    /// A shell at this address, with everything else by itself.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), execute: Vec::new(), file: None, format: None }
    }
}

/// Runs the shell on this process's stdin, stdout and stderr until it ends.
pub async fn run(options: ShellOptions) -> ExitStatus {
    let format = options.format.unwrap_or_else(default_format);
    let client = match ShellClient::connect(&options.url).await {
        Ok(client) => client,
        Err(failure) => {
            eprintln!("{failure}");
            return failure.status();
        }
    };
    let mut shell = Shell::new(client, Output::stdout(format));
    if !options.execute.is_empty() || options.file.is_some() {
        return script::run_given(&mut shell, &options).await;
    }
    if std::io::stdin().is_terminal() {
        return interactive::run(&mut shell).await;
    }
    script::run_stdin(&mut shell).await
}

fn default_format() -> Format {
    if std::io::stdout().is_terminal() { Format::Table } else { Format::Tsv }
}
