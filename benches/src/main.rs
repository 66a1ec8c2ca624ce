//! The program `quorate-bench`: reads the command line and runs one command.

use std::process::ExitCode;

use quorate_bench::cli::Cli;
use quorate_bench::commands;
use tikv_jemallocator::Jemalloc;

/// The same as a node's: `--embedded` is a node in this process.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Something is missing, or nothing could be measured.
const FAILED: u8 = 1;
/// Wrong flags, or a program that is not installed.
const USAGE: u8 = 4;

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(ended) => {
            // Nothing can be done where the terminal is gone.
            let _ = ended.print();
            return if ended.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the async runtime did not start: {error}");
            return FAILED.into();
        }
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => FAILED.into(),
        Err(error) => {
            eprintln!("error: {error}");
            if error.is_usage() { USAGE.into() } else { FAILED.into() }
        }
    }
}
