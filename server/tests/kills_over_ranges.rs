//! `kill -9` of each node in turn while a table of many ranges is written: short gaps, nothing acknowledged lost.

use std::collections::HashSet;
use std::time::Duration;

use crate::kills::{GAP_MAX, Writer, client_besides, kill_under};
use crate::support::{Cluster, load_sample, rows_of, wait_for};

/// Kills of a run; more where the environment asks for a longer one.
const KILLS: usize = 6;
const KILLS_VARIABLE: &str = "QUORATE_TEST_KILLS";
pub const WRITERS: usize = 5;
pub const RANGES_MIN: usize = 5;
/// Flights with numbers from here on are the writers'.
pub const FIRST_FLIGHT: i64 = 100_000;
/// Numbers of one writer within one round of kills.
pub const FLIGHTS_OF_A_WRITER: i64 = 100_000;

/// A flight of the day on which this writer works: each writes another part of the table.
pub fn insert_flight(writer: usize) -> impl Fn(i64) -> String + Send + 'static {
    let day = 1 + writer * 6;
    move |flight| {
        format!(
            "INSERT INTO flights (year, month, day, sched_dep_time, sched_arr_time, carrier, flight, origin, dest, \
             distance, hour, minute, time_hour) VALUES (2013, 1, {day}, 900, 1000, 'ZZ', {flight}, 'EWR', 'LGA', 20, \
             9, 0, '2013-01-{day:02}T14:00:00Z')"
        )
    }
}

pub async fn ranges_of_flights(cluster: &Cluster) -> Vec<Vec<String>> {
    let client = cluster.nodes[0].connect().await;
    rows_of(client.simple_query("SHOW RANGES FROM TABLE flights").await.expect("ranges"))
}

/// The table in several ranges with a leader each.
pub async fn split_flights() -> Cluster {
    let cluster = Cluster::running();
    cluster.nodes[0].psql_run("SET CLUSTER SETTING range_max_bytes = '512KiB'");
    load_sample(&cluster);
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        wait_for("flights in several ranges", || {
            let ranges = runtime.block_on(ranges_of_flights(&cluster));
            let is_led = |range: &Vec<String>| !range[4].is_empty();
            if ranges.len() >= RANGES_MIN && ranges.iter().all(is_led) {
                return Ok(());
            }
            Err(format!("{ranges:?}"))
        });
    });
    cluster
}

/// One kill under load: the longest gap of any writer, and what was acknowledged.
async fn kill_one(cluster: &mut Cluster, round: usize, kept: &mut Vec<i64>) -> Duration {
    let victim = round % cluster.nodes.len();
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let client = client_besides(cluster, victim, writer).await;
        let first = FIRST_FLIGHT + (round * WRITERS + writer) as i64 * FLIGHTS_OF_A_WRITER;
        writers.push(Writer::start(client, first, insert_flight(writer)));
    }
    let (longest, seen) = kill_under(cluster, victim, writers).await;
    kept.extend(seen.iter().flat_map(|seen| &seen.acknowledged).map(|(_, flight)| flight));
    longest
}

pub async fn check_flights(cluster: &Cluster, kept: &[i64]) {
    for node in cluster.nodes.iter().filter(|node| node.is_running()) {
        let client = node.connect().await;
        let query = format!("SELECT flight FROM flights WHERE flight >= {FIRST_FLIGHT}");
        let rows = rows_of(client.simple_query(&query).await.expect("rows"));
        let found: HashSet<i64> = rows.iter().map(|row| row[0].parse().expect("a number")).collect();
        let lost: Vec<_> = kept.iter().filter(|flight| !found.contains(flight)).collect();
        assert!(lost.is_empty(), "on n{}: acknowledged and lost: {lost:?}", node.number);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_each_node_cost_two_seconds_each_at_most_and_no_row_of_a_split_table() {
    let mut cluster = split_flights().await;
    let kills = std::env::var(KILLS_VARIABLE).map_or(KILLS, |kills| kills.parse().expect("a number"));
    let (mut kept, mut gaps) = (Vec::new(), Vec::new());
    for round in 0..kills {
        gaps.push(kill_one(&mut cluster, round, &mut kept).await);
    }
    gaps.sort();
    println!("{} ranges, {} rows acknowledged", ranges_of_flights(&cluster).await.len(), kept.len());
    println!("longest gaps between acknowledged writes: {gaps:?}");
    assert!(gaps.iter().all(|gap| *gap <= GAP_MAX), "{gaps:?}");
    check_flights(&cluster, &kept).await;
    cluster.nodes.iter_mut().for_each(crate::support::Node::kill);
    cluster.start_all();
    cluster.await_ready();
    check_flights(&cluster, &kept).await;
}
