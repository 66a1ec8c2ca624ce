//! What all input goes through, typed or of a file: statements to the server, commands with a backslash to the shell.

use std::time::Instant;

use super::client::{ShellClient, StatementFailure};
use super::commands;
use super::meta;
use super::output::Output;
use super::script::Lines;
use super::splitter::Splitter;

use quorate_sql::limits::STATEMENT_MAX_BYTES;

/// What comes after a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The next one.
    Next,
    /// The end of the shell.
    Quit,
}

/// The shell's connection, its output, and what was set.
pub struct Shell {
    /// The connection.
    pub client: ShellClient,
    /// Where rows and words go.
    pub output: Output,
    /// Shows how long statements take.
    pub timing: bool,
    /// An error is told and the next line is run; else an error ends the input.
    pub keeps_going: bool,
    /// Files within files.
    pub depth: usize,
    /// The file and line that is run, where it is not typed.
    pub place: Option<String>,
}

impl Shell {
    /// With this connection.
    pub fn new(client: ShellClient, output: Output) -> Self {
        Self { client, output, timing: false, keeps_going: false, depth: 0, place: None }
    }

    /// Takes a line, with its end; `lines` are those behind it, where it stands in a file.
    ///
    /// # Errors
    /// What ends the input.
    pub async fn line(
        &mut self,
        splitter: &mut Splitter,
        line: &str,
        mut lines: Option<&mut Lines<'_>>,
    ) -> Result<Flow, StatementFailure> {
        if !splitter.is_open()
            && let Some(command) = line.trim().strip_prefix('\\')
        {
            let result = commands::run(self, meta::parse(command)).await;
            return self.after(result, Flow::Next);
        }
        splitter.push(line);
        while let Some(statement) = splitter.next_statement() {
            self.statement(&statement, lines.as_deref_mut()).await?;
        }
        if splitter.is_too_long() {
            let limit = STATEMENT_MAX_BYTES >> 20;
            return Err(StatementFailure::Shell(format!("error: no statement ends within {limit} MiB")));
        }
        Ok(Flow::Next)
    }

    /// Runs a statement.
    ///
    /// # Errors
    /// What ends the input.
    pub async fn statement(
        &mut self,
        statement: &str,
        lines: Option<&mut Lines<'_>>,
    ) -> Result<(), StatementFailure> {
        let result = self.timed(statement, lines).await;
        self.after(result, ())
    }

    #[expect(clippy::disallowed_methods, reason = "shows people how long a statement took")]
    async fn timed(
        &mut self,
        statement: &str,
        lines: Option<&mut Lines<'_>>,
    ) -> Result<(), StatementFailure> {
        let start = Instant::now();
        let result = self.client.run(statement, lines, &mut self.output).await;
        if self.timing {
            self.output.say(&format!("time: {:.3} ms", start.elapsed().as_secs_f64() * 1e3));
        }
        result
    }

    /// A lost connection or terminal ends the input; an error only where it is to.
    fn after<T>(&mut self, result: Result<T, StatementFailure>, next: T) -> Result<T, StatementFailure> {
        match result.map_err(|failure| self.placed(failure)) {
            Err(StatementFailure::Sql(text) | StatementFailure::Shell(text)) if self.keeps_going => {
                self.output.say(&text);
                Ok(next)
            }
            other => other,
        }
    }

    /// What the shell itself does not understand says where it stands.
    fn placed(&self, failure: StatementFailure) -> StatementFailure {
        match (failure, &self.place) {
            (StatementFailure::Shell(text), Some(place)) => {
                let text = text.strip_prefix("error: ").unwrap_or(&text);
                StatementFailure::Shell(format!("error: {place}: {text}"))
            }
            (failure, _) => failure,
        }
    }
}
