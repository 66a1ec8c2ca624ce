//! `quorate init`: creates the cluster, and ends when SQL answers on all its nodes.

use std::time::Duration;

use quorate_raft_groups::cluster::admin::{AdminCommand, Token};
use quorate_raft_groups::cluster::bootstrap_message::BootstrapAnswer;
use quorate_raft_groups::cluster::node_format::NodeRecord;
use uuid::Uuid;

use super::{admin, refused};
use crate::cli::{ExitStatus, InitArguments};

/// Longest wait for a node's answer: it asks all others first, and waits in the end until they serve.
const INIT_TIMEOUT: Duration = Duration::from_secs(60);

/// Creates the cluster.
pub async fn run(arguments: InitArguments) -> ExitStatus {
    let host = arguments.admin.to.host.to_string();
    match admin::give(&arguments.admin, AdminCommand::Init, INIT_TIMEOUT).await {
        Ok(BootstrapAnswer::Created { cluster_id, nodes, token, not_serving }) => {
            tell(&host, cluster_id, &nodes, token.as_ref());
            if not_serving.is_empty() {
                return ExitStatus::Done;
            }
            for node in not_serving {
                eprintln!("error: SQL does not answer yet on {node}");
            }
            eprintln!("  do: quorate status --host {host}");
            ExitStatus::Failed
        }
        Ok(BootstrapAnswer::Exists { cluster_id }) => {
            eprintln!(
                "error: the cluster is initialised already, with the id {cluster_id}; nothing was changed"
            );
            eprintln!("  do: quorate status --host {host}");
            ExitStatus::Failed
        }
        Ok(other) => refused(other),
        Err(ended) => ended,
    }
}

fn tell(host: &str, cluster_id: Uuid, nodes: &[NodeRecord], token: Option<&Token>) {
    println!("cluster {cluster_id} created, with {} nodes", nodes.len());
    for node in nodes {
        println!("  {}  {}  {}  SQL at {}", node.node_id, node.address, node.locality, node.sql_address);
    }
    match token {
        Some(token) => println!("token for commands from other machines, told this once: {}", token.reveal()),
        None => println!("no token for commands from other machines was made; quorate token makes one"),
    }
    println!("next: quorate sql --host {host}");
}
