//! Two nodes over one store: a driver ends, or stands still and is replaced, at every point that a job reaches.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quorate_engine::clock::{ForgetBound, HybridClock, ManualClock};
use quorate_engine::kv::{Database, Span, TransactionOptions, keyspace};
use quorate_engine::local::LocalDatabase;
use quorate_engine::memory::MemoryStore;
use tokio::sync::Notify;

use crate::ddl::job::Job;
use crate::ddl::rows::read_jobs;
use crate::ddl::timing::JobTiming;
use crate::error::{SqlError, SqlState};
use crate::node::SqlNode;
use crate::program::scan_evaluator;
use crate::session::tests::run_text;
use crate::session::{Session, SessionOptions};
use crate::testing::local_cluster::{LocalCluster, TestClock};
use crate::testing::recorder::Recorder;

/// Every point, in the order in which jobs come to them.
const POINTS: [&str; 9] = [
    "ddl-begun",
    "ddl-range-made",
    "ddl-held",
    "ddl-copied",
    "ddl-published",
    "ddl-committed",
    "ddl-settled",
    "ddl-turned",
    "ddl-ranges-dropped",
];

/// What is done, each time beginning with a table `old`, and `plain` with two rows: alone, several at once, within a transaction, and in vain.
const TEXTS: [&str; 11] = [
    "CREATE TABLE new (a INT PRIMARY KEY)",
    "DROP TABLE old",
    "BEGIN; CREATE TABLE new (a INT PRIMARY KEY); INSERT INTO new VALUES (1); COMMIT",
    "BEGIN; DROP TABLE old; CREATE TABLE new (a INT PRIMARY KEY); COMMIT",
    "BEGIN; CREATE TABLE new (a INT PRIMARY KEY); DROP TABLE new; COMMIT",
    "BEGIN; CREATE TABLE new (a INT PRIMARY KEY); ROLLBACK",
    "BEGIN; DROP TABLE old; CREATE TABLE old (b INT PRIMARY KEY); COMMIT",
    "TRUNCATE old",
    "BEGIN; TRUNCATE old; INSERT INTO old VALUES (1); SAVEPOINT a; CREATE TABLE new (a INT); ROLLBACK TO a; COMMIT",
    "BEGIN; CREATE TABLE new (a INT); INSERT INTO new VALUES (1); ALTER TABLE new ADD PRIMARY KEY (a); COMMIT",
    "ALTER TABLE plain ADD PRIMARY KEY (a)",
];

/// Nodes of one store.
pub(super) struct Nodes {
    database: Arc<dyn Database>,
    pub(super) physical: Arc<ManualClock>,
    clusters: [Arc<LocalCluster>; 2],
    pub(super) nodes: [Arc<SqlNode>; 2],
}

impl Nodes {
    pub(super) async fn new() -> Self {
        let physical = Arc::new(ManualClock::new(1_000_000));
        let clock = HybridClock::new(physical.clone(), Box::new(ForgetBound));
        let local = LocalDatabase::new(Arc::new(MemoryStore::new()), Arc::new(clock), scan_evaluator());
        let database: Arc<dyn Database> = Arc::new(local);
        let first = LocalCluster::new();
        first.fence_by(database.clone());
        let clusters = [first.clone(), first.sibling(2, 0)];
        let node =
            |cluster: &Arc<LocalCluster>| SqlNode::new(database.clone(), cluster.clone(), TestClock::new());
        let nodes = [node(&clusters[0]), node(&clusters[1])];
        let all = Self { database, physical, clusters, nodes };
        all.run(1, "CREATE TABLE old (a INT PRIMARY KEY)").await.unwrap();
        all.run(1, "CREATE TABLE plain (a INT); INSERT INTO plain VALUES (1), (2)").await.unwrap();
        all.nodes[0].refresh_catalog().await.unwrap();
        all
    }

    pub(super) fn session(&self, node: usize) -> Session {
        self.nodes[node].session(SessionOptions::default())
    }

    pub(super) async fn run(&self, node: usize, text: &str) -> Result<String, SqlError> {
        let mut session = self.session(node);
        let done = run_text(&mut session, text, &mut Recorder::default()).await;
        session.close().await;
        done
    }

    /// The rows of `plain`, added up; nothing where there are none.
    pub(super) async fn sum(&self, node: usize) -> String {
        let (mut session, mut recorder) = (self.session(node), Recorder::default());
        run_text(&mut session, "SELECT sum(a) FROM plain", &mut recorder).await.unwrap();
        session.close().await;
        recorder.lines().concat()
    }

    async fn jobs(&self) -> Vec<Job> {
        let mut transaction = self.database.begin(TransactionOptions::reading()).await.unwrap();
        read_jobs(transaction.as_mut()).await.unwrap()
    }

    /// The drivers of before are missed.
    fn let_claims_expire(&self) {
        let expiry = JobTiming::default().expiry + Duration::from_secs(1);
        self.physical.advance(expiry);
    }

    /// Tables and ranges agree, no job is left, nobody waits to write, and both names can be used.
    pub(super) async fn check(&self, what: &str) {
        let over = self.jobs().await.into_iter().all(|job| job.step.is_over());
        assert!(over, "{what}: a job is left: {:?}", self.jobs().await);
        self.nodes[1].refresh_catalog().await.unwrap();
        let spans: BTreeSet<Span> =
            self.nodes[1].catalog.snapshot().tables().map(|table| keyspace::table_span(table.id)).collect();
        let ranges: BTreeSet<Span> = self.clusters[1].spans().into_iter().collect();
        assert_eq!(spans, ranges, "{what}: tables, and ranges");
        self.run(1, "BEGIN; INSERT INTO plain VALUES (100); ROLLBACK")
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_ne!(self.sum(1).await, "", "{what}: rows are there");
        for table in ["old", "new"] {
            self.run(1, &format!("DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (a INT PRIMARY KEY)"))
                .await
                .unwrap_or_else(|error| panic!("{what}: {table}: {error}"));
        }
        assert_eq!(self.clusters[1].ranges_now(), 3, "{what}");
    }
}

/// Whether the first node came to the point while it ran the text; it ends there.
async fn end_at(nodes: &Nodes, point: &'static str, text: &str) -> bool {
    let reached = Arc::new(Notify::new());
    let told = reached.clone();
    nodes.clusters[0].at_points(move |at| {
        let told = told.clone();
        Box::pin(async move {
            if at == point {
                told.notify_one();
                std::future::pending::<()>().await;
            }
        })
    });
    tokio::select! {
        _ = nodes.run(0, text) => false,
        () = reached.notified() => true,
    }
}

#[tokio::test]
async fn job_whose_driver_ends_at_any_point_is_finished_or_undone() {
    let mut met = BTreeSet::new();
    for text in TEXTS {
        for point in POINTS {
            let nodes = Nodes::new().await;
            if !end_at(&nodes, point, text).await {
                continue;
            }
            met.insert(point);
            let what = format!("{text} ends at {point}");
            assert_eq!(nodes.nodes[1].adopt_once().await.unwrap(), 0, "{what}: its claim holds");
            nodes.let_claims_expire();
            let adopted = nodes.nodes[1].adopt_once().await.unwrap();
            let is_last = nodes.jobs().await.iter().all(|job| job.epoch == 1);
            assert!(adopted > 0 || is_last, "{what}: nobody has taken it over");
            nodes.check(&what).await;
        }
    }
    assert_eq!(met.len(), POINTS.len(), "every point was met: {met:?}");
}

/// The node of a claim runs again: nobody has to wait for the claim's end.
#[tokio::test]
async fn job_of_an_earlier_start_is_taken_over_at_once() {
    let nodes = Nodes::new().await;
    assert!(end_at(&nodes, "ddl-range-made", TEXTS[0]).await);
    let restarted = nodes.clusters[0].sibling(1, 1);
    let node = SqlNode::new(nodes.database.clone(), restarted, TestClock::new());
    assert_eq!(node.adopt_once().await.unwrap(), 1);
    nodes.check("after its restart").await;
}

/// One that was dropped with its session, in a process that goes on.
#[tokio::test]
async fn job_that_nobody_holds_any_more_is_taken_over_by_its_own_node() {
    let nodes = Nodes::new().await;
    assert!(end_at(&nodes, "ddl-range-made", TEXTS[0]).await);
    assert_eq!(nodes.nodes[0].adopt_once().await.unwrap(), 1);
    nodes.check("after its session").await;
}

/// Stands still at a point until something else is done.
pub(super) async fn pause_at(
    nodes: &Nodes,
    (point, text): (&'static str, &str),
    meanwhile: impl Future<Output = ()>,
) -> Option<Result<String, SqlError>> {
    let (reached, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let has_paused = Arc::new(AtomicBool::new(false));
    let gate = (reached.clone(), go_on.clone(), has_paused.clone());
    nodes.clusters[0].at_points(move |at| {
        let (reached, go_on, has_paused) = gate.clone();
        let stops = at == point && !has_paused.swap(true, Ordering::SeqCst);
        Box::pin(async move {
            if stops {
                reached.notify_one();
                go_on.notified().await;
            }
        })
    });
    let meanwhile = async {
        reached.notified().await;
        meanwhile.await;
        go_on.notify_one();
    };
    let mut running = Box::pin(nodes.run(0, text));
    tokio::select! {
        done = &mut running => { drop(done); None }
        () = meanwhile => Some(running.await),
    }
}

#[tokio::test]
async fn job_whose_driver_stood_still_and_was_replaced_is_not_changed_by_it() {
    let mut met = BTreeSet::new();
    for text in TEXTS {
        for point in POINTS {
            let nodes = Nodes::new().await;
            let replace = async {
                nodes.let_claims_expire();
                nodes.nodes[1].adopt_once().await.unwrap();
            };
            let Some(done) = pause_at(&nodes, (point, text), replace).await else { continue };
            met.insert(point);
            let what = format!("{text} stands still at {point}: {done:?}");
            println!("{what}");
            nodes.check(&what).await;
        }
    }
    assert_eq!(met.len(), POINTS.len(), "every point was met: {met:?}");
}

#[tokio::test]
async fn change_that_is_made_is_never_told_as_refused() {
    // What nobody else has ever known need not be told to others; of a key others are to know before anything is made.
    let waits = |text: &&str| {
        !text.ends_with("ROLLBACK") && !text.contains("DROP TABLE new") && !text.starts_with("ALTER")
    };
    for text in TEXTS.into_iter().filter(waits) {
        let nodes = Nodes::new().await;
        nodes.clusters[0].set_deaf(true);
        let error = nodes.run(0, text).await.unwrap_err();
        assert_eq!(error.state, SqlState::StatementCompletionUnknown, "{text}: {error}");
        assert!(error.message.contains("serves no clients"), "{text}: {error}");
        nodes.clusters[0].set_deaf(false);
        nodes.let_claims_expire();
        nodes.nodes[1].adopt_once().await.unwrap();
        nodes.check(text).await;
    }
}

/// A node that has not heard of it yet is asked to drop or empty a table whose name is another's by now.
#[tokio::test]
async fn table_that_another_took_the_place_of_is_looked_up_again() {
    for text in ["TRUNCATE old", "DROP TABLE old", "DROP TABLE IF EXISTS none, old"] {
        let nodes = Nodes::new().await;
        nodes.run(1, "TRUNCATE old").await.unwrap();
        let within = nodes.run(0, &format!("BEGIN; {text}; COMMIT")).await.unwrap_err();
        assert_eq!(within.state, SqlState::SerializationFailure, "{text}: {within}");
        nodes.run(0, text).await.unwrap();
        nodes.check(text).await;
        let nodes = Nodes::new().await;
        nodes.run(1, "DROP TABLE old").await.unwrap();
        match nodes.run(0, text).await {
            Ok(_) => assert!(text.contains("IF EXISTS"), "{text}"),
            Err(gone) => assert_eq!(gone.state, SqlState::UndefinedTable, "{text}: {gone}"),
        }
    }
}

/// Of two that empty the same table at once, one finds the other's table in the place of its own.
#[tokio::test]
async fn table_that_two_empty_at_once_is_empty_and_each_is_told_so() {
    let nodes = Nodes::new().await;
    let done = pause_at_while(&nodes, "ddl-range-made", "TRUNCATE old").await;
    done.unwrap().unwrap();
    nodes.check("emptied twice").await;
    let nodes = Nodes::new().await;
    let error =
        pause_at_while(&nodes, "ddl-range-made", "BEGIN; TRUNCATE old; COMMIT").await.unwrap().unwrap_err();
    assert_eq!(error.state, SqlState::SerializationFailure, "{error}");
    nodes.check("emptied by the other").await;
}

/// Stands still at a point while the other node empties the table.
async fn pause_at_while(nodes: &Nodes, point: &'static str, text: &str) -> Option<Result<String, SqlError>> {
    let meanwhile = Box::pin(async {
        nodes.run(1, "TRUNCATE old").await.unwrap();
    });
    pause_at(nodes, (point, text), meanwhile).await
}
