//! The commands: each prepares a [`stage::Stage`], lets the systems take turns, verifies, and reports.

mod failover;
mod kv;
mod own;
mod ranges;
mod split;
mod stage;
mod transactions;
mod ycsb;

use crate::cli::{Cli, Command};
use crate::error::BenchError;

/// Runs a command; whether everything that was written is there, and nothing failed.
///
/// # Errors
/// The run ended early.
pub async fn run(cli: Cli) -> Result<bool, BenchError> {
    let work = async {
        match cli.command {
            Command::Floor(common) => stage::floor(&common).await,
            Command::Kv(arguments) => kv::run(arguments).await,
            Command::Ycsb(arguments) => ycsb::run(arguments).await,
            Command::Bank(arguments) => transactions::bank(arguments).await,
            Command::Tpcb(arguments) => transactions::tpcb(arguments).await,
            Command::Pipeline(arguments) => transactions::pipeline(arguments).await,
            Command::Failover(arguments) => failover::run(arguments).await,
            Command::Split(arguments) => split::run(arguments).await,
            Command::Ranges(arguments) => ranges::run(arguments).await,
        }
    };
    // Dropping the work ends its processes and removes its folder.
    tokio::select! {
        result = Box::pin(work) => result,
        _ = tokio::signal::ctrl_c() => Err(BenchError::Stopped),
    }
}
