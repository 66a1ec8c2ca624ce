//! The simulator: whole clusters in one thread, from one seed.
//!
//! The life of a seed: [`entropy`] makes all randomness of the process follow from it; a [`world::World`] of machines
//! forms a cluster whose nodes are put together by the server's constructors; clients work on it while [`chaos`] breaks
//! what may break; then everything heals, and the [`invariants`] judge what is left.

mod args;
mod chaos;
mod coverage;
mod disk;
mod doors;
mod entropy;
mod history;
mod invariants;
mod known_bugs;
mod machine;
mod many;
mod network;
mod run;
mod scenarios;
mod sql;
mod sql_client;
mod sql_history;
mod time;
mod trace;
mod workload;
mod world;

use std::process::ExitCode;

use args::{Args, Command};

fn main() -> ExitCode {
    // Arguments first: nothing may ask for randomness before the seed is known.
    let args = match Args::read(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(2);
        }
    };
    match args.command.clone() {
        Command::Seed(seed) => run::run(&args, seed),
        Command::Seeds(seeds) => many::run(&args, seeds),
        Command::KnownBugs => many::find_known_bugs(),
    }
}
