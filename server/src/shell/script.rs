//! Statements without a person: `-e`, `-f` and a piped stdin. The first error ends them.

use std::io::ErrorKind;
use std::path::Path;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};

use super::ShellOptions;
use super::client::{ShellClient, StatementFailure};
use super::copy;
use super::output::Output;
use super::splitter::{Splitter, split};
use crate::cli::ExitStatus;

use quorate_sql::limits::STATEMENT_MAX_BYTES;

/// Runs `-e`, then `-f`.
pub async fn run_given(client: &mut ShellClient, output: &mut Output, options: &ShellOptions) -> ExitStatus {
    for text in &options.execute {
        for statement in split(text) {
            if let Err(failure) = client.run(&statement, output).await {
                return ended_by(failure, output);
            }
        }
    }
    match &options.file {
        Some(path) => run_file(client, output, path).await,
        None => ExitStatus::Done,
    }
}

async fn run_file(client: &mut ShellClient, output: &mut Output, path: &Path) -> ExitStatus {
    match tokio::fs::File::open(path).await {
        Ok(file) => run_lines(client, output, BufReader::new(file)).await,
        Err(error) => {
            output.say(&format!(
                "error: {}: {error}\n  do: name a file that exists and can be read",
                path.display()
            ));
            ExitStatus::Usage
        }
    }
}

/// Runs what stdin has.
pub async fn run_stdin(client: &mut ShellClient, output: &mut Output) -> ExitStatus {
    run_lines(client, output, BufReader::new(tokio::io::stdin())).await
}

async fn run_lines(
    client: &mut ShellClient,
    output: &mut Output,
    reader: impl AsyncBufRead + Unpin,
) -> ExitStatus {
    match run_until_error(client, output, reader).await {
        Ok(()) => ExitStatus::Done,
        Err(failure) => ended_by(failure, output),
    }
}

async fn run_until_error(
    client: &mut ShellClient,
    output: &mut Output,
    mut reader: impl AsyncBufRead + Unpin,
) -> Result<(), StatementFailure> {
    let unreadable =
        |error| StatementFailure::Shell(format!("error: the statements cannot be read: {error}"));
    let mut splitter = Splitter::default();
    let mut line = String::new();
    while reader.read_line(&mut line).await.map_err(unreadable)? > 0 {
        if let Some(arguments) = line.strip_prefix("\\copy ").filter(|_| !splitter.is_open()) {
            run_file_copy(client, output, arguments.trim()).await?;
        } else {
            splitter.push(&line);
        }
        line.clear();
        while let Some(statement) = splitter.next_statement() {
            client.run(&statement, output).await?;
        }
        if splitter.is_too_long() {
            let limit = STATEMENT_MAX_BYTES >> 20;
            return Err(StatementFailure::Shell(format!("error: no statement ends within {limit} MiB")));
        }
    }
    match splitter.finish() {
        Some(statement) => client.run(&statement, output).await,
        None => Ok(()),
    }
}

/// Runs `\copy` with these arguments.
pub async fn run_file_copy(
    client: &ShellClient,
    output: &mut Output,
    arguments: &str,
) -> Result<(), StatementFailure> {
    let usage = "error: write \\copy TABLE FROM 'FILE' [WITH (…)] or \\copy TABLE TO 'FILE' [WITH (…)]";
    let copy = copy::parse(arguments).ok_or_else(|| StatementFailure::Shell(usage.to_owned()))?;
    copy::run_file(client, &copy, output).await
}

/// Says why, and gives the exit status.
pub fn ended_by(failure: StatementFailure, output: &mut Output) -> ExitStatus {
    match failure {
        StatementFailure::Sql(text) => {
            output.say(&text);
            ExitStatus::Failed
        }
        StatementFailure::Shell(text) => {
            output.say(&text);
            ExitStatus::Usage
        }
        StatementFailure::Lost(text) => {
            output.say(&text);
            ExitStatus::Unreachable
        }
        // Whoever read the rows has read enough, as in `quorate sql … | head`.
        StatementFailure::Output(error) if error.kind() == ErrorKind::BrokenPipe => ExitStatus::Done,
        StatementFailure::Output(error) => {
            output.say(&format!("error: rows cannot be written: {error}"));
            ExitStatus::Failed
        }
    }
}
