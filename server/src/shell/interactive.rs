//! The prompt: lines from a terminal, statements that end with a semicolon, and commands that begin with a backslash.
//!
//! ```text
//! quorate=>    a statement may begin           quorate=*>   within a transaction       quorate=!>   one that has failed
//! quorate->    a statement goes on
//! ```

use super::commands::HELP;
use super::editor::{LineReader, Typed};
use super::script::ended_by;
use super::session::{Flow, Shell};
use super::splitter::Splitter;
use crate::cli::ExitStatus;

/// Runs the prompt until `\q` or the end of stdin.
pub async fn run(shell: &mut Shell) -> ExitStatus {
    shell.keeps_going = true;
    shell.client.cancel_on_ctrl_c();
    shell.output.say("quorate sql: end statements with ;  help with \\?  leave with \\q");
    let mut lines = LineReader::start();
    let mut splitter = Splitter::default();
    let mut typed = String::new();
    loop {
        let line = match lines.line(prompt(shell, &splitter)).await {
            Typed::Line(line) => line,
            Typed::Dropped => {
                splitter = Splitter::default();
                typed.clear();
                continue;
            }
            Typed::End => return ExitStatus::Done,
        };
        if !splitter.is_open() {
            match word(&line) {
                Some(Word::Leave) => return ExitStatus::Done,
                Some(Word::Help) => {
                    shell.output.say(HELP);
                    continue;
                }
                None => typed.clear(),
            }
        }
        typed.push_str(&line);
        typed.push('\n');
        let flow = shell.line(&mut splitter, &format!("{line}\n"), None).await;
        if !splitter.is_open() {
            lines.keep(&typed).await;
        }
        match flow {
            Ok(Flow::Next) => {}
            Ok(Flow::Quit) => return ExitStatus::Done,
            Err(failure) => return ended_by(failure, &mut shell.output),
        }
    }
}

fn prompt(shell: &Shell, splitter: &Splitter) -> String {
    let between = if splitter.is_open() { "-" } else { "=" };
    format!("quorate{between}{}> ", shell.client.transaction().symbol())
}

/// Words that stand alone for what they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Leave,
    Help,
}

fn word(line: &str) -> Option<Word> {
    match line.trim().trim_end_matches(';').to_ascii_lowercase().as_str() {
        "exit" | "quit" => Some(Word::Leave),
        "help" => Some(Word::Help),
        _ => None,
    }
}
