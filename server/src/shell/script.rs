//! Statements without a person: `-e`, `-f` and a piped stdin. The first error ends them, unless they say otherwise.

use std::io::ErrorKind;
use std::path::Path;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};

use super::ShellOptions;
use super::client::StatementFailure;
use super::output::Output;
use super::session::{Flow, Shell};
use super::splitter::Splitter;
use crate::cli::ExitStatus;

/// Runs `-e`, then `-f`.
pub async fn run_given(shell: &mut Shell, options: &ShellOptions) -> ExitStatus {
    for text in &options.execute {
        match run_lines(shell, text.as_bytes(), None).await {
            Ok(Flow::Next) => {}
            Ok(Flow::Quit) => return ExitStatus::Done,
            Err(failure) => return ended_by(failure, &mut shell.output),
        }
    }
    match &options.file {
        Some(path) => run_file(shell, path).await,
        None => ExitStatus::Done,
    }
}

async fn run_file(shell: &mut Shell, path: &Path) -> ExitStatus {
    match tokio::fs::File::open(path).await {
        Ok(file) => {
            let result = run_lines(shell, BufReader::new(file), Some(&path.display().to_string())).await;
            status(shell, result)
        }
        Err(error) => {
            shell.output.say(&format!(
                "error: {}: {error}\n  do: name a file that exists and can be read",
                path.display()
            ));
            ExitStatus::Usage
        }
    }
}

/// Runs what stdin has.
pub async fn run_stdin(shell: &mut Shell) -> ExitStatus {
    let result = run_lines(shell, BufReader::new(tokio::io::stdin()), Some("stdin")).await;
    status(shell, result)
}

fn status(shell: &mut Shell, result: Result<Flow, StatementFailure>) -> ExitStatus {
    match result {
        Ok(_) => ExitStatus::Done,
        Err(failure) => ended_by(failure, &mut shell.output),
    }
}

/// Runs all lines; `name` is what errors call them.
///
/// # Errors
/// What ends them early.
pub async fn run_lines(
    shell: &mut Shell,
    mut reader: impl AsyncBufRead + Unpin,
    name: Option<&str>,
) -> Result<Flow, StatementFailure> {
    let unreadable =
        |error| StatementFailure::Shell(format!("error: the statements cannot be read: {error}"));
    let mut splitter = Splitter::default();
    let mut line = String::new();
    let mut number = 0_u64;
    while reader.read_line(&mut line).await.map_err(unreadable)? > 0 {
        number += 1;
        shell.place = name.map(|name| format!("{name}, line {number}"));
        if shell.line(&mut splitter, &line).await? == Flow::Quit {
            return Ok(Flow::Quit);
        }
        line.clear();
    }
    match splitter.finish() {
        Some(statement) => shell.statement(&statement).await.map(|()| Flow::Next),
        None => Ok(Flow::Next),
    }
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
