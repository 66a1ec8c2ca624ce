//! Scripts of SQL on one store in memory: statements, their rows, tags, notices and errors.
//!
//! ```text
//! > SQL                        runs a text in the session of the prefix (`s2:> …`)
//! params "SQL" value …         prepares, and runs with these parameters in text
//! copy "SQL" "data" chunk=N    feeds a COPY FROM in pieces
//! connect DATABASE name=value  begins the session of the prefix anew, with these settings
//! lease over|back              takes the catalog's lease away, gives it back
//! release old|new              makes the cluster one with nodes of the release before, or not
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;

use goldenscript::{Command, Context};
use quorate_engine::clock::{ForgetBound, HybridClock, ManualClock};
use quorate_engine::local::LocalDatabase;
use quorate_engine::memory::MemoryStore;
use quorate_engine::testing::script::run_folder;

use super::*;
use crate::program::scan_evaluator;
use crate::testing::local_cluster::{LocalCluster, TestClock};
use crate::testing::recorder::Recorder;
use crate::types::text;

/// A node with an empty database.
pub(crate) fn new_node() -> (Arc<SqlNode>, Arc<LocalCluster>) {
    let store = Arc::new(MemoryStore::new());
    // A clock that stands still counts on its own, so that timestamps are the same in each run.
    let clock = HybridClock::new(Arc::new(ManualClock::new(1_000_000)), Box::new(ForgetBound));
    let database = LocalDatabase::new(store, Arc::new(clock), scan_evaluator());
    let cluster = LocalCluster::new();
    (SqlNode::new(Arc::new(database), cluster.clone(), TestClock::new()), cluster)
}

/// Runs a text to its end; the last completion's tag.
pub(crate) async fn run_text(
    session: &mut Session,
    sql: &str,
    sink: &mut Recorder,
) -> Result<String, SqlError> {
    let cancel = CancelToken::new();
    let mut run = session.begin_text(sql).await?;
    let mut tags = Vec::new();
    while let Some(completion) = run.next(session, &cancel, sink).await? {
        tags.push(match completion {
            Completion::Tag(tag) => tag,
            Completion::Empty => "(empty)".to_owned(),
            Completion::CopyIn(copy) => copy.abort(session, "the script gives no data").await.to_string(),
        });
    }
    Ok(tags.join("\n"))
}

mod attempts;
mod confirmed;
mod implicit;
mod lists;
mod own_tables;
mod reuse;
mod savepoints;
mod slt;

fn options(database: &str) -> SessionOptions {
    SessionOptions { user: "root".to_owned(), database: database.to_owned(), backend_pid: 7 }
}

struct Runner {
    runtime: tokio::runtime::Runtime,
    node: Arc<SqlNode>,
    cluster: Arc<LocalCluster>,
    sessions: BTreeMap<String, Session>,
}

impl Runner {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (node, cluster) = new_node();
        Self { runtime, node, cluster, sessions: BTreeMap::new() }
    }

    fn take_session(&mut self, name: &str) -> Session {
        self.sessions.remove(name).unwrap_or_else(|| {
            let settings = [("application_name".to_owned(), "script".to_owned())];
            self.node.connect(options("quorate"), &settings).unwrap()
        })
    }

    fn connect(&mut self, name: String, command: &Command) -> String {
        let mut arguments = command.consume_args();
        let database = arguments.next_pos().unwrap().to_owned();
        let settings: Vec<(String, String)> = std::iter::from_fn(|| arguments.next_key())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        match self.node.connect(options(&database), &settings) {
            Ok(session) => {
                self.sessions.insert(name, session);
                "connected\n".to_owned()
            }
            Err(error) => format!("{}\n", print_error(&error)),
        }
    }
}

/// Feeds the COPY of a text in pieces; the tags of all its statements.
async fn copy(session: &mut Session, sql: &str, data: &str, chunk: usize) -> Result<String, SqlError> {
    let cancel = CancelToken::new();
    let mut run = session.begin_text(sql).await?;
    let (mut tags, mut copies) = (Vec::new(), 0);
    while let Some(completion) = run.next(session, &cancel, &mut Recorder::default()).await? {
        tags.push(match completion {
            Completion::Tag(tag) => tag,
            Completion::CopyIn(mut copy) => {
                copies += 1;
                for piece in data.as_bytes().chunks(chunk) {
                    copy.feed(session, piece).await?;
                }
                copy.finish(session).await?
            }
            Completion::Empty => panic!("{sql} is empty"),
        });
    }
    assert_eq!(copies, 1, "{sql} is no COPY FROM STDIN");
    Ok(tags.join("\n"))
}

async fn with_parameters(
    session: &mut Session,
    sql: &str,
    values: &[&str],
    sink: &mut Recorder,
) -> Result<String, SqlError> {
    let statement = session.parse(sql)?.remove(0);
    let prepared = session.prepare(&statement, &[]).await?;
    let parameters = prepared.parameter_types().iter().zip(values).map(|(data_type, value)| match *value {
        "NULL" => Ok(Datum::Null),
        value => text::from_text(value, data_type),
    });
    let parameters = parameters.collect::<Result<Vec<_>, _>>()?;
    let completion = session.run(&prepared, &parameters, &CancelToken::new(), sink).await?;
    let Completion::Tag(tag) = completion else { panic!("{completion:?}") };
    Ok(tag)
}

fn print(recorder: &Recorder, result: &Result<String, SqlError>, status: TransactionStatus) -> String {
    let mut out = String::new();
    if let Some(columns) = &recorder.columns {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let _ = writeln!(out, "{}", names.join("\t"));
        recorder.lines().iter().for_each(|line| out.push_str(&format!("  {line}\n")));
    }
    out.push_str(&String::from_utf8_lossy(&recorder.data));
    for (severity, message) in &recorder.notices {
        let _ = writeln!(out, "{severity}: {message}");
    }
    let _ = match result {
        Ok(tag) => writeln!(out, "{tag}"),
        Err(error) => writeln!(out, "{}", print_error(error)),
    };
    if status != TransactionStatus::Idle {
        let _ = writeln!(out, "({status:?})");
    }
    out
}

fn print_error(error: &SqlError) -> String {
    let mut out = format!("{}: {}", error.state.code(), error.message);
    if let Some(position) = error.position {
        let _ = write!(out, " (at {position})");
    }
    error.detail.iter().for_each(|detail| out.push_str(&format!("\n  DETAIL: {detail}")));
    error.hint.iter().for_each(|hint| out.push_str(&format!("\n  HINT: {hint}")));
    out
}

impl goldenscript::Runner for Runner {
    type Command = Command;

    fn run(&mut self, command: &Command, context: &Context) -> Result<String, Box<dyn Error>> {
        if command.name == "lease" {
            let is_over = command.consume_args().next_pos() == Some("over");
            self.cluster.set_lease_over(is_over);
            return Ok(String::new());
        }
        if command.name == "release" {
            let is_old = command.consume_args().next_pos() == Some("old");
            self.cluster.set_generations_behind(u8::from(is_old));
            return Ok(String::new());
        }
        let name = context.prefix.clone().unwrap_or_default();
        if command.name == "connect" {
            return Ok(self.connect(name, command));
        }
        let mut session = self.take_session(&name);
        let mut recorder = Recorder::default();
        let mut arguments = command.consume_args();
        let result = match command.name.as_str() {
            "copy" => {
                let chunk = arguments.take_key("chunk").map_or(Ok(usize::MAX), str::parse)?;
                let (sql, data) = (arguments.next_pos().unwrap(), arguments.next_pos().unwrap());
                self.runtime.block_on(copy(&mut session, sql, data, chunk))
            }
            "params" => {
                let sql = arguments.next_pos().unwrap();
                let values: Vec<&str> = std::iter::from_fn(|| arguments.next_pos()).collect();
                self.runtime.block_on(with_parameters(&mut session, sql, &values, &mut recorder))
            }
            sql => self.runtime.block_on(run_text(&mut session, sql, &mut recorder)),
        };
        let out = print(&recorder, &result, session.transaction_status());
        self.sessions.insert(name, session);
        Ok(out)
    }
}

#[test]
fn exec_scripts() {
    run_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/exec"), Runner::new);
}

#[test]
fn session_scripts() {
    run_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/session"), Runner::new);
}

/// The wire runs a statement in a task of its own.
#[test]
fn session_futures_can_be_spawned() {
    fn is_send<T: Send>(_: &T) {}
    let (node, _) = new_node();
    let mut session = node.session(SessionOptions::default());
    let mut sink = Recorder::default();
    let cancel = CancelToken::new();
    let mut run = TextRun::new(Vec::new());
    is_send(&run.next(&mut session, &cancel, &mut sink));
}
