//! PostgreSQL with two standbys of which one must have synced each commit: as durable as two of three nodes.
//!
//! Statements go to the primary, also those that only read: a standby's answer may be old. PostgreSQL refuses to run as
//! root; where this program does, its processes run as the user `postgres` or `nobody`.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::sql::{self, SqlSystem};
use crate::error::BenchError;
use crate::process::{self, Process, find_program, free_port, wait_for};

/// How long a server may take to answer.
const READY_MAX: Duration = Duration::from_secs(60);
/// Debian's folders, the newest first.
const FOLDERS: [&str; 4] = [
    "/usr/lib/postgresql/17/bin",
    "/usr/lib/postgresql/16/bin",
    "/usr/lib/postgresql/15/bin",
    "/usr/lib/postgresql/14/bin",
];
/// Names of the standbys.
const STANDBYS: [&str; 2] = ["s1", "s2"];
/// Settings besides the defaults, of all three servers: room for 256 clients and for checkpoints, and the commit rule.
const SETTINGS: [&str; 8] = [
    "listen_addresses=127.0.0.1",
    "max_connections=400",
    "shared_buffers=256MB",
    "max_wal_size=4GB",
    "fsync=on",
    "synchronous_commit=on",
    "wal_level=replica",
    "max_wal_senders=8",
];

/// See the head of the file.
#[derive(Debug)]
pub struct PostgresCluster {
    version: String,
    commands: Vec<String>,
    processes: Vec<Process>,
    sql: SqlSystem,
}

/// What the servers are started with.
struct Installation {
    bin: PathBuf,
    folder: PathBuf,
    user: Option<(u32, u32)>,
}

/// Whether it can be started at all.
///
/// # Errors
/// It is not installed.
pub fn check_installed() -> Result<(), BenchError> {
    find_bin().map(drop)
}

fn find_bin() -> Result<PathBuf, BenchError> {
    let initdb = find_program("initdb", &FOLDERS).and_then(|path| path.canonicalize().ok());
    initdb.and_then(|path| path.parent().map(Path::to_owned)).ok_or_else(|| {
        BenchError::Usage("PostgreSQL is not installed\n  do: apt-get install postgresql-15".to_owned())
    })
}

impl PostgresCluster {
    /// Starts a primary and two standbys in this folder and waits until both stream.
    ///
    /// # Errors
    /// PostgreSQL is not installed, or does not start.
    pub async fn start(folder: &Path) -> Result<Self, BenchError> {
        let installed = Installation::find(folder)?;
        let version = process::first_line_of(Command::new(installed.bin.join("postgres")).arg("--version"));
        let port = free_port()?;
        let sql = SqlSystem::new("postgres", vec![format!("postgres://bench@127.0.0.1:{port}/postgres")]);
        let mut cluster = Self { version, commands: Vec::new(), processes: Vec::new(), sql };
        let primary = installed.folder.join("primary");
        let mut initdb = installed.command("initdb");
        initdb
            .args(["--auth=trust", "--username=bench", "--encoding=UTF8", "--locale=C", "-D"])
            .arg(&primary);
        run(initdb)?;
        let names = format!("synchronous_standby_names=ANY 1 ({})", STANDBYS.join(", "));
        cluster.start_server(&installed, "primary", port, &[&names])?;
        cluster.await_rows(port, "SELECT 1", 1).await?;
        for name in STANDBYS {
            let mut backup = installed.command("pg_basebackup");
            let source = format!("host=127.0.0.1 port={port} user=bench application_name={name}");
            backup.args(["--write-recovery-conf", "--checkpoint=fast", "-d", &source, "-D"]);
            backup.arg(installed.folder.join(name));
            run(backup)?;
            cluster.start_server(&installed, name, free_port()?, &[])?;
        }
        let streaming =
            "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'quorum'";
        cluster.await_rows(port, streaming, STANDBYS.len()).await?;
        Ok(cluster)
    }

    fn start_server(
        &mut self,
        installed: &Installation,
        name: &str,
        port: u16,
        more: &[&str],
    ) -> Result<(), BenchError> {
        let mut command = installed.command("postgres");
        command.arg("-D").arg(installed.folder.join(name)).args(["-p", &port.to_string()]);
        let sockets = format!("unix_socket_directories={}", installed.folder.display());
        for setting in SETTINGS.iter().chain(more).copied().chain([sockets.as_str()]) {
            command.args(["-c", setting]);
        }
        self.commands.push(format!("  {}", process::line_of(&command)));
        let log = installed.folder.join(format!("{name}.log"));
        let process = Process::start(&format!("postgres {name}"), command, &log)?;
        // Killed with signal 9 it would leave shared memory behind.
        self.processes.push(process.ended_by(Signal::QUIT));
        Ok(())
    }

    async fn await_rows(&mut self, port: u16, query: &str, rows: usize) -> Result<(), BenchError> {
        let url = format!("postgres://bench@127.0.0.1:{port}/postgres");
        let waited = wait_for(query, READY_MAX, || async {
            let client = sql::connect(&url).await.map_err(|error| error.to_string())?;
            let found = client.query(query, &[]).await.map_err(|error| error.to_string())?.len();
            if found == rows { Ok(()) } else { Err(format!("{found} rows of {rows}")) }
        });
        let waited = waited.await;
        self.check()?;
        waited
    }

    /// Its SQL, at the primary.
    pub fn sql(&self) -> &SqlSystem {
        &self.sql
    }

    /// Version and command lines.
    pub fn description(&self) -> Vec<String> {
        std::iter::once(self.version.clone()).chain(self.commands.iter().cloned()).collect()
    }

    /// Fails where a server has ended.
    ///
    /// # Errors
    /// As said.
    pub fn check(&mut self) -> Result<(), BenchError> {
        self.processes.iter_mut().try_for_each(Process::check)
    }
}

impl Drop for PostgresCluster {
    fn drop(&mut self) {
        // Standbys first: a primary's stop is no fault of theirs to log.
        while let Some(process) = self.processes.pop() {
            drop(process);
        }
    }
}

impl Installation {
    fn find(folder: &Path) -> Result<Self, BenchError> {
        let bin = find_bin()?;
        let user = if rustix::process::geteuid().is_root() { Some(ordinary_user()?) } else { None };
        let what = format!("preparing {}", folder.display());
        let folder = prepare_folder(folder, user).map_err(BenchError::io(what))?;
        Ok(Self { bin, folder, user })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.current_dir(&self.folder).env_clear();
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }
}

/// The folder for the servers, owned by their user, who also must be able to come there.
fn prepare_folder(run: &Path, user: Option<(u32, u32)>) -> std::io::Result<PathBuf> {
    let folder = run.join("postgres");
    std::fs::create_dir_all(&folder)?;
    if let Some((user, group)) = user {
        std::fs::set_permissions(run, std::fs::Permissions::from_mode(0o755))?;
        std::os::unix::fs::chown(&folder, Some(user), Some(group))?;
    }
    Ok(folder)
}

/// Numbers of the user `postgres`, or of `nobody`.
fn ordinary_user() -> Result<(u32, u32), BenchError> {
    let users = std::fs::read_to_string("/etc/passwd").map_err(BenchError::io("reading /etc/passwd"))?;
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    find("postgres").or_else(|| find("nobody")).ok_or_else(|| {
        BenchError::Usage(
            "PostgreSQL does not run as root, and there is no user postgres or nobody".to_owned(),
        )
    })
}

/// Runs a command to its end.
fn run(mut command: Command) -> Result<(), BenchError> {
    let line = process::line_of(&command);
    let output = command.output().map_err(BenchError::io(line.clone()))?;
    if output.status.success() {
        return Ok(());
    }
    let detail = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(BenchError::System { system: "postgres".to_owned(), what: line, detail })
}
