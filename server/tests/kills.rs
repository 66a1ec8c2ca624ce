//! `kill -9`: writers through the other nodes go on within two seconds, and nothing acknowledged is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::support::{Cluster, DEADLINE, rows_of};

/// Longest gap between acknowledged writes that a kill may cause, and the time in which errors may come.
pub const GAP_MAX: Duration = Duration::from_secs(2);
const KILLS: usize = 10;
const TABLES: usize = 3;

/// What a writer saw: when each write was acknowledged, and when an error came.
#[derive(Default)]
pub struct Seen {
    pub acknowledged: Vec<(Instant, i64)>,
    errors: Vec<(Instant, String)>,
}

pub struct Writer {
    stop: Arc<AtomicBool>,
    progress: Arc<AtomicU64>,
    task: JoinHandle<Seen>,
}

impl Writer {
    /// Inserts one row after the other, as `insert` says of each number; never retries, a failed number is not used
    /// again.
    pub fn start(client: Client, from: i64, insert: impl Fn(i64) -> String + Send + 'static) -> Self {
        let (stop, progress) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&progress));
        let task = tokio::spawn(async move {
            let mut seen = Seen::default();
            let mut id = from;
            while !stopped.load(Ordering::Relaxed) {
                match client.simple_query(&insert(id)).await {
                    Ok(_) => seen.acknowledged.push((Instant::now(), id)),
                    Err(error) => seen.errors.push((Instant::now(), describe(&error))),
                }
                // Whose node is gone would only go on failing, without ever waiting.
                if client.is_closed() {
                    break;
                }
                counted.fetch_add(1, Ordering::Relaxed);
                id += 1;
            }
            seen
        });
        Self { stop, progress, task }
    }

    /// Waits for some more acknowledged writes or errors.
    pub async fn advance(&self, count: u64) {
        let wanted = self.progress.load(Ordering::Relaxed) + count;
        let reached = async {
            while self.progress.load(Ordering::Relaxed) < wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(DEADLINE, reached).await.expect("writers go on");
    }

    pub async fn finish(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        tokio::time::timeout(DEADLINE, self.task).await.expect("writer ends").expect("writer")
    }
}

fn describe(error: &tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), |db| format!("{} {}", db.code().code(), db.message()))
}

/// A row for one of the tables of these tests.
pub fn insert_into(table: usize) -> impl Fn(i64) -> String + Send + 'static {
    move |id| format!("INSERT INTO kills{table} (id, note) VALUES ({id}, 'row {id}')")
}

/// The longest time between two acknowledged writes.
pub fn longest_gap(seen: &Seen) -> Duration {
    let gaps = seen.acknowledged.windows(2).map(|pair| pair[1].0 - pair[0].0);
    gaps.max().unwrap_or(Duration::MAX)
}

/// A client of one of the nodes that are not killed.
pub async fn client_besides(cluster: &Cluster, victim: usize, table: usize) -> Client {
    let others: Vec<_> = cluster.nodes.iter().filter(|node| node.number != victim + 1).collect();
    others[table % others.len()].connect().await
}

/// One kill under load; gives the longest gap, and adds what was acknowledged.
async fn kill_one(cluster: &mut Cluster, victim: usize, next: &mut i64, kept: &mut [Vec<i64>]) -> Duration {
    let mut writers = Vec::new();
    for table in 0..TABLES {
        let client = client_besides(cluster, victim, table).await;
        writers.push(Writer::start(client, *next, insert_into(table)));
    }
    *next += 1_000_000;
    let (longest, seen) = kill_under(cluster, victim, writers).await;
    for (kept, seen) in kept.iter_mut().zip(seen) {
        kept.extend(seen.acknowledged.iter().map(|(_, id)| id));
    }
    longest
}

/// Errors come only within the time that a kill may cost.
pub fn check_errors(seen: &Seen, killed: Instant, writer: &str) {
    for (when, error) in &seen.errors {
        let after = when.saturating_duration_since(killed);
        assert!(after <= GAP_MAX && *when >= killed, "{writer}, {after:?} after the kill: {error}");
    }
}

/// Kills a node while all of these write, and starts it again once each of them has written through others: the longest
/// gap of any, and what they saw. Errors come only within the time that a kill may cost.
pub async fn kill_under(cluster: &mut Cluster, victim: usize, writers: Vec<Writer>) -> (Duration, Vec<Seen>) {
    for writer in &writers {
        writer.advance(20).await;
    }
    let killed = Instant::now();
    cluster.nodes[victim].kill();
    for writer in &writers {
        writer.advance(50).await;
    }
    let (mut longest, mut all_seen) = (Duration::ZERO, Vec::new());
    for (number, writer) in writers.into_iter().enumerate() {
        let seen = writer.finish().await;
        check_errors(&seen, killed, &format!("writer {number}"));
        longest = longest.max(longest_gap(&seen));
        all_seen.push(seen);
    }
    cluster.nodes[victim].start();
    cluster.await_ready();
    (longest, all_seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_node_hands_over_and_comes_back() {
    let mut cluster = Cluster::running();
    for table in 0..TABLES {
        cluster.nodes[0]
            .psql_run(&format!("CREATE TABLE kills{table} (id INT8 PRIMARY KEY, note TEXT NOT NULL)"));
    }
    let mut kept = vec![Vec::new(); TABLES];
    for victim in 0..3 {
        let mut writers = Vec::new();
        for table in 0..TABLES {
            let client = client_besides(&cluster, victim, table).await;
            writers.push(Writer::start(client, victim as i64 * 1_000_000, insert_into(table)));
        }
        for writer in &writers {
            writer.advance(20).await;
        }
        assert_eq!(cluster.nodes[victim].terminate(), Some(0), "{}", cluster.nodes[victim].log());
        for (table, writer) in writers.into_iter().enumerate() {
            writer.advance(20).await;
            let seen = writer.finish().await;
            assert!(seen.errors.is_empty(), "{:?}", seen.errors);
            assert!(longest_gap(&seen) <= GAP_MAX, "{:?}", longest_gap(&seen));
            kept[table].extend(seen.acknowledged.iter().map(|(_, id)| id));
        }
        cluster.nodes[victim].start();
        cluster.await_ready();
    }
    check_rows(&cluster, &kept).await;
}

pub async fn check_rows(cluster: &Cluster, kept: &[Vec<i64>]) {
    for node in cluster.nodes.iter().filter(|node| node.is_running()) {
        let client = node.connect().await;
        for (table, kept) in kept.iter().enumerate() {
            let rows = rows_of(
                client.simple_query(&format!("SELECT id, note FROM kills{table}")).await.expect("rows"),
            );
            let found: std::collections::HashSet<&str> = rows.iter().map(|row| row[0].as_str()).collect();
            let lost: Vec<_> = kept.iter().filter(|id| !found.contains(id.to_string().as_str())).collect();
            assert!(lost.is_empty(), "kills{table} on n{}: acknowledged and lost: {lost:?}", node.number);
            assert!(rows.iter().all(|row| row[1] == format!("row {}", row[0])));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_cost_two_seconds_each_at_most_and_no_row() {
    let mut cluster = Cluster::running();
    for table in 0..TABLES {
        cluster.nodes[0]
            .psql_run(&format!("CREATE TABLE kills{table} (id INT8 PRIMARY KEY, note TEXT NOT NULL)"));
    }
    let (mut next, mut kept, mut gaps) = (0, vec![Vec::new(); TABLES], Vec::new());
    for round in 0..KILLS {
        gaps.push(kill_one(&mut cluster, round % 3, &mut next, &mut kept).await);
    }
    gaps.sort();
    println!("longest gaps between acknowledged writes: {gaps:?}");
    assert!(gaps.iter().all(|gap| *gap <= GAP_MAX), "{gaps:?}");
    check_rows(&cluster, &kept).await;
    for node in &mut cluster.nodes {
        node.kill();
    }
    cluster.start_all();
    cluster.await_ready();
    check_rows(&cluster, &kept).await;
}
