//! Two of three nodes down: a clear error within five seconds, and all is well again when they return.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::support::{Cluster, DEADLINE, rows_of};

/// Promise 5 of the design: nothing hangs longer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

async fn error_in_time(client: &Client, statement: &str) -> String {
    let start = Instant::now();
    let error = client.simple_query(statement).await.expect_err("there is no quorum");
    let took = start.elapsed();
    assert!(took <= ANSWER_MAX, "{statement} took {took:?}: {error:?}");
    let error = error.as_db_error().unwrap_or_else(|| panic!("the session must go on: {error:?}"));
    format!(
        "{} {} {} {}",
        error.code().code(),
        error.message(),
        error.detail().unwrap_or(""),
        error.hint().unwrap_or("")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_down_is_told_within_five_seconds_and_mends_itself() {
    let mut cluster = Cluster::running();
    cluster.nodes[0].psql_run("CREATE TABLE t (id INT8 PRIMARY KEY); INSERT INTO t VALUES (1)");
    let client = cluster.nodes[0].connect().await;
    client.simple_query("SELECT * FROM t").await.expect("all is well");
    cluster.nodes[1].kill();
    cluster.nodes[2].kill();
    for statement in ["INSERT INTO t VALUES (2)", "SELECT * FROM t", "INSERT INTO t VALUES (3)"] {
        let error = error_in_time(&client, statement).await;
        for name in ["r", "n2", "n3"] {
            assert!(error.contains(name), "{statement}: {name} is not named in: {error}");
        }
    }
    cluster.nodes[1].start();
    cluster.nodes[2].start();
    cluster.await_ready();
    let start = Instant::now();
    loop {
        let client = cluster.nodes[0].connect().await;
        match client.simple_query("SELECT id FROM t WHERE id = 1").await {
            Ok(messages) => break assert_eq!(rows_of(messages), [["1"]]),
            Err(error) => assert!(start.elapsed() < DEADLINE, "it does not work again: {error:?}"),
        }
    }
    cluster.nodes[0].psql_run("INSERT INTO t VALUES (4)");
}
