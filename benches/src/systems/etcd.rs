//! Three nodes of etcd on loopback, as its own guide starts them: defaults, syncs on, the largest recommended quota.
//! The protocol is in [`client`], which is one of two places that know gRPC.

mod client;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::KvClient;
use crate::error::BenchError;
use crate::http;
use crate::process::{self, Process, find_program, free_port, wait_for};
use client::EtcdClient;

/// How long the cluster may take to be healthy.
const READY_MAX: Duration = Duration::from_secs(30);
/// The largest database that etcd recommends: a full one refuses writes.
const QUOTA_BYTES: u64 = 8 << 30;
/// Connections of all clients together: gRPC carries many requests on each.
const CONNECTIONS: usize = 8;

/// See the head of the file.
#[derive(Debug)]
pub struct EtcdCluster {
    program: PathBuf,
    nodes: Vec<Node>,
    clients: Vec<EtcdClient>,
}

#[derive(Debug)]
struct Node {
    client_port: u16,
    command: String,
    process: Process,
}

/// Whether it can be started at all.
///
/// # Errors
/// It is not installed.
pub fn check_installed() -> Result<(), BenchError> {
    find().map(drop)
}

fn find() -> Result<PathBuf, BenchError> {
    let missing = || BenchError::Usage("etcd is not installed\n  do: apt-get install etcd-server".to_owned());
    find_program("etcd", &[]).ok_or_else(missing)
}

impl EtcdCluster {
    /// Starts three nodes in this folder and waits until they are healthy.
    ///
    /// # Errors
    /// etcd is not installed, or does not start.
    pub async fn start(folder: &Path) -> Result<Self, BenchError> {
        let program = find()?;
        let folder = folder.join("etcd");
        std::fs::create_dir_all(&folder).map_err(BenchError::io(format!("making {}", folder.display())))?;
        let mut ports = Vec::new();
        for _ in 0..3 {
            ports.push((free_port()?, free_port()?));
        }
        let members: Vec<String> = (1..)
            .zip(&ports)
            .map(|(number, (_, peer))| format!("e{number}=http://127.0.0.1:{peer}"))
            .collect();
        let members = members.join(",");
        let mut nodes = Vec::new();
        for (number, ports) in (1..).zip(&ports) {
            nodes.push(start_node(&program, &folder, (number, *ports), &members)?);
        }
        let mut cluster = Self { program, nodes, clients: Vec::new() };
        cluster.await_healthy().await?;
        for number in 0..CONNECTIONS {
            let port = cluster.nodes.get(number % cluster.nodes.len()).map_or(0, |node| node.client_port);
            cluster.clients.push(EtcdClient::connect(port).await?);
        }
        Ok(cluster)
    }

    async fn await_healthy(&mut self) -> Result<(), BenchError> {
        for node in &mut self.nodes {
            let port = node.client_port;
            wait_for("etcd's /health", READY_MAX, || async move {
                match http::get(port, "/health").await {
                    Ok((200, body)) if body.contains("true") => Ok(()),
                    Ok((status, body)) => Err(format!("{status} {body}")),
                    Err(error) => Err(error.to_string()),
                }
            })
            .await
            .map_err(|error| node.process.error(error.to_string()))?;
        }
        Ok(())
    }

    /// Removes all keys.
    ///
    /// # Errors
    /// etcd refuses.
    pub async fn clear(&self) -> Result<(), BenchError> {
        match self.clients.first() {
            Some(client) => client.clone().clear().await,
            None => Ok(()),
        }
    }

    /// Client `number`, on a connection to node `number` mod 3.
    pub fn client(&self, number: usize) -> Box<dyn KvClient> {
        // Connection c goes to node c mod 3: a client takes its turn among those of its own node.
        let nodes = self.nodes.len().max(1);
        let node = number % nodes;
        let own: Vec<&EtcdClient> = self.clients.iter().skip(node).step_by(nodes).collect();
        let client = own.get((number / nodes) % own.len().max(1)).or(own.first());
        #[expect(
            clippy::expect_used,
            reason = "each of the nodes has at least two connections from the start"
        )]
        Box::new((*client.expect("a connection to each node")).clone())
    }

    /// Version and command lines.
    pub fn description(&self) -> Vec<String> {
        let version = process::first_line_of(Command::new(&self.program).arg("--version"));
        let commands = self.nodes.iter().map(|node| format!("  {}", node.command));
        std::iter::once(format!("{version}, {CONNECTIONS} connections")).chain(commands).collect()
    }

    /// Fails where a node has ended.
    ///
    /// # Errors
    /// As said.
    pub fn check(&mut self) -> Result<(), BenchError> {
        self.nodes.iter_mut().try_for_each(|node| node.process.check())
    }
}

fn start_node(
    program: &Path,
    folder: &Path,
    (number, (client, peer)): (u32, (u16, u16)),
    members: &str,
) -> Result<Node, BenchError> {
    let (client_url, peer_url) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
    let mut command = Command::new(program);
    // Its settings can also come from the environment: here they must not.
    command.env_clear();
    command.args(["--name", &format!("e{number}"), "--data-dir"]).arg(folder.join(format!("e{number}")));
    command.args(["--listen-client-urls", &client_url, "--advertise-client-urls", &client_url]);
    command.args(["--listen-peer-urls", &peer_url, "--initial-advertise-peer-urls", &peer_url]);
    command.args(["--initial-cluster", members, "--initial-cluster-state", "new"]);
    command.args(["--quota-backend-bytes", &QUOTA_BYTES.to_string()]);
    let line = process::line_of(&command);
    let process =
        Process::start(&format!("etcd e{number}"), command, &folder.join(format!("e{number}.log")))?;
    Ok(Node { client_port: client, command: line, process })
}
