//! Ranges split by themselves: three processes, real data, kills in the middle of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::support::{Cluster, DEADLINE, Node, TABLES, load_sample, quorate, rows_of, text_of};

/// Bytes of a row's padding in the tests that write rows one by one.
const PADDING: usize = 2_000;

/// Start, end and leader of each range of a table, in the order of the keys.
async fn ranges(client: &Client, table: &str) -> Vec<[String; 3]> {
    let shown = client.simple_query(&format!("SHOW RANGES FROM TABLE {table}")).await.expect("ranges");
    let ranges = rows_of(shown).into_iter();
    ranges.map(|row| [row[1].clone(), row[2].clone(), row[4].clone()]).collect()
}

/// Waits until a table has at least `least` ranges, and as many some time later; they tile the table.
async fn settled(client: &Client, table: &str, least: usize) -> Vec<[String; 3]> {
    let start = Instant::now();
    let mut before = Vec::new();
    loop {
        let now = ranges(client, table).await;
        let bounds = |ranges: &[[String; 3]]| -> Vec<String> {
            ranges.iter().map(|range| format!("{}..{}", range[0], range[1])).collect()
        };
        if now.len() >= least && bounds(&now) == bounds(&before) {
            for (left, right) in now.iter().zip(now.iter().skip(1)) {
                assert_eq!(left[1], right[0], "no gap and no overlap: {now:?}");
            }
            return now;
        }
        assert!(start.elapsed() < DEADLINE, "{table} has {} ranges: {now:?}", now.len());
        before = now;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// What every node says to some queries.
fn answers(cluster: &Cluster, queries: &[&str]) -> Vec<String> {
    let ask = |node: &Node| queries.iter().map(|query| node.psql_run(query)).collect::<String>();
    cluster.nodes.iter().map(ask).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn flights_split_by_their_size_and_answer_as_before() {
    let cluster = Cluster::running();
    load_sample(&cluster);
    let queries = [
        "SELECT count(*) FROM flights",
        "SELECT carrier, count(*), sum(distance) FROM flights GROUP BY carrier ORDER BY carrier",
        "SELECT * FROM flights ORDER BY time_hour, carrier, flight, origin LIMIT 20",
    ];
    let before = answers(&cluster, &queries);
    assert!(before.iter().all(|answer| *answer == before[0]));
    let client = cluster.nodes[0].connect().await;
    client.simple_query("SET CLUSTER SETTING range_max_bytes = '256KiB'").await.expect("setting");
    let flights = settled(&client, "flights", 5).await;
    println!("flights has {} ranges", flights.len());
    assert_eq!(answers(&cluster, &queries), before);
    // Within ten seconds leaders are spread again, over the ranges of all tables and range 1.
    let start = Instant::now();
    loop {
        let mut leaders = [0_usize; 4];
        for table in TABLES {
            for range in ranges(&client, table).await {
                leaders[range[2].parse::<usize>().unwrap_or(0)] += 1;
            }
        }
        // Range 1 is not shown: it is led by one of them.
        let counts = &leaders[1..];
        let (least, most) = (counts.iter().min().expect("three"), counts.iter().max().expect("three"));
        if leaders[0] == 0 && most - least <= 2 {
            println!("spread after {:?}: {counts:?}", start.elapsed());
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(15), "{leaders:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    client.simple_query("DROP TABLE flights").await.expect("drop");
    let count = || {
        let status = quorate().args(["status", "--host", &cluster.nodes[1].host()]).output().expect("status");
        text_of(&status)
    };
    println!("{}", count());
    client.simple_query("CREATE TABLE flights (id INT8 PRIMARY KEY)").await.expect("the name is free");
    assert_eq!(ranges(&client, "flights").await.len(), 1);
    // No replica of a range of the dropped table is left on any node.
    let start = Instant::now();
    loop {
        let mut listed = 1;
        for table in TABLES {
            listed += ranges(&client, table).await.len();
        }
        let text = count();
        let replicas: Vec<usize> = replicas_of(&text);
        if replicas.iter().all(|&replicas| replicas == listed) {
            break;
        }
        assert!(start.elapsed() < DEADLINE, "{listed} ranges are listed, replicas are {replicas:?}\n{text}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The column of replicas in `quorate status`.
fn replicas_of(status: &str) -> Vec<usize> {
    let nodes = status.lines().filter(|line| line.trim_start().starts_with(['n']) && line.contains("zone="));
    nodes.filter_map(|line| line.split_whitespace().nth(4)?.parse().ok()).collect()
}

/// Inserts padded rows one after the other until it is told to stop; gives the ids that were acknowledged.
async fn write_until(client: Client, from: i64, stop: Arc<AtomicBool>) -> Vec<i64> {
    let mut acknowledged = Vec::new();
    let padding = "p".repeat(PADDING);
    for step in 0_i64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        // All over the keys, so that every range grows.
        let id = (step * 7_919) % 100_000 * 1_000 + from;
        let insert = format!("INSERT INTO grows (id, note) VALUES ({id}, '{padding}')");
        match client.simple_query(&insert).await {
            Ok(_) => acknowledged.push(id),
            Err(error) if error.is_closed() => break,
            Err(_) => {}
        }
    }
    acknowledged
}

async fn check_kept(cluster: &Cluster, kept: &[i64]) {
    for node in &cluster.nodes {
        let client = node.connect().await;
        let rows = rows_of(client.simple_query("SELECT id FROM grows").await.expect("rows"));
        let found: std::collections::HashSet<&str> = rows.iter().map(|row| row[0].as_str()).collect();
        let lost: Vec<_> = kept.iter().filter(|id| !found.contains(id.to_string().as_str())).collect();
        assert!(lost.is_empty(), "n{}: acknowledged and lost: {lost:?}", node.number);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn splits_under_kills_lose_nothing() {
    let mut cluster = Cluster::running();
    cluster.nodes[0].psql_run("CREATE TABLE grows (id INT8 PRIMARY KEY, note TEXT NOT NULL)");
    cluster.nodes[0].psql_run("SET CLUSTER SETTING range_max_bytes = '64KiB'");
    let mut kept = Vec::new();
    for round in 0..4_usize {
        let stop = Arc::new(AtomicBool::new(false));
        let mut writers = Vec::new();
        for (writer, node) in (0..).zip(&cluster.nodes) {
            let client = node.connect().await;
            let from = round as i64 * 10 + writer;
            writers.push(tokio::spawn(write_until(client, from, Arc::clone(&stop))));
        }
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        // One node in turn, and in the end all of them.
        let victims: Vec<usize> = if round < 3 { vec![round] } else { vec![0, 1, 2] };
        for &victim in &victims {
            cluster.nodes[victim].kill();
        }
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            let acknowledged = tokio::time::timeout(DEADLINE, writer).await.expect("a writer ends");
            kept.extend(acknowledged.expect("writer"));
        }
        for &victim in &victims {
            cluster.nodes[victim].start();
        }
        cluster.await_ready();
        check_kept(&cluster, &kept).await;
    }
    let client = cluster.nodes[0].connect().await;
    let found = settled(&client, "grows", 5).await;
    println!("{} rows in {} ranges", kept.len(), found.len());
    check_kept(&cluster, &kept).await;
}
