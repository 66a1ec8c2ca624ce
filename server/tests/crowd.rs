//! A crowd of requests that wait at one node: they cost each other time, and nobody a leader.
//!
//! The crowd is at a gateway within this process, a member of the cluster like any other: no node takes as many clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quorate::config::OnLoss;
use quorate::metrics;
use quorate::node::{Listeners, Node, NodeConfig};
use quorate_placement::topology::Locality;
use quorate_sql::cancel::CancelToken;
use quorate_sql::error::SqlError;
use quorate_sql::error::SqlState;
use quorate_sql::node::SqlNode;
use quorate_sql::session::{Prepared, Session, SessionOptions};
use quorate_sql::testing::recorder::Recorder;
use tempfile::TempDir;

use crate::support::{Cluster, DEADLINE, text_of, wait_for};

/// Requests that are on their way at the same time, from the first moment on.
const CROWD: usize = 20_000;
/// How long each may take to be answered, one way or the other.
const ANSWERED_WITHIN: Duration = Duration::from_secs(120);

/// A node of the cluster in this process; its directory goes with it.
struct Gateway {
    node: Node,
    _directory: TempDir,
}

impl Gateway {
    async fn join(cluster: &Cluster) -> (Self, Arc<SqlNode>) {
        let directory = tempfile::tempdir().unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let listeners = Listeners::bind(any, any, any).await.unwrap();
        let config = NodeConfig {
            data_dir: directory.path().to_owned(),
            address: listeners.peer_address().unwrap(),
            locality: Locality::default(),
            join: cluster.nodes.iter().map(crate::support::Node::host).collect(),
            on_loss: OnLoss::Refuse,
            nodes_in_process: 1,
        };
        let node = Node::start(config, listeners, metrics::install().unwrap()).await.unwrap();
        let ready = tokio::time::timeout(DEADLINE, node.ready()).await.expect("it joins in time");
        (Self { node, _directory: directory }, ready.expect("it is a member"))
    }
}

/// How many of the crowd were answered with what they wanted, and how many by what is not known.
#[derive(Debug, Default)]
struct Answers {
    done: u64,
    unknown: u64,
    refused: u64,
}

/// A client that is about to add one.
async fn member(sql: &Arc<SqlNode>) -> Result<(Session, Prepared), SqlError> {
    let mut session = sql.session(SessionOptions::default());
    let statements = session.parse("UPDATE hot SET v = v + 1 WHERE k = 1")?;
    let prepared = session.prepare(&statements[0], &[]).await?;
    Ok((session, prepared))
}

async fn crowd(sql: &Arc<SqlNode>) -> Answers {
    // Prepared before: else the time of the first ones runs out while the last ones are only read, on a slow machine.
    let mut members = Vec::with_capacity(CROWD);
    for _ in 0..CROWD {
        members.push(member(sql).await.expect("a prepared statement"));
    }
    let tasks: Vec<_> = members
        .into_iter()
        .map(|(mut session, prepared)| {
            tokio::spawn(async move {
                let (cancel, mut sink) = (CancelToken::new(), Recorder::default());
                session.run(&prepared, &[], &cancel, &mut sink).await.map(|_| ())
            })
        })
        .collect();
    let mut answers = Answers::default();
    for task in tasks {
        match tokio::time::timeout(ANSWERED_WITHIN, task).await.expect("each is answered in time").unwrap() {
            Ok(()) => answers.done += 1,
            Err(error) if error.state == SqlState::StatementCompletionUnknown => answers.unknown += 1,
            Err(_) => answers.refused += 1,
        }
    }
    answers
}

/// The longest wait of a client of another table, one statement after the other; and how many were answered with success.
/// It asks the same nodes for the same as the crowd does, and may be told that they have too much to do.
fn longest_wait(cluster: &Cluster, is_over: &AtomicBool) -> (Duration, usize) {
    let (mut longest, mut done) = (Duration::ZERO, 0);
    for key in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let begun = Instant::now();
        let insert = format!("INSERT INTO calm VALUES ({key}, 0)");
        let output = cluster.nodes[key % 3].psql().args(["-c", &insert]).output().unwrap();
        done += usize::from(output.status.success());
        longest = longest.max(begun.elapsed());
    }
    (longest, done)
}

#[test]
fn crowd_that_waits_at_one_node_costs_no_leader() {
    let cluster = Cluster::running();
    cluster.nodes[0].psql_run("CREATE TABLE hot (k INT8 PRIMARY KEY, v INT8); INSERT INTO hot VALUES (1, 0)");
    cluster.nodes[0].psql_run("CREATE TABLE calm (k INT8 PRIMARY KEY, v INT8)");
    let elections = || cluster.metric("quorate_raft_elections_total", &["reason=\"silence\""]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (gateway, sql) = runtime.block_on(Gateway::join(&cluster));
    let before = elections();
    let is_over = AtomicBool::new(false);
    let (answers, (longest, calm)) = std::thread::scope(|scope| {
        let waits = scope.spawn(|| longest_wait(&cluster, &is_over));
        let answers = runtime.block_on(crowd(&sql));
        is_over.store(true, Ordering::Relaxed);
        (answers, waits.join().expect("each statement of the other client is done"))
    });
    println!("{answers:?}; {calm} statements of the other client, which waited {longest:?} at most");
    assert_eq!(elections(), before, "a range with a leader got another one");
    // What the crowd has given up may still wait at the row, and whoever reads it waits behind that.
    let mut sum = 0;
    wait_for("the row is read", || {
        let output = cluster.nodes[0].psql().args(["-c", "SELECT v FROM hot"]).output().unwrap();
        let value = String::from_utf8_lossy(&output.stdout).trim().parse::<u64>();
        sum = value.map_err(|_| text_of(&output))?;
        Ok(())
    });
    assert!((answers.done..=answers.done + answers.unknown).contains(&sum), "{answers:?}, but {sum}");
    assert!(answers.done > 0, "{answers:?}");
    wait_for("an update behind the crowd", || {
        let output =
            cluster.nodes[1].psql().args(["-c", "UPDATE hot SET v = v + 1 WHERE k = 1"]).output().unwrap();
        if output.status.success() { Ok(()) } else { Err(text_of(&output)) }
    });
    runtime.block_on(gateway.node.shutdown());
}
