//! Sessions of several nodes, and of starts one after the other: no value comes twice; none of before setval comes after it.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use quorate_engine::clock::{ForgetBound, HybridClock, ManualClock};
use quorate_engine::kv::Database;
use quorate_engine::local::LocalDatabase;
use quorate_engine::memory::MemoryStore;

use crate::error::SqlError;
use crate::node::SqlNode;
use crate::program::scan_evaluator;
use crate::session::tests::run_text;
use crate::session::{Session, SessionOptions};
use crate::testing::local_cluster::{LocalCluster, TestClock};
use crate::testing::recorder::Recorder;

/// Nodes over one store; what one of them waits for, the others know then.
struct Nodes {
    database: Arc<dyn Database>,
    clusters: Vec<Arc<LocalCluster>>,
    nodes: Vec<Arc<SqlNode>>,
}

impl Nodes {
    fn new(count: u64) -> Self {
        let clock = HybridClock::new(Arc::new(ManualClock::new(1_000_000)), Box::new(ForgetBound));
        let local = LocalDatabase::new(Arc::new(MemoryStore::new()), Arc::new(clock), scan_evaluator());
        let database: Arc<dyn Database> = Arc::new(local);
        let first = LocalCluster::new();
        let others = (2..=count).map(|id| first.sibling(id, 0));
        let clusters: Vec<_> = std::iter::once(first.clone()).chain(others).collect();
        let mut all = Self { nodes: Vec::new(), database, clusters };
        all.nodes = (0..all.clusters.len()).map(|at| all.start(at)).collect();
        all
    }

    fn start(&self, at: usize) -> Arc<SqlNode> {
        SqlNode::new(self.database.clone(), self.clusters[at].clone(), TestClock::new())
    }

    /// The node ends, with all that it had in memory, and starts again.
    async fn restart(&mut self, at: usize) {
        self.nodes[at] = self.start(at);
        self.nodes[at].refresh_catalog().await.unwrap();
    }

    fn session(&self, at: usize) -> Session {
        self.nodes[at].session(SessionOptions::default())
    }

    /// Runs a text, after which all nodes know the catalog.
    async fn run(&self, at: usize, text: &str) -> Result<Vec<String>, SqlError> {
        let mut session = self.session(at);
        let lines = lines(&mut session, text).await;
        session.close().await;
        for node in &self.nodes {
            node.refresh_catalog().await.unwrap();
        }
        lines
    }
}

async fn lines(session: &mut Session, text: &str) -> Result<Vec<String>, SqlError> {
    let mut recorder = Recorder::default();
    run_text(session, text, &mut recorder).await?;
    Ok(recorder.lines())
}

/// Takes values in a session of its own, one by one and many at once.
async fn draw(session: Session, rounds: usize) -> Vec<i64> {
    let mut session = session;
    let mut values = Vec::new();
    for round in 0..rounds {
        let text = match round % 3 {
            0 => "SELECT nextval('s')",
            1 => "SELECT nextval('s') FROM hundred",
            _ => "BEGIN; SELECT nextval('s'), nextval('s'); ROLLBACK",
        };
        for line in lines(&mut session, text).await.unwrap() {
            values.extend(line.split('\t').map(|value| value.parse::<i64>().unwrap()));
        }
        tokio::task::yield_now().await;
    }
    session.close().await;
    values
}

#[tokio::test]
async fn no_value_comes_twice_over_sessions_nodes_and_starts() {
    let mut nodes = Nodes::new(3);
    nodes.run(0, "CREATE SEQUENCE s; CREATE TABLE hundred (a INT PRIMARY KEY)").await.unwrap();
    let rows: Vec<String> = (0..100).map(|number| format!("({number})")).collect();
    nodes.run(0, &format!("INSERT INTO hundred VALUES {}", rows.join(", "))).await.unwrap();
    let mut all = Vec::new();
    for restarted in 0..3 {
        let sessions = (0..12).map(|number| draw(nodes.session(number % 3), 40));
        all.extend(join_all(sessions).await.into_iter().flatten());
        nodes.restart(restarted).await;
    }
    let different: BTreeSet<i64> = all.iter().copied().collect();
    assert_eq!(different.len(), all.len(), "a value came twice");
    assert!(different.iter().all(|value| *value > 0));
    // Of what was taken no more is lost than a block a node and start.
    let lost = i64::try_from(all.len()).unwrap();
    assert!(different.last().copied().unwrap() <= lost + 6 * 1_000);
}

#[tokio::test]
async fn each_session_sees_its_values_ascend() {
    let nodes = Nodes::new(2);
    nodes.run(0, "CREATE SEQUENCE s; CREATE TABLE hundred (a INT PRIMARY KEY)").await.unwrap();
    nodes.run(0, "INSERT INTO hundred VALUES (1), (2), (3)").await.unwrap();
    for values in join_all((0..4).map(|number| draw(nodes.session(number % 2), 30))).await {
        assert!(values.is_sorted_by(|a, b| a < b), "{values:?}");
    }
}

#[tokio::test]
async fn no_value_of_before_comes_after_setval_or_alter_has_returned() {
    let nodes = Nodes::new(2);
    nodes.run(0, "CREATE SEQUENCE s").await.unwrap();
    let mut far = nodes.session(1);
    assert_eq!(lines(&mut far, "SELECT nextval('s')").await.unwrap(), ["1"]);
    // What returns has waited for all nodes.
    let other = nodes.nodes[1].clone();
    nodes.clusters[0].at_points(move |_| {
        let other = other.clone();
        Box::pin(async move {
            other.refresh_catalog().await.unwrap();
        })
    });
    let mut near = nodes.session(0);
    assert_eq!(lines(&mut near, "SELECT setval('s', 5000)").await.unwrap(), ["5000"]);
    assert_eq!(lines(&mut far, "SELECT nextval('s')").await.unwrap(), ["5001"]);
    assert_eq!(lines(&mut near, "SELECT setval('s', 70, false)").await.unwrap(), ["70"]);
    assert_eq!(lines(&mut far, "SELECT nextval('s')").await.unwrap(), ["70"]);
    nodes.run(0, "ALTER SEQUENCE s INCREMENT 10 RESTART 300").await.unwrap();
    assert_eq!(lines(&mut far, "SELECT nextval('s')").await.unwrap(), ["300"]);
    nodes.run(0, "ALTER SEQUENCE s RESTART").await.unwrap();
    assert_eq!(lines(&mut near, "SELECT nextval('s')").await.unwrap(), ["1"]);
}

#[tokio::test]
async fn no_value_is_given_out_without_the_lease_on_the_catalog() {
    let nodes = Nodes::new(1);
    nodes.run(0, "CREATE SEQUENCE s; CREATE TABLE t (a INT PRIMARY KEY)").await.unwrap();
    let mut session = nodes.session(0);
    assert_eq!(lines(&mut session, "SELECT nextval('s')").await.unwrap(), ["1"]);
    nodes.clusters[0].set_lease_over(true);
    let error = lines(&mut session, "SELECT nextval('s')").await.unwrap_err();
    assert_eq!(error.state.code(), "57P03");
    nodes.clusters[0].set_lease_over(false);
    // Each row asks for a lease of its own.
    let rows = |count: u32| format!("SELECT nextval('s') FROM generate_series(1, {count})");
    let before = nodes.clusters[0].leases();
    assert_eq!(lines(&mut session, &rows(1)).await.unwrap(), ["2"]);
    let for_one = nodes.clusters[0].leases() - before;
    assert_eq!(lines(&mut session, &rows(101)).await.unwrap().len(), 101);
    assert_eq!(nodes.clusters[0].leases() - before - for_one, for_one + 100);
    // The one that the statement began with has ended when a later row is computed, which waits for the next.
    let usual = std::iter::repeat_n(Some(LocalCluster::lease_until(0)), usize::try_from(for_one).unwrap());
    nodes.clusters[0].give_leases(usual.chain([None, None]));
    assert_eq!(lines(&mut session, &rows(101)).await.unwrap().last().unwrap(), "204");
    assert_eq!(nodes.clusters[0].leases_to_come(), 0, "a row has waited");
}

#[tokio::test]
async fn sequence_of_a_transaction_that_rolls_back_leaves_nothing() {
    let nodes = Nodes::new(2);
    let mut session = nodes.session(0);
    let text = "BEGIN; CREATE TABLE t (id SERIAL PRIMARY KEY, a INT); INSERT INTO t (a) VALUES (1), (2); SELECT id FROM t";
    assert_eq!(lines(&mut session, text).await.unwrap(), ["1", "2"]);
    let error = lines(&mut nodes.session(1), "SELECT nextval('t_id_seq')").await.unwrap_err();
    assert_eq!(error.state.code(), "42P01");
    lines(&mut session, "ROLLBACK").await.unwrap();
    let again =
        "CREATE TABLE t (id SERIAL PRIMARY KEY, a INT); INSERT INTO t (a) VALUES (1); SELECT id FROM t";
    assert_eq!(lines(&mut session, again).await.unwrap(), ["1"]);
    let mut far = nodes.session(1);
    nodes.nodes[1].refresh_catalog().await.unwrap();
    let elsewhere = lines(&mut far, "INSERT INTO t (a) VALUES (7); SELECT id FROM t WHERE a = 7").await;
    assert_eq!(elsewhere.unwrap(), ["1001"]);
}

#[tokio::test]
async fn two_transactions_that_make_the_same_name_are_not_both_committed() {
    let nodes = Nodes::new(2);
    let (mut one, mut other) = (nodes.session(0), nodes.session(1));
    lines(&mut one, "BEGIN; CREATE SEQUENCE s").await.unwrap();
    lines(&mut other, "BEGIN; CREATE TABLE s (a INT PRIMARY KEY)").await.unwrap();
    lines(&mut one, "COMMIT").await.unwrap();
    let error = lines(&mut other, "COMMIT").await.unwrap_err();
    assert!(["40001", "42P07"].contains(&error.state.code()), "{error}");
}

#[tokio::test]
async fn older_nodes_are_not_given_what_they_cannot_read() {
    let nodes = Nodes::new(1);
    nodes.clusters[0].set_generations_behind(1);
    for text in [
        "CREATE SEQUENCE s",
        "CREATE TABLE t (id SERIAL)",
        "CREATE TABLE t (id INT GENERATED ALWAYS AS IDENTITY)",
        "CREATE TABLE t (id UUID)",
        "CREATE TABLE t (id TEXT DEFAULT gen_random_uuid())",
    ] {
        let error = nodes.run(0, text).await.unwrap_err();
        assert_eq!(error.state.code(), "0A000", "{text}: {error}");
        assert!(error.hint.as_deref().unwrap_or_default().contains("cluster_version"), "{error:?}");
    }
    nodes.clusters[0].set_generations_behind(0);
    nodes.run(0, "CREATE SEQUENCE s").await.unwrap();
}
