//! What `start`, `init`, `status`, `range`, `node` and `token` do, in terms of the rest of the crate.

mod admin;
pub mod init;
pub mod node;
pub mod range;
pub mod sql;

use std::sync::Arc;
use std::time::Duration;

use quorate_raft_groups::cluster::ClusterNode;
use quorate_raft_groups::cluster::bootstrap::{self, BootstrapTransport};
use quorate_raft_groups::cluster::bootstrap_message::{BootstrapAnswer, BootstrapRequest};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{ExitStatus, StatusArguments, StatusFormat};
use crate::config::StartConfig;
use crate::node::gate::NodeGate;
use crate::node::host::AskTransport;
use crate::node::{Listeners, Node, NodeConfig};
use crate::{metrics, status};

/// Longest wait for a node's answer to `status`: it asks range 1's leaseholder first.
const STATUS_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs a node until it is told to stop (SIGINT, SIGTERM) or its store has failed.
pub async fn start(config: StartConfig) -> ExitStatus {
    let listeners = match Listeners::open(&config).await {
        Ok(listeners) => listeners,
        Err(error) => return failed(error),
    };
    let node_config = NodeConfig {
        data_dir: config.data_dir.clone(),
        address: config.advertise.to_string(),
        locality: config.locality.tiers().clone(),
        join: config.join.iter().map(ToString::to_string).collect(),
        on_loss: config.on_loss,
        nodes_in_process: 1,
    };
    let page = match metrics::install() {
        Ok(page) => page,
        Err(error) => return failed(error),
    };
    let node = match Node::start(node_config, listeners, page).await {
        Ok(node) => node,
        Err(error) => return failed(error),
    };
    announce(&node, &config);
    let telling = tokio::spawn(tell_of_joining(Arc::clone(node.cluster()), node.gate()));
    tokio::select! {
        signal = stop_signal() => eprintln!("{signal}: handing over and stopping"),
        failure = node.failure() => {
            // No shutdown in order.
            eprintln!("error: {failure}");
            std::process::exit(i32::from(ExitStatus::Failed.code()));
        }
    }
    telling.abort();
    node.shutdown().await;
    ExitStatus::Done
}

fn failed(error: impl std::fmt::Display) -> ExitStatus {
    eprintln!("error: {error}");
    ExitStatus::Failed
}

/// Says where the node listens, and what to do while there is no cluster.
fn announce(node: &Node, config: &StartConfig) {
    let StartConfig { sql, http, advertise, data_dir, .. } = config;
    eprintln!("node {advertise} runs in {}: SQL at {sql}, http://{http}/health", data_dir.display());
    if !node.cluster().has_cluster() && node.cluster().refusal().is_none() {
        eprintln!("{}, once all nodes in --join run", node.cluster().absence());
    }
}

/// Says that the node belongs to a cluster now, and as what, and when it serves.
async fn tell_of_joining(cluster: Arc<ClusterNode>, gate: Arc<NodeGate>) {
    let Some(member) = cluster.wait_for_member().await else {
        return eprintln!("error: the node cannot take its place in the cluster; its log says why");
    };
    let (node, id) = (member.node_id(), member.cluster_id());
    let nodes = member.registry().ids().len();
    eprintln!("{node} of cluster {id}, which has {nodes} nodes");
    if gate.opened().await.is_some() {
        eprintln!("{node} serves SQL");
    }
}

/// The name of the signal that came.
async fn stop_signal() -> &'static str {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without signals a node can still be killed, which it survives.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}

/// Prints how the cluster is; exit code 0 only where it is healthy.
pub async fn status(arguments: StatusArguments) -> ExitStatus {
    let host = arguments.to.host.to_string();
    let status = match ask(&host, &BootstrapRequest::Status, STATUS_TIMEOUT).await {
        Ok(BootstrapAnswer::Status(status)) => status,
        Ok(BootstrapAnswer::Uninitialised { hint }) => {
            eprintln!("{hint}");
            return ExitStatus::Failed;
        }
        Ok(other) => return refused(other),
        Err(reason) => return unreachable_node(&reason),
    };
    match arguments.format {
        StatusFormat::Table => print!("{}", status::render_text(&status, &host)),
        StatusFormat::Json => println!("{:#}", status::render_json(&status)),
    }
    if status::is_healthy(&status) { ExitStatus::Done } else { ExitStatus::Failed }
}

async fn ask(host: &str, request: &BootstrapRequest, timeout: Duration) -> Result<BootstrapAnswer, String> {
    let transport: &dyn BootstrapTransport = &AskTransport;
    bootstrap::ask(transport, host, request, timeout).await
}

fn refused(answer: BootstrapAnswer) -> ExitStatus {
    match answer {
        BootstrapAnswer::Refused(reason) => failed(reason),
        BootstrapAnswer::Uninitialised { hint } => failed(hint),
        BootstrapAnswer::Initialising => {
            failed("another init is running; wait for it, then look at the status")
        }
        BootstrapAnswer::Free(_)
        | BootstrapAnswer::Exists { .. }
        | BootstrapAnswer::Joined(_)
        | BootstrapAnswer::Created { .. }
        | BootstrapAnswer::Status(_)
        | BootstrapAnswer::RangeDone(_)
        | BootstrapAnswer::Serving
        | BootstrapAnswer::NotServing { .. }
        | BootstrapAnswer::NotEntitled { .. }
        | BootstrapAnswer::TokenMade { .. }
        | BootstrapAnswer::NodeRemoved
        | BootstrapAnswer::RemovalWaits { .. }
        | BootstrapAnswer::RangeRefused { .. }
        | BootstrapAnswer::Welcome
        | BootstrapAnswer::Unwelcome { .. }
        | BootstrapAnswer::Identity(_) => {
            failed("the node gave an answer to another question; is it another release?")
        }
    }
}

fn unreachable_node(reason: &str) -> ExitStatus {
    eprintln!("error: {reason}\n  do: name the --listen address of a node that runs: --host HOST:PORT");
    ExitStatus::Unreachable
}
