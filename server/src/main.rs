//! The `quorate` program: reads the command line, starts the runtime and the log, and runs one command.

use std::process::ExitCode;

use quorate::cli::{Cli, Command, ExitStatus, StartArguments, VERSION};
use quorate::config::{Checked, DemoOptions, Faults, StartOptions};
use quorate::{commands, demo, log, threads};
use quorate_engine::store::waits;
use tikv_jemallocator::Jemalloc;
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(ended) => {
            ended.print();
            return ended.status.into();
        }
    };
    // To stderr, so that stdout holds answers alone.
    log::start();
    // A command's own future runs on this thread.
    waits::forbid();
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
    // One that waited for the disk would hold up the tasks of many.
    builder.enable_all().on_thread_start(begin_thread).build()
}

fn begin_thread() {
    // One may be started by a thread that is urgent.
    threads::put_back();
    waits::forbid();
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
        Command::Init(arguments) => commands::init::run(arguments).await,
        Command::Status(arguments) => commands::status(arguments).await,
        Command::Range(arguments) => commands::range::run(arguments).await,
        Command::Node(arguments) => commands::node::run(arguments).await,
        Command::Token(arguments) => commands::node::token(arguments).await,
        Command::Sql(arguments) => commands::sql::run(arguments).await,
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
