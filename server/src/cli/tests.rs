//! Scripts over the command line: help texts, and what `start` and `demo` make of their flags.

use std::error::Error;

use clap::CommandFactory;
use goldenscript::Context;

use super::{Cli, Command};
use crate::config::{Checked, DemoOptions, Faults, StartOptions};

/// Width of help texts in scripts; on a terminal it is the terminal's.
const HELP_WIDTH: usize = 110;

#[derive(goldenscript::Command)]
enum Script {
    /// The help of a subcommand, or of the whole.
    Help(Option<String>),
    /// A command line without the program's name, at blanks.
    Run(String),
}

struct Runner;

impl goldenscript::Runner for Runner {
    type Command = Script;

    fn run(&mut self, command: &Script, _: &Context) -> Result<String, Box<dyn Error>> {
        match command {
            Script::Help(subcommand) => help(subcommand.as_deref()),
            Script::Run(line) => Ok(outcome(line)),
        }
    }
}

fn help(subcommand: Option<&str>) -> Result<String, Box<dyn Error>> {
    let mut whole = Cli::command().term_width(HELP_WIDTH);
    whole.build();
    let help = match subcommand {
        None => whole.render_help(),
        Some(name) => whole.find_subcommand_mut(name).ok_or("no such subcommand")?.render_help(),
    };
    Ok(help.to_string())
}

fn outcome(line: &str) -> String {
    let words = std::iter::once("quorate").chain(line.split_whitespace());
    let cli = match Cli::read(words) {
        Ok(cli) => cli,
        Err(ended) => return format!("exit {}\n{ended}", ended.status.code()),
    };
    match cli.command {
        Command::Start(arguments) => show(StartOptions::from(arguments).check()),
        Command::Demo(arguments) => show(DemoOptions::from(arguments).check()),
        other @ (Command::Init(_)
        | Command::Sql(_)
        | Command::Status(_)
        | Command::Range(_)
        | Command::Node(_)
        | Command::Token(_)
        | Command::Version) => {
            format!("{other:#?}\n")
        }
    }
}

fn show<T: std::fmt::Debug>(result: Result<Checked<T>, Faults>) -> String {
    match result {
        Ok(checked) => {
            let warnings: String = checked.warnings.iter().map(|text| format!("warning: {text}\n")).collect();
            format!("{warnings}{:#?}\n", checked.value)
        }
        Err(faults) => format!("{faults}\n"),
    }
}

fn script(name: &str) -> std::io::Result<()> {
    goldenscript::run(&mut Runner, format!("testscripts/cli/{name}"))
}

#[test]
fn cli_help() -> std::io::Result<()> {
    script("help")
}

#[test]
fn cli_start() -> std::io::Result<()> {
    script("start")
}

#[test]
fn cli_demo() -> std::io::Result<()> {
    script("demo")
}

#[test]
fn cli_other_commands() -> std::io::Result<()> {
    script("others")
}
