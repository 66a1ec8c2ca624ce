//! Replicas that move between real processes: by hand under load, after a node is lost for good, and onto an empty disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::kills::{Writer, check_rows, insert_into};
use crate::story::check_queries;
use crate::support::{Cluster, Node, load_sample, rows_of, text_of, wait_for};

/// Dead soon, so that nobody waits five minutes.
const DEAD_SOON: &str = "SET CLUSTER SETTING node_dead_after = '5s'";

fn status(node: &Node) -> Value {
    let output = node.ask(&["status", "--format", "json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text_of(&output)))
}

/// Waits until every range has exactly these nodes' voters, none of them missing; gives what was told meanwhile.
fn until_all_on(node: &Node, nodes: &[u64]) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let wanted = Value::from(nodes.to_vec());
    wait_for(&format!("all ranges on {nodes:?}"), || {
        let text = String::from_utf8_lossy(&node.ask(&["status"]).stdout).into_owned();
        if told.last() != Some(&text) {
            told.push(text.clone());
        }
        let status = status(node);
        let ranges = status["ranges"].as_array().cloned().unwrap_or_default();
        let is_there =
            |range: &Value| range["replicas"] == wanted && range["missing"] == Value::from(Vec::<u64>::new());
        let is_told = status["partial"].is_null() && !ranges.is_empty();
        if is_told && ranges.iter().all(is_there) { Ok(()) } else { Err(text) }
    });
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn replica_of_the_flights_moves_under_load_and_answers_stay_right() {
    let mut cluster = Cluster::running();
    load_sample(&cluster);
    cluster.add_node();
    let client = cluster.nodes[0].connect().await;
    let rows = rows_of(client.simple_query("SHOW RANGES FROM TABLE flights").await.expect("ranges"));
    let (range, leader) = (format!("r{}", rows[0][0]), "n2".to_owned());
    if rows[0][4] != "2" {
        let led = cluster.nodes[2].ask(&["range", "transfer-leader", &range, "--to", "n2"]);
        assert!(led.status.success(), "{}", text_of(&led));
    }
    // The fourth node stands in the zone of the second: two replicas there would be one too many.
    let near = text_of(&cluster.nodes[1].ask(&["range", "move", &range, "--from", "n1", "--to", "n4"]));
    assert!(near.contains("would have more replicas in zone=b than now"), "{near}");
    let count = || client.simple_query("SELECT carrier, count(*) FROM flights GROUP BY carrier ORDER BY 1");
    let before = rows_of(count().await.expect("count"));

    // Readers and a writer of the same range, while the replica of its leader moves.
    client
        .simple_query("CREATE TABLE kills0 (id INT8 PRIMARY KEY, note TEXT NOT NULL)")
        .await
        .expect("table");
    let writer = Writer::start(cluster.nodes[2].connect().await, 0, insert_into(0));
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, reader, expected) = (Arc::clone(&stop), cluster.nodes[3].connect().await, before.clone());
    let reads = tokio::spawn(async move {
        let (mut reads, query) = (0, "SELECT carrier, count(*) FROM flights GROUP BY carrier ORDER BY 1");
        while !stopped.load(Ordering::SeqCst) {
            assert_eq!(
                rows_of(reader.simple_query(query).await.expect("a read while its range moves")),
                expected
            );
            reads += 1;
        }
        reads
    });
    let words = ["range", "move", &range, "--from", &leader, "--to", "n4"];
    let moved = cluster.nodes[1].ask(&words);
    assert!(moved.status.success(), "{}", text_of(&moved));
    stop.store(true, Ordering::SeqCst);
    assert!(reads.await.expect("reads") > 0);
    let seen = writer.finish().await;
    check_rows(&cluster, &[seen.acknowledged.iter().map(|(_, id)| *id).collect()]).await;

    let described =
        String::from_utf8_lossy(&cluster.nodes[3].ask(&["range", "describe", &range]).stdout).into_owned();
    assert!(described.contains(" n4 ") && !described.contains(&format!(" {leader} ")), "{described}");
    let listed = String::from_utf8_lossy(&cluster.nodes[3].ask(&["range", "ls"]).stdout).into_owned();
    assert!(listed.contains("/Table/") && listed.contains(&range), "{listed}");
    assert_eq!(rows_of(count().await.expect("count")), before);
    check_queries(&cluster);

    let again = cluster.nodes[0].ask(&words);
    let text = text_of(&again);
    assert_eq!(again.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("{range} has no replica on {leader} to move")), "{text}");
    assert!(text.contains(&format!("do: quorate range describe {range} --host")), "{text}");
}

#[test]
fn node_lost_for_good_is_replaced_by_the_fourth_and_status_says_so() {
    let mut cluster = Cluster::running();
    load_sample(&cluster);
    cluster.add_node();
    cluster.nodes[0].psql_run(DEAD_SOON);
    cluster.nodes[1].kill();
    cluster.nodes[1].wipe();
    let told = until_all_on(&cluster.nodes[0], &[1, 3, 4]);
    assert!(told.iter().any(|text| text.contains("is repaired when n2 is dead")), "{told:#?}");
    assert!(told.iter().any(|text| text.contains("n4 replaces n2")), "{told:#?}");

    // Where range 1 has another leaseholder, that gives the lost node its time again before it calls it dead.
    wait_for("a healthy cluster without n2", || {
        let output = cluster.nodes[2].ask(&["status"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_told = text.contains("dead, and no range needs them any more: n2");
        let is_healthy = output.status.success() && text.starts_with("HEALTHY");
        if is_healthy && is_told { Ok(()) } else { Err(text_of(&output)) }
    });
    check_queries(&cluster);
    // The new replicas are needed once another node is gone.
    cluster.nodes[2].kill();
    check_queries(&cluster);
}

#[tokio::test(flavor = "multi_thread")]
async fn node_with_an_empty_disk_takes_the_place_of_the_old_one_under_load() {
    let mut cluster = Cluster::running();
    cluster.nodes[0].psql_run(DEAD_SOON);
    let mut kept = Vec::new();
    for table in 0..2 {
        cluster.nodes[0]
            .psql_run(&format!("CREATE TABLE kills{table} (id INT8 PRIMARY KEY, note TEXT NOT NULL)"));
    }
    let mut writers = Vec::new();
    for (table, node) in [(0, 0), (1, 2)] {
        writers.push(Writer::start(cluster.nodes[node].connect().await, 0, insert_into(table)));
    }
    for writer in &writers {
        writer.advance(20).await;
    }
    cluster.nodes[1].kill();
    cluster.nodes[1].wipe();
    cluster.nodes[1].start();
    // It comes as a new node, and is used in place of the one that is gone.
    until_all_on(&cluster.nodes[0], &[1, 3, 4]);
    cluster.nodes[1].await_http("/ready", 200);
    for writer in writers {
        writer.advance(20).await;
        let seen = writer.finish().await;
        kept.push(seen.acknowledged.iter().map(|(_, id)| *id).collect::<Vec<_>>());
    }
    check_rows(&cluster, &kept).await;
    cluster.nodes[0].kill();
    check_rows(&cluster, &kept).await;
}
