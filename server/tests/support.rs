//! Three real processes in three zones, and what a user does with them: psql, the shell, HTTP, `kill -9`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// Generous: these machines are shared. Nothing waits for it where all is well.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Ports of test nodes.
const FIRST_PORT: u16 = 10_000;
const PORTS: u16 = 20_000;

/// The binary under test.
pub fn quorate() -> Command {
    Command::new(env!("CARGO_BIN_EXE_quorate"))
}

/// Folder of the committed sample.
pub fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample")
}

/// One node's process.
pub struct Node {
    /// Position from 1, also its node id.
    pub number: usize,
    pub listen: u16,
    pub sql: u16,
    pub http: u16,
    join: String,
    /// Flags of its start that replace the contract's, or come to them.
    pub flags: Vec<(&'static str, String)>,
    /// Whether it may listen beyond loopback.
    pub insecure: bool,
    directory: PathBuf,
    child: Option<Child>,
}

/// Three nodes with their data directories.
pub struct Cluster {
    pub nodes: Vec<Node>,
    directory: TempDir,
}

/// A port that nobody listens on, below those that the system gives to outgoing connections, and another one each time:
/// between the question and the node's own start nobody takes it.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(97).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = FIRST_PORT + u16::try_from(number % u32::from(PORTS)).expect("a small number");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Cluster {
    /// Three nodes, not started.
    pub fn prepare() -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let listen: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let join: Vec<String> = listen.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let nodes = listen
            .iter()
            .zip(1..)
            .map(|(&listen, number)| Node {
                number,
                listen,
                sql: free_port(),
                http: free_port(),
                join: join.join(","),
                flags: Vec::new(),
                insecure: false,
                directory: directory.path().to_owned(),
                child: None,
            })
            .collect();
        Self { nodes, directory }
    }

    /// Three nodes, started and initialised, all ready.
    pub fn running() -> Self {
        let mut cluster = Self::prepare();
        cluster.start_all();
        cluster.init();
        cluster.await_ready();
        cluster
    }

    /// A cluster of one node, started and initialised, ready.
    pub fn of_one() -> Self {
        let mut cluster = Self::prepare();
        cluster.nodes.truncate(1);
        cluster.nodes[0].join = cluster.nodes[0].host();
        cluster.start_all();
        cluster.init();
        cluster.await_ready();
        cluster
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn start_all(&mut self) {
        for node in &mut self.nodes {
            node.start();
        }
    }

    /// `quorate init` at the first node, as soon as all answer.
    pub fn init(&self) {
        for node in &self.nodes {
            node.await_http("/health", 200);
        }
        let output = quorate().args(["init", "--host", &self.nodes[0].host()]).output().expect("init");
        assert!(output.status.success(), "{}", text_of(&output));
    }

    /// One node more, started, and ready once it has joined; it stands in the zone of the second one.
    pub fn add_node(&mut self) {
        let first = self.nodes.first().expect("a first node");
        let mut node = Node {
            number: self.nodes.len() + 1,
            listen: free_port(),
            sql: free_port(),
            http: free_port(),
            join: first.join.clone(),
            flags: Vec::new(),
            insecure: false,
            directory: first.directory.clone(),
            child: None,
        };
        node.start();
        node.await_http("/ready", 200);
        self.nodes.push(node);
    }

    pub fn await_ready(&self) {
        for node in &self.nodes {
            node.await_http("/ready", 200);
        }
    }

    /// Sum of a metric over the running nodes, of the series whose labels contain all of `labels`.
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        self.nodes.iter().filter(|node| node.is_running()).map(|node| node.metric(name, labels)).sum()
    }
}

impl Node {
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.listen)
    }

    pub fn url(&self) -> String {
        format!("postgres://root@127.0.0.1:{}/quorate", self.sql)
    }

    pub fn data_dir(&self) -> PathBuf {
        self.directory.join(format!("d{}", self.number))
    }

    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.directory.join(format!("n{}.log", self.number))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The command of the contract, with this node's addresses, apart from what `flags` say.
    pub fn command(&self) -> Command {
        let zone = ["a", "b", "c", "b"][self.number - 1];
        let mut flags = vec![
            ("--data-dir", self.data_dir().display().to_string()),
            ("--listen", self.host()),
            ("--sql", format!("127.0.0.1:{}", self.sql)),
            ("--http", format!("127.0.0.1:{}", self.http)),
            ("--locality", format!("region=eu,zone={zone}")),
            ("--join", self.join.clone()),
        ];
        flags.retain(|(flag, _)| self.flags.iter().all(|(other, _)| other != flag));
        flags.extend(self.flags.iter().cloned());
        let mut command = quorate();
        command.arg("start").args(self.insecure.then_some("--insecure"));
        for (flag, value) in &flags {
            command.args([flag, value.as_str()]);
        }
        command
    }

    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    /// With these variables in its environment.
    pub fn start_with(&mut self, environment: &[(&str, &str)]) {
        let mut command = self.command();
        command.envs(environment.iter().copied());
        self.spawn(command);
    }

    /// With these flags beside the usual ones.
    pub fn start_with_flags(&mut self, flags: &[&str]) {
        let mut command = self.command();
        command.args(flags);
        self.spawn(command);
    }

    fn spawn(&mut self, mut command: Command) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.directory.join(format!("n{}.log", self.number)))
            .expect("log file");
        let errors = log.try_clone().expect("log file");
        let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().expect("start");
        self.child = Some(child);
    }

    /// In a process that may have so many descriptors: a soft limit and a hard one.
    pub fn start_with_descriptors(&mut self, soft: u32, hard: u32) {
        let command = self.command();
        let mut limited = Command::new("prlimit");
        limited.arg(format!("--nofile={soft}:{hard}")).arg(command.get_program()).args(command.get_args());
        self.spawn(limited);
    }

    pub fn process_id(&self) -> u32 {
        self.child.as_ref().expect("running").id()
    }

    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// `kill -9`, and waits until the process is gone.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("running");
        child.kill().expect("kill");
        child.wait().expect("wait");
    }

    /// Waits until the process has ended by itself.
    pub fn await_end(&mut self) {
        let mut child = self.child.take().expect("running");
        wait_for("the process ends", || {
            let status = child.try_wait().map_err(|error| error.to_string())?;
            status.map(|_| ()).ok_or_else(|| "it runs".to_owned())
        });
    }

    /// The disk of a stopped node is gone.
    pub fn wipe(&self) {
        assert!(!self.is_running());
        std::fs::remove_dir_all(self.data_dir()).expect("its data directory");
    }

    /// Runs `quorate` with these words and this node's address.
    pub fn ask(&self, words: &[&str]) -> Output {
        quorate().args(words).args(["--host", &self.host()]).output().expect("quorate")
    }

    /// SIGTERM, and the exit code once the process has ended.
    pub fn terminate(&mut self) -> Option<i32> {
        signal(self.process_id(), Signal::TERM);
        let mut child = self.child.take().expect("running");
        let mut status = None;
        wait_for("the process ends", || {
            status = child.try_wait().map_err(|error| error.to_string())?;
            status.map(|_| ()).ok_or_else(|| "it runs".to_owned())
        });
        status.and_then(|status| status.code())
    }

    /// Status and body of an HTTP GET; `None` where nobody answers.
    pub fn http_get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http)).ok()?;
        stream.set_read_timeout(Some(DEADLINE)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split_whitespace().nth(1)?.parse().ok()?;
        let body = answer.split_once("\r\n\r\n")?.1.to_owned();
        Some((status, body))
    }

    pub fn await_http(&self, path: &str, wanted: u16) {
        let what = format!("n{} {path} {wanted}", self.number);
        wait_for(&what, || {
            let answer = self.http_get(path);
            match answer {
                Some((status, _)) if status == wanted => Ok(()),
                other => Err(format!("{other:?}\n{}", self.log())),
            }
        });
    }

    /// A metric's value: the sum of the series whose labels contain all of `labels`.
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let (_, body) = self.http_get("/metrics").expect("metrics");
        body.lines()
            .filter(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)))
            .filter(|line| line[name.len()..].starts_with(['{', ' ']))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    pub fn psql(&self) -> Command {
        let mut command = Command::new("psql");
        let target = format!("host=127.0.0.1 port={} user=root dbname=quorate", self.sql);
        command.args(["-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", &target]);
        command
    }

    /// Runs statements with psql; rows tab-separated without header.
    pub fn psql_run(&self, statements: &str) -> String {
        let output = self.psql().args(["-c", statements]).output().expect("psql must be installed");
        assert!(output.status.success(), "{statements}\n{}\n{}", text_of(&output), self.log());
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    pub async fn connect(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.expect("connect");
        tokio::spawn(connection);
        client
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- log of n{}\n{}", self.number, self.log());
        }
    }
}

/// Sends a signal to a process of this test; a fresh machine has no `kill` command.
pub fn signal(process_id: u32, signal: Signal) {
    let raw = i32::try_from(process_id).expect("a process id");
    rustix::process::kill_process(Pid::from_raw(raw).expect("a process id"), signal).expect("signal");
}

/// Waits until `check` succeeds; its last complaint is the panic's text.
pub fn wait_for(what: &str, check: impl FnMut() -> Result<(), String>) {
    wait_for_within(DEADLINE, what, check);
}

/// As [`wait_for`], for what takes longer.
pub fn wait_for_within(deadline: Duration, what: &str, mut check: impl FnMut() -> Result<(), String>) {
    let start = Instant::now();
    loop {
        match check() {
            Ok(()) => return,
            Err(complaint) if start.elapsed() > deadline => panic!("{what}: {complaint}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Builds a library that is loaded before a node's own, from `tests/preloads`; the C compiler is there wherever RocksDB
/// was built.
pub fn preload(name: &str, folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/preloads/{name}.c"));
    let library = folder.join(format!("{name}.so"));
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(source).arg("-ldl");
    let output = compiler.output().expect("cc must be installed");
    assert!(output.status.success(), "{}", text_of(&output));
    library
}

pub fn text_of(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("status {:?}\nstdout: {out}\nstderr: {err}", output.status.code())
}

/// Rows of a simple query as text; NULL is the empty string.
pub fn rows_of(messages: Vec<SimpleQueryMessage>) -> Vec<Vec<String>> {
    messages
        .into_iter()
        .filter_map(|message| {
            let SimpleQueryMessage::Row(row) = message else { return None };
            Some((0..row.len()).map(|index| row.get(index).unwrap_or_default().to_owned()).collect())
        })
        .collect()
}

pub const TABLES: [&str; 5] = ["airlines", "airports", "planes", "weather", "flights"];

/// Creates the sample's tables and copies its rows with psql, each table through another node.
pub fn load_sample(cluster: &Cluster) {
    let file = sample().join("schema.sql");
    let output = cluster.nodes[0].psql().arg("-f").arg(file).output().expect("psql must be installed");
    assert!(output.status.success(), "{}", text_of(&output));
    for (index, table) in TABLES.iter().enumerate() {
        copy_table(&cluster.nodes[index % 3], table, &sample().join(format!("{table}.csv.gz")));
    }
}

/// `\copy` of a gzipped CSV file.
pub fn copy_table(node: &Node, table: &str, file: &Path) {
    let copy = format!(
        "\\copy {table} FROM PROGRAM 'gzip -dc {}' WITH (FORMAT csv, HEADER true, NULL 'NA')",
        file.display()
    );
    let output = node.psql().args(["-c", &copy]).output().expect("psql must be installed");
    assert!(output.status.success(), "{copy}\n{}\n{}", text_of(&output), node.log());
}
