//! A node whose syncs take seconds: it goes on answering, and the others go on working.

use std::time::{Duration, Instant};

use crate::support::{Cluster, Node, preload, text_of, wait_for};

/// What a sync takes: longer than any answer may.
const SYNC_MILLIS: &str = "2000";
/// Longest answer of a page.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// How long the disk is slow.
const SLOW_FOR: Duration = Duration::from_secs(12);

/// Asks for a page, and says how long the answer took.
fn timed(node: &Node, path: &str) -> (Option<(u16, String)>, Duration) {
    let begun = Instant::now();
    (node.http_get(path), begun.elapsed())
}

/// Writes a row. It waits for a slow disk where a node with one leads its range, and may be told that it waited too long.
fn write(node: &Node, row: u32) -> Result<(), String> {
    let insert = format!("INSERT INTO t VALUES ({row})");
    let output = node.psql().args(["-c", &insert]).output().expect("psql must be installed");
    if output.status.success() { Ok(()) } else { Err(text_of(&output)) }
}

/// Gives all nodes something to write.
fn write_until(node: &Node, end: Instant) {
    let mut row = 0;
    while Instant::now() < end {
        row += 1;
        let _ = write(node, row);
    }
}

#[test]
fn slow_disk_silences_no_node() {
    let mut cluster = Cluster::prepare();
    let library = preload("slow_sync", cluster.path());
    let slow = cluster.path().join("slow");
    std::fs::write(&slow, "0").unwrap();
    let environment = [("LD_PRELOAD", library.to_str().unwrap()), ("SLOW_FILE", slow.to_str().unwrap())];
    cluster.nodes[0].start();
    cluster.nodes[1].start();
    cluster.nodes[2].start_with(&environment);
    cluster.init();
    cluster.await_ready();
    cluster.nodes[0].psql_run("CREATE TABLE t (id INT8 PRIMARY KEY)");

    std::fs::write(&slow, SYNC_MILLIS).unwrap();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| write_until(&cluster.nodes[0], Instant::now() + SLOW_FOR));
        while !writing.is_finished() {
            for path in ["/health", "/ready", "/metrics"] {
                let (answer, took) = timed(&cluster.nodes[2], path);
                let Some(answer) = answer else { panic!("{path} has no answer\n{}", cluster.nodes[2].log()) };
                assert!(took < ANSWER_MAX, "{path} took {took:?}: {}", answer.0);
            }
        }
    });
    let waited = cluster.nodes[2].metric("quorate_store_sync_seconds_sum", &[]);
    assert!(waited > 4.0, "its syncs took {waited} s in all: was the disk slow?");

    std::fs::write(&slow, "0").unwrap();
    let mut row = 1_000_000;
    wait_for("the node is as before", || {
        row += 1;
        let begun = Instant::now();
        write(&cluster.nodes[2], row)?;
        let took = begun.elapsed();
        if took < ANSWER_MAX { Ok(()) } else { Err(format!("{took:?}")) }
    });
    for node in &cluster.nodes {
        assert!(!node.log().contains("panicked"), "n{}\n{}", node.number, node.log());
    }
}

/// What a sync takes where all disks are slow.
const ALL_SLOW_MILLIS: &str = "1000";
/// Clients that write meanwhile.
const WRITERS: usize = 12;
/// What a sync takes where a leader dies: a vote that took longer than 0.7 s would not be waited for.
const VOTE_MILLIS: &str = "250";
/// Most that may pass until ranges have leaders again, with votes and first entries that take their syncs.
const LED_WITHIN: Duration = Duration::from_secs(12);

/// Disks whose syncs take a second cost throughput: a write waits for some of them, longer than it may now and then, and no
/// range loses its leader.
#[test]
fn slow_disks_everywhere_cost_no_leader() {
    let mut cluster = Cluster::prepare();
    let library = preload("slow_sync", cluster.path());
    let slow = cluster.path().join("slow");
    std::fs::write(&slow, "0").unwrap();
    let environment = [("LD_PRELOAD", library.to_str().unwrap()), ("SLOW_FILE", slow.to_str().unwrap())];
    cluster.nodes.iter_mut().for_each(|node| node.start_with(&environment));
    cluster.init();
    cluster.await_ready();
    cluster.nodes[0].psql_run("CREATE TABLE t (id INT8 PRIMARY KEY)");
    let elections = || cluster.metric("quorate_raft_elections_total", &["reason=\"silence\""]);
    let before = elections();

    std::fs::write(&slow, ALL_SLOW_MILLIS).unwrap();
    let end = Instant::now() + SLOW_FOR;
    let written: Vec<(usize, Vec<String>)> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let node = &cluster.nodes[writer % 3];
                scope.spawn(move || {
                    let rows = (0..).map(|row| u32::try_from(writer * 1_000_000 + row).unwrap());
                    let answers = rows.take_while(|_| Instant::now() < end).map(|row| write(node, row));
                    let (done, failed): (Vec<_>, Vec<_>) = answers.partition(Result::is_ok);
                    (done.len(), failed.into_iter().filter_map(Result::err).collect())
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let acknowledged: usize = written.iter().map(|(done, _)| done).sum();
    let failed: Vec<&String> = written.iter().flat_map(|(_, failed)| failed).collect();
    println!("{acknowledged} writes in {SLOW_FOR:?}, {} waited for too long", failed.len());
    assert_eq!(elections(), before, "ranges with a leader got another one");
    let is_late = |error: &&&String| error.contains("not known whether") || error.contains("is unavailable");
    assert!(failed.iter().all(|error| is_late(&error)), "{failed:?}");
    assert!(acknowledged >= WRITERS, "writers have written now and then: {acknowledged}");
    let rows: usize = cluster.nodes[1].psql_run("SELECT count(*) FROM t").trim().parse().unwrap();
    assert!(
        (acknowledged..=acknowledged + failed.len()).contains(&rows),
        "{rows} rows, {acknowledged} acknowledged"
    );

    // A leader dies: the next one's vote waits for its own sync, and not behind what others write.
    std::fs::write(&slow, VOTE_MILLIS).unwrap();
    cluster.nodes[0].kill();
    let begun = Instant::now();
    let mut row = 900_000_000;
    wait_for("a write by the nodes that are left", || {
        // What is told as unknown may have been written.
        row += 1;
        write(&cluster.nodes[1], row)
    });
    let took = begun.elapsed();
    println!("led again after {took:?}");
    assert!(took < LED_WITHIN, "{took:?}");
}
