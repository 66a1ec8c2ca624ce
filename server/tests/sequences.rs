//! Sequences over processes: no value twice, whoever is killed; none of before setval once it has returned; keys from the
//! server for clients that write at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use crate::support::{Cluster, Node, rows_of};

/// How long clients write.
const WRITING: Duration = Duration::from_secs(4);
/// Clients of each node.
const CLIENTS: usize = 4;

async fn values(node: &Node, text: &str) -> Vec<i64> {
    let client = node.connect().await;
    let rows = rows_of(client.simple_query(text).await.unwrap_or_else(|error| panic!("{text}: {error:?}")));
    rows.into_iter().map(|row| row[0].parse().unwrap()).collect()
}

/// Inserts until it is told to stop, or its node is gone; the ids that it was told of.
async fn insert(url: String, is_over: Arc<AtomicBool>) -> Vec<i64> {
    let mut told = Vec::new();
    let Ok((client, connection)) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await else {
        return told;
    };
    tokio::spawn(connection);
    let Ok(insert) = client.prepare("INSERT INTO t (v) VALUES ($1)").await else { return told };
    while !is_over.load(Ordering::SeqCst) {
        if client.execute(&insert, &[&"x"]).await.is_err() {
            break;
        }
        match client.query_one("SELECT lastval()", &[]).await {
            Ok(row) => told.push(row.get(0)),
            Err(_) => break,
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn sequence_gives_no_value_twice_while_nodes_are_killed() {
    let mut cluster = Cluster::running();
    cluster.nodes[0].psql_run("CREATE TABLE t (id BIGSERIAL PRIMARY KEY, v TEXT)");
    let mut told = Vec::new();
    for victim in [1, 2] {
        let is_over = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..3 * CLIENTS)
            .map(|number| tokio::spawn(insert(cluster.nodes[number % 3].url(), Arc::clone(&is_over))))
            .collect();
        tokio::time::sleep(WRITING / 2).await;
        cluster.nodes[victim].kill();
        tokio::time::sleep(WRITING / 2).await;
        is_over.store(true, Ordering::SeqCst);
        for writer in writers {
            told.extend(writer.await.unwrap());
        }
        cluster.nodes[victim].start();
        cluster.await_ready();
    }
    let different: BTreeSet<i64> = told.iter().copied().collect();
    assert_eq!(different.len(), told.len(), "a value was told of twice");
    assert!(told.len() > 100, "only {} rows were written", told.len());
    let stored: BTreeSet<i64> = values(&cluster.nodes[0], "SELECT id FROM t").await.into_iter().collect();
    let missing: Vec<_> = different.difference(&stored).collect();
    assert!(missing.is_empty(), "rows that were told of are not there: {missing:?}");
    // A node that starts again begins a block of its own: values before it were given to nobody.
    let next = values(&cluster.nodes[1], "SELECT nextval('t_id_seq')").await[0];
    assert!(!stored.contains(&next));
}

#[tokio::test(flavor = "multi_thread")]
async fn sequence_gives_no_value_of_before_once_setval_has_returned() {
    let cluster = Cluster::running();
    cluster.nodes[0].psql_run("CREATE SEQUENCE s");
    let is_over = Arc::new(AtomicBool::new(false));
    let floor = Arc::new(AtomicI64::new(0));
    let mut drawers = Vec::new();
    for number in 0..2 * CLIENTS {
        let client = cluster.nodes[1 + number % 2].connect().await;
        let (is_over, floor) = (Arc::clone(&is_over), Arc::clone(&floor));
        drawers.push(tokio::spawn(async move {
            while !is_over.load(Ordering::SeqCst) {
                let least = floor.load(Ordering::SeqCst);
                let row = client.query_one("SELECT nextval('s')", &[]).await.expect("a value");
                let value: i64 = row.get(0);
                assert!(value > least, "{value} came after setval to {least} had returned");
            }
        }));
    }
    let client = cluster.nodes[0].connect().await;
    for round in 1..6_i64 {
        let value = round * 1_000_000;
        let set = format!("SELECT setval('s', {value})");
        client.simple_query(&set).await.expect("setval");
        floor.store(value, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    client.simple_query("ALTER SEQUENCE s RESTART WITH 50000000").await.expect("ALTER SEQUENCE");
    floor.store(49_999_999, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(100)).await;
    is_over.store(true, Ordering::SeqCst);
    for drawer in drawers {
        drawer.await.expect("no value of before");
    }
}
