//! Whole runs against a real node in this process: what is printed as good was verified, and what is missing is noticed.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use quorate::config::OnLoss;
use quorate::metrics;
use quorate::node::{Listeners, Node, NodeConfig};
use quorate_bench::cli::Cli;
use quorate_bench::commands;
use quorate_bench::error::BenchError;
use quorate_bench::keys::{Distribution, KeySpace};
use quorate_bench::process::wait_for;
use quorate_bench::systems::sql::{self, SqlSystem};
use quorate_bench::systems::sql_kv;
use quorate_bench::workload::kv::KvRecord;
use quorate_bench::workload::writers::Writers;
use tempfile::TempDir;

/// Generous: these machines are shared.
const DEADLINE: Duration = Duration::from_secs(60);

/// A cluster of one node with its SQL on loopback.
struct Server {
    _node: Node,
    _folder: TempDir,
    url: String,
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listeners = Listeners::bind(any, any, any).await.expect("listeners");
        let address = listeners.peer_address().expect("an address");
        let url = format!("postgres://root@{}/quorate", listeners.sql_address("").expect("an address"));
        let config = NodeConfig {
            data_dir: folder.path().to_owned(),
            address: address.clone(),
            locality: "zone=a".parse().expect("a locality"),
            join: vec![address],
            on_loss: OnLoss::Refuse,
            nodes_in_process: 1,
        };
        let node =
            Node::start(config, listeners, metrics::install().expect("metrics")).await.expect("a node");
        node.cluster().init().await.expect("init");
        node.ready().await.expect("a node that serves");
        Self { _node: node, _folder: folder, url }
    }

    /// Runs `quorate-bench` with these words against it.
    async fn bench(&self, words: &str) -> Result<bool, BenchError> {
        bench(&format!("{words} --target {}", self.url)).await
    }
}

/// Runs `quorate-bench` with these words, for a second, without the floor.
async fn bench(words: &str) -> Result<bool, BenchError> {
    let line = format!("quorate-bench {words} --seconds 1 --warm-up 0 --no-floor");
    let cli = Cli::read(line.split_whitespace()).unwrap_or_else(|error| panic!("{line}: {error}"));
    commands::run(cli).await
}

fn rows_of(file: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(file).expect("a report");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn kv_embedded_reports_puts_and_gets() {
    let folder = tempfile::tempdir().unwrap();
    let (json, svg) = (folder.path().join("kv.json"), folder.path().join("kv.svg"));
    let words =
        format!("kv --embedded --clients 1,8 --keys 2000 --json {} --svg {}", json.display(), svg.display());
    assert!(bench(&words).await.unwrap());
    let rows = rows_of(&json);
    let found: Vec<_> =
        rows.iter().map(|row| (row["op"].as_str().unwrap(), row["clients"].as_u64().unwrap())).collect();
    assert_eq!(found, [("put", 1), ("put", 8), ("get", 1), ("get", 8)]);
    for row in &rows {
        assert!(row["ops_per_second"].as_f64().unwrap() > 0.0, "{row}");
        assert!(row["p50_us"].as_f64().unwrap() <= row["p99_us"].as_f64().unwrap(), "{row}");
    }
    assert!(std::fs::read_to_string(&svg).unwrap().contains("embedded put 8"));
}

#[tokio::test(flavor = "multi_thread")]
async fn workloads_over_the_wire_verify_what_they_wrote() {
    let server = Server::start().await;
    for words in [
        "kv --clients 4 --keys 1000 --distribution zipfian",
        "kv --clients 4 --keys 1000 --rate 200",
        "ycsb --workload a,b,c,d,e,f --clients 2 --keys 200",
        "bank --clients 4 --accounts 20",
        "tpcb --clients 2 --scale 1",
        "pipeline --clients 2 --rows 100",
    ] {
        assert!(server.bench(words).await.unwrap(), "{words}");
    }
}

/// Runs a workload, and a statement against its table as soon as that is possible.
async fn bench_disturbed(server: &Server, words: &str, statement: &str) -> bool {
    let url = server.url.clone();
    let statement = statement.to_owned();
    let disturber = tokio::spawn(async move {
        let client = sql::connect(&url).await.expect("a connection");
        // The table is made, and filled, by the run.
        let until = tokio::time::Instant::now() + DEADLINE;
        loop {
            match client.execute(&statement, &[]).await {
                Ok(1) => return,
                other => assert!(tokio::time::Instant::now() < until, "{statement}: {other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let is_good = server.bench(words).await.expect("a run");
    disturber.await.expect("the statement was done");
    is_good
}

#[tokio::test(flavor = "multi_thread")]
async fn bank_that_lost_money_is_a_failure() {
    let server = Server::start().await;
    let statement = "UPDATE bench_bank SET balance = balance - 1 WHERE id = 19";
    assert!(!bench_disturbed(&server, "bank --clients 2 --accounts 20", statement).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pipeline_that_lost_a_row_is_a_failure() {
    let server = Server::start().await;
    let statement = "DELETE FROM bench_pipeline WHERE client = 0 AND number = 1 AND row = 0";
    assert!(!bench_disturbed(&server, "pipeline --clients 2 --rows 10", statement).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn tpcb_whose_sums_differ_is_a_failure() {
    let server = Server::start().await;
    let statement = "UPDATE bench_branches SET bbalance = bbalance + 1 WHERE bid = 0";
    assert!(!bench_disturbed(&server, "tpcb --clients 2 --scale 1", statement).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_tell_how_it_went_over_time() {
    let server = Server::start().await;
    let sql = SqlSystem::new("target", vec![server.url.clone()]);
    sql_kv::create(&sql).await.expect("a table");
    let record = KvRecord::new(100, 64);
    let keys = KeySpace::new(100, Distribution::Uniform, 1);
    let begun = tokio::time::Instant::now();
    let mut writers = Writers::start(&sql, 2, &keys, &record);
    writers.await_put(DEADLINE).await.expect("a put");
    writers.mark("split");
    let long_enough = wait_for("some slots after the mark", DEADLINE, || {
        let series = writers.series("put".to_owned());
        async move {
            let after = series.slots.iter().filter(|slot| slot.at > series.marks[0].at && slot.count > 0);
            if after.count() >= 2 { Ok(series) } else { Err(format!("{:?}", series.slots)) }
        }
    });
    let series = long_enough.await.expect("slots");
    let (failed, words) = writers.stop().await.expect("an end");
    assert_eq!(failed, 0, "{words:?}");
    assert!(series.slots.is_sorted_by(|one, next| one.at < next.at), "{:?}", series.slots);
    assert!(series.slots.last().expect("a slot").at <= begun.elapsed());
    // Each put has drawn two stamps, one at its begin and one at its end.
    let puts: u64 = series.slots.iter().map(|slot| slot.count).sum();
    assert!(puts > 2 && 2 * puts <= record.ledger.begin(0), "{puts} puts");
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_are_missing_are_told_before_anything_runs() {
    let error = bench("kv --binary /nonexistent/quorate").await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("make build"), "{error}");
    for words in [
        "ycsb --peer etcd",
        "tpcb --peer postgres,etcd",
        "bank --embedded",
        "failover --target postgres://x",
        "split --rate 5",
    ] {
        assert!(bench(words).await.unwrap_err().is_usage(), "{words}");
    }
}
