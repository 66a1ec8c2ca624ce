//! Replicas that move between real processes: by hand under load, after a node is lost for good, and onto an empty disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::kills::{GAP_MAX, Writer, check_errors, check_rows, client_besides, insert_into, longest_gap};
use crate::kills_over_ranges::{
    FIRST_FLIGHT, FLIGHTS_OF_A_WRITER, RANGES_MIN, WRITERS, check_flights, insert_flight, ranges_of_flights,
    split_flights,
};
use crate::story::check_queries;
use crate::support::{Cluster, Node, load_sample, rows_of, text_of, wait_for, wait_for_within};

/// Dead soon, so that nobody waits five minutes.
/// Longest wait until a lost node is replaced: some thirty ranges, one after the other, at a rate that is held down.
const REPAIRED_WITHIN: Duration = Duration::from_secs(150);
const DEAD_SOON: &str = "SET CLUSTER SETTING node_dead_after = '5s'";

fn status(node: &Node) -> Value {
    let output = node.ask(&["status", "--format", "json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text_of(&output)))
}

/// Waits until every range has exactly these nodes' voters, none of them missing; gives what was told meanwhile.
fn until_all_on(node: &Node, nodes: &[u64]) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let wanted = Value::from(nodes.to_vec());
    wait_for_within(REPAIRED_WITHIN, &format!("all ranges on {nodes:?}"), || {
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

/// Slow enough that copying ranges of some hundred kilobytes can be watched.
const SLOW_SNAPSHOTS: &str = "SET CLUSTER SETTING snapshot_rate = '768KiB'";
const FAST_SNAPSHOTS: &str = "SET CLUSTER SETTING snapshot_rate = '64MiB'";

/// Writers of all parts of the flights, through nodes other than the victim.
async fn write_flights(cluster: &Cluster, victim: usize, round: usize) -> Vec<Writer> {
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let client = client_besides(cluster, victim, writer).await;
        let first = FIRST_FLIGHT + (round * WRITERS + writer) as i64 * FLIGHTS_OF_A_WRITER;
        writers.push(Writer::start(client, first, insert_flight(writer)));
    }
    for writer in &writers {
        writer.advance(20).await;
    }
    writers
}

/// Ends the writers: errors and gaps are within what one kill may cost. Gives the longest gap; adds what was acknowledged.
async fn end_writers(writers: Vec<Writer>, killed: Instant, kept: &mut Vec<i64>) -> Duration {
    let mut longest = Duration::ZERO;
    for (number, writer) in writers.into_iter().enumerate() {
        writer.advance(20).await;
        let seen = writer.finish().await;
        check_errors(&seen, killed, &format!("writer {number}"));
        longest = longest.max(longest_gap(&seen));
        kept.extend(seen.acknowledged.iter().map(|(_, flight)| flight));
    }
    assert!(longest <= GAP_MAX, "{longest:?}");
    longest
}

/// States of the nodes, by id.
fn states(node: &Node) -> Vec<(u64, String)> {
    let status = status(node);
    let nodes = status["nodes"].as_array().cloned().unwrap_or_default().into_iter();
    let state = |node: Value| {
        let state = node["state"].as_str().unwrap_or_default().to_owned();
        (node["id"].as_u64().unwrap_or_default(), state)
    };
    nodes.map(state).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn node_lost_for_good_is_replaced_by_the_fourth_under_load_and_status_says_so() {
    let mut cluster = split_flights().await;
    let loaded = cluster.nodes[0].psql_run("SELECT count(*) FROM flights");
    tokio::task::block_in_place(|| cluster.add_node());
    cluster.nodes[0].psql_run(DEAD_SOON);
    cluster.nodes[0].psql_run(SLOW_SNAPSHOTS);
    let mut kept = Vec::new();

    let writers = write_flights(&cluster, 1, 0).await;
    let killed = Instant::now();
    cluster.nodes[1].kill();
    cluster.nodes[1].wipe();
    let told = tokio::task::block_in_place(|| until_all_on(&cluster.nodes[0], &[1, 3, 4]));
    println!("all replicas are back {:.1?} after the kill", killed.elapsed());
    let gap = end_writers(writers, killed, &mut kept).await;
    println!("{} rows acknowledged, longest gap {gap:?}", kept.len());
    let is_told = |words: &[&str]| told.iter().any(|text| words.iter().all(|word| text.contains(word)));
    assert!(is_told(&["is repaired when n2 is dead"]), "{told:#?}");
    assert!(is_told(&["n4 replaces n2: copying, ", " MiB, about ", " s left"]), "{told:#?}");
    assert!(ranges_of_flights(&cluster).await.len() >= RANGES_MIN);
    check_flights(&cluster, &kept).await;

    // Where range 1 has another leaseholder, that gives the lost node its time again before it calls it dead.
    wait_for("a healthy cluster without n2", || {
        let output = cluster.nodes[2].ask(&["status"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_told = text.contains("dead, and no range needs them any more: n2");
        let is_healthy = output.status.success() && text.starts_with("HEALTHY");
        if is_healthy && is_told { Ok(()) } else { Err(text_of(&output)) }
    });

    // At the address of the lost node a new one comes, with an empty disk: it is n5, and n2 stays dead.
    cluster.nodes[0].psql_run(FAST_SNAPSHOTS);
    cluster.nodes[1].start();
    cluster.nodes[1].await_http("/ready", 200);
    let is = |id: u64, state: &str| (id, state.to_owned());
    wait_for("n5 in place of n2", || {
        let states = states(&cluster.nodes[0]);
        let wanted = [is(1, "live"), is(2, "dead"), is(3, "live"), is(4, "live"), is(5, "live")];
        if states == wanted { Ok(()) } else { Err(format!("{states:?}")) }
    });
    // The new replicas are needed once another node is gone, and the new node takes over from that one.
    let writers = write_flights(&cluster, 2, 1).await;
    let killed = Instant::now();
    cluster.nodes[2].kill();
    tokio::task::block_in_place(|| until_all_on(&cluster.nodes[0], &[1, 4, 5]));
    let gap = end_writers(writers, killed, &mut kept).await;
    println!("{} rows acknowledged, longest gap {gap:?}", kept.len());
    check_flights(&cluster, &kept).await;
    let before =
        cluster.nodes[1].psql_run(&format!("SELECT count(*) FROM flights WHERE flight < {FIRST_FLIGHT}"));
    assert_eq!(before, loaded);
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
    // It comes as a new node, and is used in place of the one that is gone, for which nobody takes it.
    until_all_on(&cluster.nodes[0], &[1, 3, 4]);
    cluster.nodes[1].await_http("/ready", 200);
    let is = |id: u64, state: &str| (id, state.to_owned());
    assert_eq!(states(&cluster.nodes[2]), [is(1, "live"), is(2, "dead"), is(3, "live"), is(4, "live")]);
    let moved = cluster.nodes[0].ask(&["range", "move", "r2", "--from", "n1", "--to", "n2", "--share-tier"]);
    assert!(text_of(&moved).contains("n2 does not answer: it cannot take a replica"), "{}", text_of(&moved));
    // It is n4 after another start, too.
    cluster.nodes[1].kill();
    cluster.nodes[1].start();
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
