//! The prompt: lines from a terminal, statements that end with a semicolon, and a few commands that begin with a backslash.

use std::time::Instant;

use tokio::sync::mpsc;

use super::client::{ShellClient, StatementFailure};
use super::output::Output;
use super::script::{ended_by, run_file_copy};
use super::splitter::Splitter;
use crate::cli::ExitStatus;

const PROMPT: &str = "quorate> ";
const CONTINUATION: &str = "      -> ";
const HELP: &str = "\
End statements with ; or try:
  \\d, \\dt                        tables
  \\copy TABLE FROM 'FILE' WITH (FORMAT csv, HEADER true)
  \\timing                        show how long statements take
  \\q                             leave
Ctrl-C ends the running statement.";

/// What a line with a backslash asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meta {
    Quit,
    Help,
    Tables,
    Timing,
    Copy(String),
    Unknown(String),
}

/// Runs the prompt until `\q` or the end of stdin.
pub async fn run(client: &mut ShellClient, output: &mut Output) -> ExitStatus {
    client.cancel_on_ctrl_c();
    output.say("quorate sql: end statements with ;  help with \\?  leave with \\q");
    let mut lines = read_lines();
    let mut prompt = Prompt { splitter: Splitter::default(), timing: false };
    loop {
        let text = if prompt.splitter.is_open() { CONTINUATION } else { PROMPT };
        if output.prompt(text).is_err() {
            return ExitStatus::Done;
        }
        let line = tokio::select! {
            line = lines.recv() => line,
            _ = tokio::signal::ctrl_c() => {
                prompt.splitter = Splitter::default();
                output.say("");
                continue;
            }
        };
        let Some(line) = line else { return ExitStatus::Done };
        if let Some(status) = prompt.line(client, output, &line).await {
            return status;
        }
    }
}

/// What the prompt remembers between lines.
struct Prompt {
    splitter: Splitter,
    timing: bool,
}

impl Prompt {
    /// Takes a line; a status ends the shell.
    async fn line(
        &mut self,
        client: &mut ShellClient,
        output: &mut Output,
        line: &str,
    ) -> Option<ExitStatus> {
        if !self.splitter.is_open()
            && let Some(command) = line.trim().strip_prefix('\\')
        {
            return self.meta(client, output, parse_meta(command)).await;
        }
        self.splitter.push(line);
        while let Some(statement) = self.splitter.next_statement() {
            if let Some(status) = self.statement(client, output, &statement).await {
                return Some(status);
            }
        }
        None
    }

    async fn meta(
        &mut self,
        client: &mut ShellClient,
        output: &mut Output,
        meta: Meta,
    ) -> Option<ExitStatus> {
        match meta {
            Meta::Quit => return Some(ExitStatus::Done),
            Meta::Help => output.say(HELP),
            Meta::Tables => return self.statement(client, output, "SHOW TABLES;").await,
            Meta::Timing => {
                self.timing = !self.timing;
                output.say(if self.timing { "timing is on" } else { "timing is off" });
            }
            Meta::Copy(arguments) => {
                let result = run_file_copy(client, output, &arguments).await;
                return after(result, output);
            }
            Meta::Unknown(command) => {
                output.say(&format!("error: \\{command} is unknown; \\? shows what there is"))
            }
        }
        None
    }

    #[expect(clippy::disallowed_methods, reason = "shows people how long a statement took")]
    async fn statement(
        &mut self,
        client: &mut ShellClient,
        output: &mut Output,
        statement: &str,
    ) -> Option<ExitStatus> {
        let start = Instant::now();
        let result = client.run(statement, output).await;
        if self.timing {
            output.say(&format!("time: {:.3} ms", start.elapsed().as_secs_f64() * 1e3));
        }
        after(result, output)
    }
}

/// A lost connection or terminal ends the shell, an error does not.
fn after(result: Result<(), StatementFailure>, output: &mut Output) -> Option<ExitStatus> {
    match result {
        Ok(()) => None,
        Err(StatementFailure::Sql(text) | StatementFailure::Shell(text)) => {
            output.say(&text);
            None
        }
        Err(failure @ (StatementFailure::Lost(_) | StatementFailure::Output(_))) => {
            Some(ended_by(failure, output))
        }
    }
}

fn parse_meta(command: &str) -> Meta {
    let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    match word.trim_end_matches(';') {
        "q" | "quit" => Meta::Quit,
        "?" | "h" | "help" => Meta::Help,
        "d" | "dt" if rest.trim().is_empty() => Meta::Tables,
        "timing" => Meta::Timing,
        "copy" => Meta::Copy(rest.trim().to_owned()),
        _ => Meta::Unknown(command.to_owned()),
    }
}

/// Lines of stdin. A thread of its own reads them: a read of a terminal cannot be broken off, and must not hold up the end.
#[expect(clippy::disallowed_methods, reason = "a read of a terminal cannot be broken off")]
fn read_lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut line = String::new();
        while matches!(std::io::stdin().read_line(&mut line), Ok(read) if read > 0) {
            if sender.blocking_send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    receiver
}
