//! A node that has just started does not know the tables yet: it says that it is not ready, never that there are none.

use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

use crate::support::{Cluster, DEADLINE, Node};

/// How long a node without the others is asked.
const ALONE: Duration = Duration::from_secs(8);
/// What a client may hear until a catalog is known: it is no verdict on the statement, so drivers ask again.
const NOT_YET: &str = "57P03";

/// A connection, if the node takes one; else the SQLSTATE, or none where nobody listens.
async fn connect(node: &Node) -> Result<Client, Option<String>> {
    let (client, connection) = tokio_postgres::connect(&node.url(), NoTls).await.map_err(state_of)?;
    tokio::spawn(connection);
    Ok(client)
}

fn state_of(error: tokio_postgres::Error) -> Option<String> {
    error.code().map(|code| code.code().to_owned())
}

/// One new client's try: a statement as text, one that is prepared, and one that changes nothing but names the table.
async fn ask(node: &Node) -> Result<(), Option<String>> {
    let client = connect(node).await?;
    client.simple_query("SELECT id FROM t").await.map_err(state_of)?;
    let row = client.query_one("SELECT id FROM t WHERE id = $1", &[&1_i64]).await.map_err(state_of)?;
    assert_eq!(row.get::<_, i64>(0), 1);
    client.execute("DELETE FROM t WHERE id = $1", &[&2_i64]).await.map_err(state_of)?;
    Ok(())
}

/// Asks until the node answers, and counts how often it said that it is not ready. Any other answer ends the test.
async fn ask_until_answered(node: &Node) -> u32 {
    let start = Instant::now();
    let mut refused = 0;
    loop {
        match ask(node).await {
            Ok(()) => return refused,
            Err(None) => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(Some(state)) => {
                assert_eq!(state, NOT_YET, "n{}: {}", node.number, node.log());
                refused += 1;
            }
        }
        assert!(start.elapsed() < DEADLINE, "n{} answers nothing: {}", node.number, node.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn restarted_node_never_denies_a_table() {
    let mut cluster = Cluster::running();
    cluster.nodes[0].psql_run("CREATE TABLE t (id INT8 PRIMARY KEY); INSERT INTO t VALUES (1)");
    for index in [0, 1, 2, 0, 1, 2] {
        let node = &mut cluster.nodes[index];
        node.kill();
        node.start();
        ask_until_answered(node).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn node_without_the_others_never_denies_a_table() {
    let mut cluster = Cluster::running();
    cluster.nodes[0].psql_run("CREATE TABLE t (id INT8 PRIMARY KEY); INSERT INTO t VALUES (1)");
    cluster.nodes.iter_mut().for_each(Node::kill);
    let before = cluster.nodes[0].log().len();
    cluster.nodes[0].start();
    let (start, mut refused) = (Instant::now(), 0);
    while start.elapsed() < ALONE {
        match ask(&cluster.nodes[0]).await {
            Err(None) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(Some(state)) => {
                assert_eq!(state, NOT_YET, "{}", cluster.nodes[0].log());
                refused += 1;
            }
            Ok(()) => panic!("one of three nodes answers for all"),
        }
    }
    assert!(refused > 0, "its SQL port was never there");
    let log = cluster.nodes[0].log().split_off(before);
    assert!(!log.contains("not initialised"), "it was in a cluster: {log}");
    cluster.nodes[1].start();
    ask_until_answered(&cluster.nodes[0]).await;
    ask_until_answered(&cluster.nodes[1]).await;
}
