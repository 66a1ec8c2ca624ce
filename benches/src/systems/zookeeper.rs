//! Three servers of ZooKeeper on loopback, with the settings of its sample and its own default of memory; syncs are on.
//! A client has a session of its own ([`client`]).
//!
//! A get is a `sync` and a read behind it on the same session, as ZooKeeper's guide says for who must not read old
//! values. A sync asks the leader, but no quorum: it relies on there being one leader.

mod client;
mod jute;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::KvClient;
use crate::error::BenchError;
use crate::process::{self, Process, find_program, free_port, wait_for};
use client::ZookeeperClient;

/// How long the servers may take to elect a leader and serve.
const READY_MAX: Duration = Duration::from_secs(60);
/// How long one of them may take to tell its state.
const STATE_MAX: Duration = Duration::from_secs(5);
/// Longest answer to `srvr` that is read.
const STATE_MAX_BYTES: u64 = 64 << 10;
/// Where Debian has it; the file names those that it needs.
const JAR: &str = "/usr/share/java/zookeeper.jar";
/// Prints warnings to stderr, and so into the server's log: without it they are lost. It comes with ZooKeeper.
const LOG_JAR: &str = "/usr/share/java/slf4j-simple.jar";
/// What ZooKeeper's own start script gives to a server.
const HEAP: &str = "-Xmx1000m";
/// Settings of all servers: times as in ZooKeeper's sample, a sync before each acknowledgement (also the default), as many
/// connections from one address as there are clients, and no page for administrators, whose port all three would want.
const SETTINGS: [&str; 7] = [
    "tickTime=2000",
    "initLimit=10",
    "syncLimit=5",
    "forceSync=yes",
    "maxClientCnxns=0",
    "admin.enableServer=false",
    "clientPortAddress=127.0.0.1",
];

/// See the head of the file.
#[derive(Debug)]
pub struct ZookeeperCluster {
    installed: Installation,
    settings: Vec<String>,
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    client_port: u16,
    command: String,
    process: Process,
}

/// The programs.
#[derive(Debug)]
struct Installation {
    java: PathBuf,
    classes: String,
}

/// Ports of a server: of its clients, of its followers, of elections.
type Ports = (u16, u16, u16);

/// Whether it can be started at all.
///
/// # Errors
/// It is not installed.
pub fn check_installed() -> Result<(), BenchError> {
    Installation::find(find_program("java", &[]), Path::new(JAR)).map(drop)
}

impl ZookeeperCluster {
    /// Starts three servers in this folder and waits until one leads and all serve.
    ///
    /// # Errors
    /// ZooKeeper is not installed, or does not start.
    pub async fn start(folder: &Path) -> Result<Self, BenchError> {
        let installed = Installation::find(find_program("java", &[]), Path::new(JAR))?;
        let mut ports: Vec<Ports> = Vec::new();
        for _ in 0..3 {
            ports.push((free_port()?, free_port()?, free_port()?));
        }
        let servers = (1..).zip(&ports).map(|(number, (_, followers, elections))| {
            format!("server.{number}=127.0.0.1:{followers}:{elections}")
        });
        let settings = SETTINGS.map(str::to_owned).into_iter().chain(servers).collect();
        let mut cluster = Self { installed, settings, nodes: Vec::new() };
        for (number, (client_port, ..)) in (1..).zip(ports) {
            let folder = folder.join("zookeeper").join(format!("z{number}"));
            cluster.start_node(number, client_port, &folder)?;
        }
        cluster.await_serving().await?;
        Ok(cluster)
    }

    fn start_node(&mut self, number: u32, client_port: u16, folder: &Path) -> Result<(), BenchError> {
        let own = [format!("dataDir={}", folder.display()), format!("clientPort={client_port}")];
        let settings: Vec<&str> = self.settings.iter().chain(&own).map(String::as_str).collect();
        let file = folder.join("zoo.cfg");
        let prepare = || {
            std::fs::create_dir_all(folder)?;
            std::fs::write(folder.join("myid"), number.to_string())?;
            std::fs::write(&file, settings.join("\n"))
        };
        prepare().map_err(BenchError::io(format!("preparing {}", folder.display())))?;
        let mut command = self.installed.java();
        command.args([HEAP, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]);
        command.arg("org.apache.zookeeper.server.quorum.QuorumPeerMain").arg(&file);
        let line = process::line_of(&command);
        let process = Process::start(&format!("zookeeper z{number}"), command, &folder.join("log"))?;
        self.nodes.push(Node { client_port, command: line, process });
        Ok(())
    }

    async fn await_serving(&mut self) -> Result<(), BenchError> {
        for node in &mut self.nodes {
            let port = node.client_port;
            let waited = wait_for("a ZooKeeper that leads or follows", READY_MAX, || async move {
                let words = state(port).await?;
                if words.contains("Mode: leader") || words.contains("Mode: follower") {
                    Ok(())
                } else {
                    Err(words)
                }
            });
            let waited = waited.await;
            node.process.check()?;
            waited.map_err(|error| node.process.error(error.to_string()))?;
        }
        Ok(())
    }

    /// Makes the parent of all keys.
    ///
    /// # Errors
    /// ZooKeeper refuses.
    pub async fn create_root(&self) -> Result<(), BenchError> {
        self.connect(0).await?.create_root().await
    }

    /// Client `number`, with a session at node `number` mod 3.
    ///
    /// # Errors
    /// It cannot connect.
    pub async fn client(&self, number: usize) -> Result<Box<dyn KvClient>, BenchError> {
        Ok(Box::new(self.connect(number).await?))
    }

    async fn connect(&self, number: usize) -> Result<ZookeeperClient, BenchError> {
        let node = self.nodes.get(number % self.nodes.len().max(1));
        ZookeeperClient::connect(node.map_or(0, |node| node.client_port)).await
    }

    /// Version, settings and command lines.
    pub fn description(&self) -> Vec<String> {
        let version = self.installed.java().arg("org.apache.zookeeper.version.VersionInfoMain").output();
        let version = version.map_or_else(
            |error| format!("(unknown: {error})"),
            |output| String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned(),
        );
        let settings = format!("  zoo.cfg: {}", self.settings.join(" "));
        let commands = self.nodes.iter().map(|node| format!("  {}", node.command));
        [version, settings].into_iter().chain(commands).collect()
    }

    /// Fails where a server has ended.
    ///
    /// # Errors
    /// As said.
    pub fn check(&mut self) -> Result<(), BenchError> {
        self.nodes.iter_mut().try_for_each(|node| node.process.check())
    }
}

impl Installation {
    fn find(java: Option<PathBuf>, jar: &Path) -> Result<Self, BenchError> {
        if !jar.is_file() {
            return Err(BenchError::Usage(format!(
                "ZooKeeper is not installed: there is no {}\n  do: apt-get install zookeeper",
                jar.display()
            )));
        }
        let java = java.ok_or_else(|| {
            let words =
                "ZooKeeper needs Java, which is not installed\n  do: apt-get install default-jre-headless";
            BenchError::Usage(words.to_owned())
        })?;
        Ok(Self { java, classes: format!("{}:{LOG_JAR}", jar.display()) })
    }

    /// Its settings can also come from the environment: here they must not.
    fn java(&self) -> Command {
        let mut command = Command::new(&self.java);
        command.env_clear().args(["-cp", &self.classes]);
        command
    }
}

/// What a server says of itself: the answer to its word `srvr`.
async fn state(port: u16) -> Result<String, String> {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(b"srvr").await?;
        let mut words = String::new();
        stream.take(STATE_MAX_BYTES).read_to_string(&mut words).await?;
        Ok(words)
    };
    let answer = tokio::time::timeout(STATE_MAX, ask).await.map_err(|_| "no answer to srvr".to_owned())?;
    answer.map_err(|error: std::io::Error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_its_package() {
        let folder = tempfile::tempdir().unwrap();
        let jar = folder.path().join("zookeeper.jar");
        let java = || Some(PathBuf::from("/usr/bin/java"));
        let missing = |java| {
            let error = Installation::find(java, &jar).unwrap_err();
            assert!(error.is_usage(), "{error}");
            error.to_string()
        };
        let words = missing(java());
        assert!(words.contains("no /") && words.ends_with("apt-get install zookeeper"), "{words}");
        std::fs::write(&jar, "").unwrap();
        let words = missing(None);
        assert!(words.ends_with("apt-get install default-jre-headless"), "{words}");
        assert!(Installation::find(java(), &jar).is_ok());
    }
}
