//! Gateways that end, or stand still, at each step of a change of the catalog: no table is left without ranges, no range
//! without a table, and names can be used again.

use std::collections::BTreeSet;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Cluster, Node, rows_of, signal, wait_for};

/// A driver without a sign of life for this long is missed: a test is not to wait for ten seconds each time.
const EXPIRY_MS: &str = "3000";
/// How long a gateway stands still: longer than others wait for it. More where the environment asks for it.
const STILL: Duration = Duration::from_secs(6);
const STILL_VARIABLE: &str = "QUORATE_TEST_STILL_SECONDS";

/// Every point that a job reaches, and what comes there.
const POINTS: [(&str, &str); 10] = [
    ("ddl-begun", "CREATE TABLE made (a INT PRIMARY KEY)"),
    ("ddl-range-made", "CREATE TABLE made (a INT PRIMARY KEY)"),
    ("ddl-published", "CREATE TABLE made (a INT PRIMARY KEY)"),
    ("ddl-committed", "BEGIN; CREATE TABLE made (a INT PRIMARY KEY); INSERT INTO made VALUES (1); COMMIT"),
    ("ddl-committed", "BEGIN; TRUNCATE plain; INSERT INTO plain VALUES (1), (2); COMMIT"),
    ("ddl-held", "ALTER TABLE plain ADD PRIMARY KEY (a)"),
    ("ddl-copied", "ALTER TABLE plain ADD PRIMARY KEY (a)"),
    ("ddl-settled", "DROP TABLE old"),
    ("ddl-turned", "DROP TABLE old"),
    ("ddl-ranges-dropped", "BEGIN; DROP TABLE old; CREATE TABLE made (a INT PRIMARY KEY); COMMIT"),
];

async fn query(node: &Node, text: &str) -> Result<Vec<Vec<String>>, String> {
    let client = node.connect().await;
    client.simple_query(text).await.map(rows_of).map_err(|error| format!("{text}: {error:?}"))
}

/// Starts of the spans of all ranges of tables, by the directory.
fn ranges(node: &Node) -> BTreeSet<String> {
    let listed = String::from_utf8_lossy(&node.ask(&["range", "ls"]).stdout).into_owned();
    let words = listed.split_whitespace().filter(|word| word.starts_with("/Table/"));
    // Each line has a start and an end; ends of one table are starts of none that is not there.
    words.step_by(2).map(str::to_owned).collect()
}

/// Starts of the spans of all tables.
async fn tables(node: &Node) -> Result<BTreeSet<String>, String> {
    let mut found = BTreeSet::new();
    for table in query(node, "SHOW TABLES").await? {
        for range in query(node, &format!("SHOW RANGES FROM TABLE {}", table[0])).await? {
            found.insert(range[1].clone());
        }
        if !query(node, &format!("SELECT count(*) FROM {}", table[0])).await.is_ok_and(|rows| rows.len() == 1)
        {
            return Err(format!("{} cannot be read", table[0]));
        }
    }
    Ok(found)
}

/// What is left of jobs, and whether tables and ranges agree.
async fn agreement(node: &Node) -> Result<(), String> {
    let jobs = query(node, "SHOW JOBS").await?;
    if let Some(job) = jobs.iter().find(|job| !matches!(job[3].as_str(), "done" | "undone")) {
        return Err(format!("a job is not over: {job:?}"));
    }
    let (tables, ranges) = (tables(node).await?, ranges(node));
    if tables == ranges { Ok(()) } else { Err(format!("tables {tables:?}, ranges {ranges:?}")) }
}

fn await_agreement(node: &Node, what: &str) {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| wait_for(what, || runtime.block_on(agreement(node))));
}

/// Nobody waits to write to `plain`, whose rows are there.
async fn check_plain(node: &Node, what: &str) {
    let text = "SET statement_timeout = 10000; INSERT INTO plain VALUES (3)";
    query(node, text).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    let rows = query(node, "SELECT a FROM plain ORDER BY a").await;
    assert_eq!(rows.unwrap(), [["1"], ["2"], ["3"]], "{what}");
}

/// Begins anew: a table `old`, `plain` with two rows, and none that is `made`.
async fn prepare(node: &Node) {
    for text in [
        "DROP TABLE IF EXISTS made, old, plain",
        "CREATE TABLE old (a INT PRIMARY KEY)",
        "CREATE TABLE plain (a INT); INSERT INTO plain VALUES (1), (2)",
    ] {
        query(node, text).await.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// A cluster whose drivers are missed soon.
fn impatient() -> Cluster {
    let mut cluster = Cluster::prepare();
    for node in &mut cluster.nodes {
        node.start_with(&[("QUORATE_JOB_EXPIRY_MS", EXPIRY_MS)]);
    }
    cluster.init();
    cluster.await_ready();
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_whose_gateway_is_killed_at_any_step_are_finished_or_undone() {
    let mut cluster = impatient();
    for (round, (point, text)) in POINTS.into_iter().enumerate() {
        let (victim, other) = (round % 3, (round + 1) % 3);
        prepare(&cluster.nodes[other]).await;
        cluster.nodes[victim].kill();
        cluster.nodes[victim]
            .start_with(&[("QUORATE_ABORT_AT", point), ("QUORATE_JOB_EXPIRY_MS", EXPIRY_MS)]);
        cluster.await_ready();
        let client = cluster.nodes[victim].connect().await;
        let done = client.simple_query(text).await;
        assert!(done.is_err(), "{point}: the process ended before it could answer");
        cluster.nodes[victim].await_end();
        await_agreement(&cluster.nodes[other], &format!("agreement after the gateway was killed at {point}"));
        check_plain(&cluster.nodes[other], point).await;
        prepare(&cluster.nodes[other]).await;
        cluster.nodes[victim].start_with(&[("QUORATE_JOB_EXPIRY_MS", EXPIRY_MS)]);
        cluster.await_ready();
        await_agreement(&cluster.nodes[victim], &format!("agreement, as the gateway of {point} sees it"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_whose_gateway_stands_still_at_any_step_are_not_changed_when_it_goes_on() {
    let mut cluster = impatient();
    let still = std::env::var(STILL_VARIABLE)
        .map_or(STILL, |seconds| Duration::from_secs(seconds.parse().expect("a number")));
    for (round, (point, text)) in POINTS.into_iter().enumerate() {
        let (victim, other) = (round % 3, (round + 1) % 3);
        prepare(&cluster.nodes[other]).await;
        cluster.nodes[victim].kill();
        cluster.nodes[victim].start_with(&[("QUORATE_STOP_AT", point), ("QUORATE_JOB_EXPIRY_MS", EXPIRY_MS)]);
        cluster.await_ready();
        let client = cluster.nodes[victim].connect().await;
        let process = cluster.nodes[victim].process_id();
        let asked = tokio::spawn(async move { client.simple_query(text).await.map(|_| ()) });
        // Stood still, others take over what it was doing; then it goes on.
        tokio::time::sleep(still).await;
        await_agreement(
            &cluster.nodes[other],
            &format!("agreement while the gateway stands still at {point}"),
        );
        signal(process, Signal::CONT);
        let told = asked.await.expect("the client ends");
        println!("{point}: {told:?}");
        await_agreement(
            &cluster.nodes[other],
            &format!("agreement after the gateway stood still at {point}"),
        );
        check_plain(&cluster.nodes[other], point).await;
        prepare(&cluster.nodes[other]).await;
        cluster.nodes[victim].kill();
        cluster.nodes[victim].start_with(&[("QUORATE_JOB_EXPIRY_MS", EXPIRY_MS)]);
        cluster.await_ready();
    }
}
