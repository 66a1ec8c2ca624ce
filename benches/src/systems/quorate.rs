//! Three processes of Quorate in three zones, started and initialised by this run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::sql::SqlSystem;
use crate::error::BenchError;
use crate::http;
use crate::process::{self, Process, free_port, wait_for};

/// How long a node may take until it serves.
const READY_MAX: Duration = Duration::from_secs(60);
/// Threads that serve requests in each node: its share of the machine's cores.
fn threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (cores / ZONES.len()).max(1)
}

/// Zones of the nodes.
const ZONES: [&str; 3] = ["a", "b", "c"];

/// One node.
#[derive(Debug)]
pub struct QuorateNode {
    /// Its number, from 1.
    pub number: usize,
    listen: u16,
    sql: u16,
    http: u16,
    process: Option<Process>,
}

/// See the head of the file.
#[derive(Debug)]
pub struct QuorateCluster {
    binary: PathBuf,
    folder: PathBuf,
    nodes: Vec<QuorateNode>,
    sql: SqlSystem,
}

/// The program `quorate`: the one given, or the one beside this program.
///
/// # Errors
/// It is not there.
pub fn find_binary(given: Option<&Path>) -> Result<PathBuf, BenchError> {
    let beside = || std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join("quorate")));
    let binary = given.map(Path::to_owned).or_else(beside).unwrap_or_default();
    if binary.is_file() {
        return Ok(binary);
    }
    Err(BenchError::Usage(format!(
        "there is no program {}\n  do: make build, or give the program with --binary",
        binary.display()
    )))
}

impl QuorateCluster {
    /// Starts and initialises three nodes, and waits until they serve.
    ///
    /// # Errors
    /// A node does not start or does not become ready.
    pub async fn start(binary: PathBuf, folder: &Path) -> Result<Self, BenchError> {
        let mut nodes = Vec::new();
        for number in 1..=ZONES.len() {
            let (listen, sql, http) = (free_port()?, free_port()?, free_port()?);
            nodes.push(QuorateNode { number, listen, sql, http, process: None });
        }
        let urls = nodes.iter().map(QuorateNode::url).collect();
        let sql = SqlSystem::new("quorate", urls);
        let mut cluster = Self { binary, folder: folder.join("quorate"), nodes, sql };
        std::fs::create_dir_all(&cluster.folder)
            .map_err(BenchError::io(format!("making {}", cluster.folder.display())))?;
        for index in 0..cluster.nodes.len() {
            cluster.start_node(index)?;
        }
        cluster.init().await?;
        cluster.await_ready().await?;
        Ok(cluster)
    }

    fn command(&self, node: &QuorateNode) -> Command {
        let join: Vec<String> = self.nodes.iter().map(QuorateNode::address).collect();
        let zone = ZONES.get(node.number - 1).copied().unwrap_or("a");
        let mut command = Command::new(&self.binary);
        command.arg("start").arg("--data-dir").arg(self.folder.join(format!("d{}", node.number)));
        command.args(["--listen", &node.address()]);
        command.args(["--sql", &format!("127.0.0.1:{}", node.sql)]);
        command.args(["--http", &format!("127.0.0.1:{}", node.http)]);
        command.args(["--locality", &format!("region=bench,zone={zone}"), "--join", &join.join(",")]);
        command.args(["--threads", &threads().to_string()]);
        command
    }

    /// Starts the node at this position.
    ///
    /// # Errors
    /// The process does not start.
    pub fn start_node(&mut self, index: usize) -> Result<(), BenchError> {
        let Some(node) = self.nodes.get(index) else { return Ok(()) };
        let command = self.command(node);
        let log = self.folder.join(format!("n{}.log", node.number));
        let process = Process::start(&format!("n{}", node.number), command, &log)?;
        if let Some(node) = self.nodes.get_mut(index) {
            node.process = Some(process);
        }
        Ok(())
    }

    /// Kills the node at this position with signal 9.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill_node(&mut self, index: usize) -> Result<(), BenchError> {
        let process = self.nodes.get_mut(index).and_then(|node| node.process.take());
        process.map_or(Ok(()), |mut process| process.kill())
    }

    /// Ends all nodes in order, and waits for that.
    ///
    /// # Errors
    /// One does not end in time.
    pub async fn stop(&mut self) -> Result<(), BenchError> {
        for node in &mut self.nodes {
            if let Some(mut process) = node.process.take() {
                process.terminate().await?;
            }
        }
        Ok(())
    }

    async fn init(&mut self) -> Result<(), BenchError> {
        for node in &self.nodes {
            node.await_page("/health").await?;
        }
        let host = self.nodes.first().map(QuorateNode::address).unwrap_or_default();
        let (done, words) = self.ask(&["init", "--host", &host]).await?;
        if done {
            return Ok(());
        }
        Err(BenchError::System { system: "quorate".to_owned(), what: "init".to_owned(), detail: words })
    }

    /// Runs `quorate` with these words; whether it has succeeded, and what it printed.
    ///
    /// # Errors
    /// It cannot be started.
    pub async fn ask(&self, words: &[&str]) -> Result<(bool, String), BenchError> {
        let what = format!("running {} {}", self.binary.display(), words.join(" "));
        let output = tokio::process::Command::new(&self.binary).args(words).kill_on_drop(true).output();
        let output = output.await.map_err(BenchError::io(what))?;
        let text = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
    }

    /// Waits until all nodes serve SQL.
    ///
    /// # Errors
    /// One does not in time.
    pub async fn await_ready(&mut self) -> Result<(), BenchError> {
        for node in &mut self.nodes {
            node.await_page("/ready").await?;
            if let Some(process) = &mut node.process {
                process.check()?;
            }
        }
        Ok(())
    }

    /// Its SQL, at all three nodes.
    pub fn sql(&self) -> &SqlSystem {
        &self.sql
    }

    /// Its nodes.
    pub fn nodes(&self) -> &[QuorateNode] {
        &self.nodes
    }

    /// Version and command lines.
    pub fn description(&self) -> Vec<String> {
        let version = process::first_line_of(Command::new(&self.binary).arg("version"));
        let commands = self.nodes.iter().map(|node| format!("  {}", process::line_of(&self.command(node))));
        std::iter::once(version).chain(commands).collect()
    }

    /// Fails where a node has ended that was not killed by this run.
    ///
    /// # Errors
    /// As said.
    pub fn check(&mut self) -> Result<(), BenchError> {
        self.nodes.iter_mut().filter_map(|node| node.process.as_mut()).try_for_each(Process::check)
    }
}

impl QuorateNode {
    /// Where other nodes and commands reach it.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.listen)
    }

    fn url(&self) -> String {
        format!("postgres://root@127.0.0.1:{}/quorate", self.sql)
    }

    /// Its process's number, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Waits until a page of its HTTP address answers with 200.
    ///
    /// # Errors
    /// It does not in time.
    pub async fn await_page(&self, path: &str) -> Result<(), BenchError> {
        let what = format!("n{} {path}", self.number);
        wait_for(&what, READY_MAX, || async {
            match http::get(self.http, path).await {
                Ok((200, _)) => Ok(()),
                Ok((status, body)) => Err(format!("{status} {}", body.trim())),
                Err(error) => Err(error.to_string()),
            }
        })
        .await
    }
}
