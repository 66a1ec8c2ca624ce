//! The `quorate` program: reads the command line, starts the runtime and the log, and runs one command.

use std::io::IsTerminal;
use std::process::ExitCode;

use quorate::cli::{Cli, Command, ExitStatus, StartArguments, VERSION};
use quorate::config::{Checked, DemoOptions, Faults, StartOptions};
use quorate::{commands, demo, shell};
use tikv_jemallocator::Jemalloc;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// openraft warns of each message to a node that is away, several times a second for each range.
const LOG_DEFAULT: &str = "warn,openraft=error";

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(ended) => {
            ended.print();
            return ended.status.into();
        }
    };
    start_log();
    match runtime(&cli.command) {
        Ok(runtime) => runtime.block_on(run(cli.command)).into(),
        Err(error) => {
            eprintln!(
                "error: the async runtime did not start: {error}\n  do: look at the limits with ulimit -a"
            );
            ExitStatus::Failed.into()
        }
    }
}

/// As many threads as the command was given; one a core where it was given none.
fn runtime(command: &Command) -> std::io::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Command::Start(StartArguments { threads: Some(threads), .. }) = command {
        builder.worker_threads((*threads).into());
    }
    builder.enable_all().build()
}

/// Logs go to stderr, so that stdout holds answers alone; `QUORATE_LOG` selects them.
fn start_log() {
    let filter = EnvFilter::try_from_env("QUORATE_LOG").unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

async fn run(command: Command) -> ExitStatus {
    match command {
        Command::Demo(arguments) => match checked(DemoOptions::from(arguments).check()) {
            Some(config) => demo::run(config).await,
            None => ExitStatus::Usage,
        },
        Command::Start(arguments) => match checked(StartOptions::from(arguments).check()) {
            Some(config) => commands::start(config).await,
            None => ExitStatus::Usage,
        },
        Command::Init(arguments) => commands::init(arguments).await,
        Command::Status(arguments) => commands::status(arguments).await,
        Command::Range(arguments) => commands::range::run(arguments).await,
        Command::Sql(arguments) => shell::run(arguments.into()).await,
        Command::Version => {
            println!("quorate {VERSION}");
            ExitStatus::Done
        }
    }
}

/// The checked configuration, its warnings printed; or nothing, its faults printed.
fn checked<T>(result: Result<Checked<T>, Faults>) -> Option<T> {
    match result {
        Ok(Checked { value, warnings }) => {
            for warning in warnings {
                eprintln!("warning: {warning}");
            }
            Some(value)
        }
        Err(faults) => {
            eprintln!("{faults}");
            None
        }
    }
}
