//! `quorate-bench ranges`: what ranges cost that nobody uses.
//!
//! A table is filled until splits have made so many ranges of it; then nothing is asked for a while, and memory and
//! processor time of the three nodes are looked at; then all nodes are stopped, and started again.

use std::time::Duration;

use tokio::time::Instant;

use super::own;
use super::stage::{Stage, VALUE_BYTES};
use crate::cli::RangesArguments;
use crate::error::BenchError;
use crate::latency::Latencies;
use crate::machine;
use crate::process::wait_for;
use crate::report::Row;
use crate::systems::quorate::{QuorateCluster, QuorateNode};
use crate::systems::sql::SqlSystem;
use crate::systems::{KvClient, sql_kv};
use crate::values;

/// Size beyond which ranges are split: the smallest that there is.
const RANGE_MAX: &str = "64KiB";
/// Bytes of a value: few rows make a range.
const ROW_BYTES: usize = 4 << 10;
/// Rows of one load.
const ROWS_AT_ONCE: u64 = 500;
/// Time in which the nodes come to rest before they are looked at.
const REST: Duration = Duration::from_secs(10);
/// How long the ranges may take to serve after a start.
const SERVING_MAX: Duration = Duration::from_secs(300);
const TABLE: &str = "bench_kv";

/// Each number of ranges, in its order.
///
/// # Errors
/// The run ended early.
pub async fn run(arguments: RangesArguments) -> Result<bool, BenchError> {
    let common = &arguments.common;
    common.check_own()?;
    let mut stage = Stage::start(common, VALUE_BYTES).await?;
    let sql = own::cluster(&mut stage)?.sql().clone();
    sql_kv::create(&sql).await?;
    sql.run(&format!("SET CLUSTER SETTING range_max_bytes = '{RANGE_MAX}'")).await?;
    let mut numbers = arguments.ranges.clone();
    numbers.sort_unstable();
    let mut filled = 0;
    for wanted in numbers {
        let patience = Duration::from_secs(arguments.patience);
        let there = fill(&stage, &sql, &mut filled, (wanted, patience)).await?;
        if there < wanted {
            stage
                .report
                .fail(format!("{there} ranges of {wanted} were there after {} s", arguments.patience));
        }
        stage.progress.begin(format!("{there} idle ranges"));
        tokio::time::sleep(REST).await;
        let cluster = own::cluster(&mut stage)?;
        let (memory_mib, cores) = watch(cluster, common.load().measured).await;
        let start_seconds = restart(cluster, &sql, filled).await?;
        let more = vec![
            ("ranges", there as f64),
            ("memory_mib_per_node", memory_mib),
            ("cores_per_node", cores),
            ("start_seconds", start_seconds),
        ];
        let row = Row::new("quorate", "idle ranges", 0, &Latencies::default(), 1.0);
        stage.report.add(Row { more, ..row });
    }
    stage.finish()
}

/// Loads rows until there are so many ranges; how many there are.
async fn fill(
    stage: &Stage,
    sql: &SqlSystem,
    filled: &mut u64,
    (wanted, patience): (u64, Duration),
) -> Result<u64, BenchError> {
    stage.progress.begin(format!("making {wanted} ranges"));
    let mut client = sql_kv::client(sql, 0).await?;
    let begun = Instant::now();
    loop {
        let there = own::ranges(sql, TABLE).await?.len() as u64;
        stage.progress.at(there as f64 / wanted as f64, format!("{there}"));
        if there >= wanted || begun.elapsed() > patience {
            return Ok(there);
        }
        // Splits follow the rows: more rows only where those loaded do not suffice.
        if *filled * (ROW_BYTES as u64) < wanted * 64 * 1024 {
            load(client.as_mut(), sql, filled).await?;
        } else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let needed = (wanted - there) * 16;
            if begun.elapsed() > patience / 2 && needed > 0 {
                load(client.as_mut(), sql, filled).await?;
            }
        }
    }
}

async fn load(client: &mut dyn KvClient, sql: &SqlSystem, filled: &mut u64) -> Result<(), BenchError> {
    let rows: Vec<(u64, String)> =
        (*filled..*filled + ROWS_AT_ONCE).map(|key| (key, values::make(key, 1, ROW_BYTES))).collect();
    client.load(&rows).await.map_err(|error| BenchError::System {
        system: sql.name().to_owned(),
        what: "loading".to_owned(),
        detail: error.detail,
    })?;
    *filled += ROWS_AT_ONCE;
    Ok(())
}

/// Memory in MiB and cores in use of a node, the mean of all.
async fn watch(cluster: &QuorateCluster, time: Duration) -> (f64, f64) {
    let usages = || -> Vec<(u64, f64)> {
        cluster
            .nodes()
            .iter()
            .filter_map(QuorateNode::process_id)
            .filter_map(machine::process_usage)
            .collect()
    };
    let before = usages();
    tokio::time::sleep(time).await;
    let after = usages();
    let nodes = after.len().max(1) as f64;
    let bytes: u64 = after.iter().map(|(bytes, _)| bytes).sum();
    let seconds: f64 =
        after.iter().map(|(_, seconds)| seconds).sum::<f64>() - before.iter().map(|(_, s)| s).sum::<f64>();
    (bytes as f64 / f64::from(1 << 20) / nodes, seconds / time.as_secs_f64() / nodes)
}

/// Stops and starts all nodes; seconds from the start until every row can be read.
async fn restart(cluster: &mut QuorateCluster, sql: &SqlSystem, rows: u64) -> Result<f64, BenchError> {
    cluster.stop().await?;
    let begun = Instant::now();
    for index in 0..cluster.nodes().len() {
        cluster.start_node(index)?;
    }
    cluster.await_ready().await?;
    wait_for("all ranges after a start", SERVING_MAX, || async {
        let client = sql.connect(0).await.map_err(|error| error.to_string())?;
        let query = format!("SELECT count(*) FROM {TABLE}");
        let count = client.query_one(&query, &[]).await.map_err(|error| error.to_string())?;
        let count: i64 = count.try_get(0).map_err(|error| error.to_string())?;
        if u64::try_from(count) == Ok(rows) { Ok(()) } else { Err(format!("{count} rows of {rows}")) }
    })
    .await?;
    Ok(begun.elapsed().as_secs_f64())
}
