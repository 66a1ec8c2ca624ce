//! Statements that look at much: they answer in steps, keep nobody waiting for long, and depend on no more than they use.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Cluster, Node, text_of};

/// Rows of the table: several pages of a scan or a refresh.
const ROWS: u32 = 120_000;
/// Longest wait of one small write beside a large one: far above what it is on a machine with nothing else to do.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Longest time of one large statement, retries included.
const STATEMENT_MAX: Duration = Duration::from_secs(60);

/// A cluster with a table of `k`, its last bit `g`, and a counter.
fn cluster_with_rows() -> Cluster {
    let cluster = Cluster::running();
    cluster.nodes[0].psql_run("CREATE TABLE big (k INT8 PRIMARY KEY, g INT8, v INT8)");
    let mut rows = String::new();
    for k in 0..ROWS {
        writeln!(rows, "{k},{},0", k % 2).unwrap();
    }
    let file = cluster.path().join("big.csv");
    std::fs::write(&file, rows).unwrap();
    cluster.nodes[0].psql_run(&format!("\\copy big FROM '{}' WITH (FORMAT csv)", file.display()));
    cluster
}

/// A node that does not lead the table's range.
fn another_node(cluster: &Cluster) -> &Node {
    let ranges = cluster.nodes[0].psql_run("SHOW RANGES FROM TABLE big");
    let leader: usize = ranges.split('\t').nth(4).and_then(|node| node.parse().ok()).expect("a leader");
    &cluster.nodes[leader % 3]
}

/// Changes one row after the other that the large statement does not take; the longest wait, and what failed.
fn write_beside(node: &Node, first: u32, is_over: &AtomicBool) -> (Duration, u32, Vec<String>) {
    let (mut longest, mut count, mut failed) = (Duration::ZERO, 0, Vec::new());
    for k in (first..).map(|number| number * 2 % ROWS) {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let begun = Instant::now();
        let update = format!("UPDATE big SET v = v + 1 WHERE k = {k}");
        let output = node.psql().args(["-c", &update]).output().expect("psql must be installed");
        longest = longest.max(begun.elapsed());
        count += 1;
        if !output.status.success() {
            failed.push(text_of(&output));
        }
    }
    (longest, count, failed)
}

#[test]
fn large_update_commits_beside_writers_of_rows_that_it_does_not_take() {
    let cluster = cluster_with_rows();
    let gateway = another_node(&cluster);
    let is_over = AtomicBool::new(false);
    let (took, beside) = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2_u32)
            .map(|number| {
                let (node, is_over) = (&cluster.nodes[number as usize], &is_over);
                scope.spawn(move || write_beside(node, number * ROWS / 4, is_over))
            })
            .collect();
        let begun = Instant::now();
        let updated = gateway.psql().args(["-c", "UPDATE big SET v = v + 1 WHERE g = 1"]).output();
        let took = begun.elapsed();
        is_over.store(true, Ordering::Relaxed);
        let updated = updated.expect("psql must be installed");
        assert!(updated.status.success(), "{}", text_of(&updated));
        (took, writers.into_iter().map(|writer| writer.join().unwrap()).collect::<Vec<_>>())
    });
    println!("the large one took {took:?}; beside it: {beside:?}");
    assert!(took < STATEMENT_MAX, "{took:?}");
    for (longest, count, failed) in beside {
        assert!(failed.is_empty(), "{failed:?}");
        assert!(count > 0 && longest < WAIT_MAX, "{count} writes, one of them waited {longest:?}");
    }
    let changed = gateway.psql_run("SELECT count(*), min(v), max(v) FROM big WHERE g = 1");
    assert_eq!(changed.trim(), format!("{}\t1\t1", ROWS / 2));
}

#[test]
fn large_leftovers_are_passed_in_steps() {
    let cluster = cluster_with_rows();
    let gateway = another_node(&cluster);
    for (from, to) in [(0, ROWS / 2), (ROWS / 2, ROWS - 1)] {
        gateway.psql_run(&format!("DELETE FROM big WHERE k >= {from} AND k < {to}"));
    }
    let begun = Instant::now();
    assert_eq!(gateway.psql_run("SELECT k FROM big LIMIT 1").trim(), (ROWS - 1).to_string());
    println!("the row behind {ROWS} deleted ones was found after {:?}", begun.elapsed());
    let plan = gateway.psql_run("EXPLAIN ANALYZE SELECT k FROM big LIMIT 1");
    let pages =
        plan.lines().find_map(|line| line.trim().strip_suffix(" pages")?.rsplit(' ').next()?.parse().ok());
    let pages: u32 = pages.unwrap_or_else(|| panic!("{plan}"));
    assert!(pages > 1, "{plan}");
    assert!(plan.contains("other versions visited"), "{plan}");
}
