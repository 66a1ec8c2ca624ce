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

/// The lines of a text that are not read yet.
pub struct Lines<'a> {
    reader: &'a mut (dyn AsyncBufRead + Unpin + Send),
    /// Of the last one, from one.
    number: u64,
    /// The data of the last COPY have come to their end.
    has_ended: bool,
}

impl Lines<'_> {
    /// The next line of statements, with its end; nothing behind the last one.
    async fn statements(&mut self) -> Result<String, StatementFailure> {
        let unreadable =
            |error| StatementFailure::Shell(format!("error: the statements cannot be read: {error}"));
        let mut line = String::new();
        self.reader.read_line(&mut line).await.map_err(unreadable)?;
        self.number += 1;
        Ok(line)
    }

    /// The data of a COPY come next.
    pub fn begin_data(&mut self) {
        self.has_ended = false;
    }

    /// The next lines of a COPY's data, of about so many bytes together; nothing behind the last one, which is one with `\.` alone,
    /// or the last of the text.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn data(&mut self, bytes: usize) -> Result<Vec<u8>, StatementFailure> {
        let unreadable = |error| StatementFailure::Shell(format!("error: the data cannot be read: {error}"));
        let mut data = Vec::new();
        while data.len() < bytes && !self.has_ended {
            let start = data.len();
            let read = self.reader.read_until(b'\n', &mut data).await.map_err(unreadable)?;
            self.number += 1;
            let is_mark = data.get(start..).is_some_and(|line| line.trim_ascii_end() == b"\\.");
            if is_mark {
                data.truncate(start);
            }
            self.has_ended = is_mark || read == 0;
        }
        Ok(data)
    }
}

/// Runs all lines; `name` is what errors call them, of a text in which a COPY's data may stand.
///
/// # Errors
/// What ends them early.
pub async fn run_lines(
    shell: &mut Shell,
    mut reader: impl AsyncBufRead + Unpin + Send,
    name: Option<&str>,
) -> Result<Flow, StatementFailure> {
    let mut splitter = Splitter::default();
    let mut lines = Lines { reader: &mut reader, number: 0, has_ended: false };
    loop {
        let line = lines.statements().await?;
        if line.is_empty() {
            break;
        }
        shell.place = name.map(|name| format!("{name}, line {}", lines.number));
        let behind = name.is_some().then_some(&mut lines);
        if shell.line(&mut splitter, &line, behind).await? == Flow::Quit {
            return Ok(Flow::Quit);
        }
    }
    let behind = name.is_some().then_some(&mut lines);
    match splitter.finish() {
        Some(statement) => shell.statement(&statement, behind).await.map(|()| Flow::Next),
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
