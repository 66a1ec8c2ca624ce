//! `quorate demo`: a cluster in one process, with sample data, and the shell on it.
//!
//! The nodes are real: each has its own store in a temporary folder, its own listeners on loopback, and talks to the
//! others over gRPC. The folder is removed at the end.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_raft_groups::cluster::error::ClusterError;
use quorate_raft_groups::cluster::settings::NODE_DEAD_AFTER;
use quorate_sql::node::SqlNode;

use crate::cli::ExitStatus;
use crate::config::{DemoConfig, DemoData, OnLoss};
use crate::metrics::{self, MetricsError};
use crate::node::error::StartError;
use crate::node::{Listeners, Node, NodeConfig};
use crate::sample::{self, SampleError};
use crate::shell::{self, ShellOptions};

/// How long a demo's node may be silent before its replicas are replaced (design.md section 12).
const DEAD_AFTER: &str = "30s";

/// Why a demo ended early.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("the cluster was not set up: {0}")]
    Init(#[from] ClusterError),
    #[error("a node did not become ready; run with QUORATE_LOG=info to see why")]
    NotReady,
    #[error(transparent)]
    Sample(#[from] SampleError),
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    #[error("no temporary folder: {0}")]
    Folder(std::io::Error),
}

/// Starts the nodes, loads the data, runs the statements or the shell, and takes everything down.
pub async fn run(config: DemoConfig) -> ExitStatus {
    let folder = match Folder::create() {
        Ok(folder) => folder,
        Err(error) => return failed(&DemoError::Folder(error)),
    };
    let mut demo = Demo { nodes: Vec::new(), sql: Vec::new() };
    let status = match demo.prepare(&config, &folder.path).await {
        Ok(first) => {
            demo.introduce(&config);
            shell::run(ShellOptions { execute: config.execute, ..ShellOptions::new(first) }).await
        }
        Err(error) => failed(&error),
    };
    for node in demo.nodes {
        node.shutdown().await;
    }
    status
}

fn failed(error: &DemoError) -> ExitStatus {
    eprintln!("error: {error}");
    ExitStatus::Failed
}

struct Demo {
    nodes: Vec<Node>,
    /// SQL addresses, by node.
    sql: Vec<String>,
}

impl Demo {
    /// Starts and loads everything; gives the URL of the first node.
    async fn prepare(&mut self, config: &DemoConfig, folder: &Path) -> Result<String, DemoError> {
        self.start(config, folder).await?;
        let first = self.nodes.first().ok_or(DemoError::NotReady)?;
        first.cluster().init().await?;
        let mut ready: Vec<Arc<SqlNode>> = Vec::new();
        for node in &self.nodes {
            ready.push(node.ready().await.ok_or(DemoError::NotReady)?);
        }
        let member =
            self.nodes.first().and_then(|node| node.cluster().member()).ok_or(DemoError::NotReady)?;
        member.set_setting(NODE_DEAD_AFTER, DEAD_AFTER).await?;
        if config.data == DemoData::Flights
            && let Some(sql) = ready.first()
        {
            eprintln!("loading the sample of nycflights13 …");
            sample::load(sql).await?;
        }
        self.sql.first().map(|address| url(address)).ok_or(DemoError::NotReady)
    }

    async fn start(&mut self, config: &DemoConfig, folder: &Path) -> Result<(), DemoError> {
        let mut bound = Vec::new();
        for index in 0..config.localities.len() {
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let sql = sql_address(config.sql_port, index);
            bound.push(Listeners::bind(any, sql, any).await?);
        }
        let page = metrics::install()?;
        let join = bound.iter().map(Listeners::peer_address).collect::<Result<Vec<_>, _>>()?;
        for (index, (listeners, locality)) in bound.into_iter().zip(&config.localities).enumerate() {
            let address = listeners.peer_address()?;
            self.sql.push(listeners.sql_address(&address)?);
            let node = NodeConfig {
                data_dir: folder.join(format!("n{}", index + 1)),
                address,
                locality: locality.tiers().clone(),
                join: join.clone(),
                on_loss: OnLoss::Refuse,
                nodes_in_process: config.localities.len(),
            };
            self.nodes.push(Node::start(node, listeners, page.clone()).await?);
        }
        Ok(())
    }

    fn introduce(&self, config: &DemoConfig) {
        for (number, (address, locality)) in self.sql.iter().zip(&config.localities).enumerate() {
            eprintln!("n{}  {locality}  {}", number + 1, url(address));
        }
        if config.execute.is_empty() {
            eprintln!(
                "try: SELECT carrier, count(*) FROM flights GROUP BY carrier ORDER BY 2 DESC;   \\? for help"
            );
        }
    }
}

fn url(sql_address: &str) -> String {
    format!("postgres://root@{sql_address}/quorate")
}

/// The first node's port, the others' next to it; any free one where none is given.
fn sql_address(first: Option<u16>, index: usize) -> SocketAddr {
    let offset = u16::try_from(index).unwrap_or(u16::MAX);
    let port = first.map_or(0, |port| port.saturating_add(offset));
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A temporary folder of this process, removed when it is dropped.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn create() -> std::io::Result<Self> {
        let name = format!("quorate-demo-{}-{:08x}", std::process::id(), rand::random::<u32>());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path)?;
        Ok(Self { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            eprintln!("warning: {} could not be removed: {error}", self.path.display());
        }
    }
}
