//! What commands with a backslash do.

use std::path::Path;

use super::catalogs;
use super::client::StatementFailure;
use super::copy;
use super::meta::{Meta, switch};
use super::script;
use super::session::{Flow, Shell};

/// What `\?` prints.
pub const HELP: &str = "\
End statements with ; or try:
  \\d                             tables, views and sequences
  \\d NAME                        columns and keys of a table
  \\dt, \\di, \\dv, \\ds [PATTERN]   tables, indexes, views, sequences
  \\dn, \\du, \\l                   schemas, roles, databases
  \\copy TABLE FROM 'FILE' WITH (FORMAT csv, HEADER true)
  \\i FILE                        run the statements of a file
  \\echo TEXT                     print a text
  \\set ON_ERROR_STOP [on|off]    whether an error ends the input
  \\timing [on|off]               show how long statements take
  \\x [on|off]                    show each column in a line of its own
  \\q, quit, exit                 leave
Ctrl-C drops the line, or ends the running statement.";

/// Most files within files.
const FILES_MAX: usize = 16;

/// Runs a command.
///
/// # Errors
/// It makes no sense, or what it asks of the server failed.
pub async fn run(shell: &mut Shell, meta: Meta) -> Result<Flow, StatementFailure> {
    match meta {
        Meta::Quit => return Ok(Flow::Quit),
        Meta::Help => shell.output.say(HELP),
        Meta::Describe(name) => catalogs::describe(shell, &name).await?,
        Meta::List(listed, pattern) => catalogs::list(shell, listed, pattern.as_deref()).await?,
        Meta::Copy(arguments) => copy_file(shell, &arguments).await?,
        Meta::Echo(text) => shell.output.line(&text).map_err(StatementFailure::Output)?,
        Meta::Include(path) => return include(shell, Path::new(&path)).await,
        Meta::Set(variable) => set(shell, variable)?,
        Meta::Timing(wanted) => {
            shell.timing = wanted.unwrap_or(!shell.timing);
            shell.output.say(if shell.timing { "timing is on" } else { "timing is off" });
        }
        Meta::Expanded(wanted) => {
            let wanted = wanted.unwrap_or(!shell.output.is_expanded());
            shell.output.set_expanded(wanted);
            shell.output.say(if wanted { "expanded display is on" } else { "expanded display is off" });
        }
        Meta::Unknown(command) => {
            return Err(shell_error(format!("\\{command} is unknown; \\? shows what there is")));
        }
        Meta::Misused(usage) => return Err(shell_error(format!("write {usage}"))),
    }
    Ok(Flow::Next)
}

fn shell_error(text: String) -> StatementFailure {
    StatementFailure::Shell(format!("error: {text}"))
}

/// Runs `\copy` with these arguments.
async fn copy_file(shell: &mut Shell, arguments: &str) -> Result<(), StatementFailure> {
    let usage = "write \\copy TABLE FROM 'FILE' [WITH (…)] or \\copy TABLE TO 'FILE' [WITH (…)]";
    let copy = copy::parse(arguments).ok_or_else(|| shell_error(usage.to_owned()))?;
    let result = copy::run_file(&shell.client, &copy, &mut shell.output).await;
    shell.client.note(&copy.statement, result.is_ok());
    result
}

/// Runs a file within what is run.
async fn include(shell: &mut Shell, path: &Path) -> Result<Flow, StatementFailure> {
    if shell.depth >= FILES_MAX {
        return Err(shell_error(format!("{FILES_MAX} files are within each other: one includes itself")));
    }
    let file = tokio::fs::File::open(path).await;
    let file = file.map_err(|error| shell_error(format!("{}: {error}", path.display())))?;
    let place = shell.place.take();
    shell.depth += 1;
    let name = path.display().to_string();
    let flow = Box::pin(script::run_lines(shell, tokio::io::BufReader::new(file), Some(&name))).await;
    shell.depth -= 1;
    shell.place = place;
    // What leaves a file goes back to who has named it.
    flow.map(|_| Flow::Next)
}

fn set(shell: &mut Shell, variable: Option<(String, String)>) -> Result<(), StatementFailure> {
    let Some((name, value)) = variable else {
        let value = if shell.keeps_going { "off" } else { "on" };
        shell.output.say(&format!("ON_ERROR_STOP = '{value}'"));
        return Ok(());
    };
    if name != "ON_ERROR_STOP" {
        return Err(shell_error(format!("there is no variable {name}, only ON_ERROR_STOP")));
    }
    match switch(&value).flatten() {
        Some(stops) => shell.keeps_going = !stops,
        None => return Err(shell_error(format!("ON_ERROR_STOP is on or off, not {value}"))),
    }
    Ok(())
}
