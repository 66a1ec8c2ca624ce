//! `quorate node` and `quorate token`.

use std::time::Duration;

use quorate_placement::topology::NodeId;
use quorate_raft_groups::cluster::admin::AdminCommand;
use quorate_raft_groups::cluster::bootstrap_message::BootstrapAnswer;
use tokio::time::Instant;

use super::{admin, refused};
use crate::cli::{AdminArguments, ExitStatus, NodeAction, NodeArguments, TokenArguments};

/// Longest wait for a node's answer: it asks range 1's leaseholder.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a removal is asked for again; the node counts as dead meanwhile, which ends soon after the last time.
const ASK_INTERVAL: Duration = Duration::from_millis(500);

/// Does something with a node.
pub async fn run(arguments: NodeArguments) -> ExitStatus {
    match arguments.action {
        NodeAction::Remove { node, timeout } => {
            remove(&arguments.admin, node, Duration::from_secs(timeout)).await
        }
    }
}

/// Asks until the node is removed; each new thing that this waits for is told.
async fn remove(to: &AdminArguments, node: NodeId, timeout: Duration) -> ExitStatus {
    let (host, deadline) = (&to.to.host, Instant::now() + timeout);
    let mut told = String::new();
    loop {
        let waits_for = match admin::give(to, AdminCommand::RemoveNode(node), ANSWER_TIMEOUT).await {
            Ok(BootstrapAnswer::NodeRemoved) => {
                println!(
                    "{node} is removed; should it still have its data directory, it must not be started with it"
                );
                return ExitStatus::Done;
            }
            Ok(BootstrapAnswer::RemovalWaits { waits_for }) => waits_for,
            Ok(BootstrapAnswer::Refused(reason)) => {
                eprintln!("error: {reason}\n  do: quorate status --host {host}");
                return ExitStatus::Failed;
            }
            Ok(other) => return refused(other),
            Err(ended) => return ended,
        };
        if waits_for != told {
            eprintln!("waits for {waits_for}");
            told = waits_for;
        }
        if Instant::now() >= deadline {
            eprintln!(
                "error: {node} is not removed after {} s; replicas that were replaced stay where they are\n  do: \
                 quorate status --host {host}, then repeat",
                timeout.as_secs()
            );
            return ExitStatus::Failed;
        }
        tokio::time::sleep(ASK_INTERVAL).await;
    }
}

/// Prints a new token.
pub async fn token(arguments: TokenArguments) -> ExitStatus {
    match admin::give(&arguments.admin, AdminCommand::NewToken, ANSWER_TIMEOUT).await {
        Ok(BootstrapAnswer::TokenMade { token }) => {
            eprintln!("a new token for commands from other machines; the one before is void:");
            println!("{}", token.reveal());
            ExitStatus::Done
        }
        Ok(other) => refused(other),
        Err(ended) => ended,
    }
}
