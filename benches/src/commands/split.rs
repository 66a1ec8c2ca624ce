//! `quorate-bench split`: splits the range that is written to, again and again, and tells how long its writers stall.

use std::time::Duration;

use super::own;
use super::stage::Stage;
use crate::cli::SplitArguments;
use crate::error::BenchError;
use crate::latency::Latencies;
use crate::report::Row;
use crate::workload::writers::Writers;

/// Length of a window without a split, and time that belongs to a split after it was told to be done.
const WINDOW: Duration = Duration::from_millis(500);
const TABLE: &str = "bench_kv";

/// Splits the largest range, with a window without a split before each.
///
/// # Errors
/// The run ended early.
pub async fn run(arguments: SplitArguments) -> Result<bool, BenchError> {
    let common = &arguments.common;
    let own::Loaded { mut stage, sql, record, keys } = own::loaded(common, arguments.keys).await?;
    for clients in &common.clients {
        let mut writers = Writers::start(&sql, *clients, &keys, &record);
        tokio::time::sleep(common.load().warm_up).await;
        let mut found = [Found::default(), Found::default()];
        for split in 0..arguments.splits {
            stage.progress.begin(format!("split, {clients} clients"));
            let message = format!("split {} of {}", split + 1, arguments.splits);
            stage.progress.at(f64::from(split) / f64::from(arguments.splits), message);
            writers.take_window();
            tokio::time::sleep(WINDOW).await;
            let [without, with] = &mut found;
            without.add(writers.take_window());
            writers.mark("split");
            split_one(&mut stage, &sql).await?;
            tokio::time::sleep(WINDOW).await;
            with.add(writers.take_window());
        }
        for (found, name) in found.iter().zip(["without a split", "around a split"]) {
            let Found { puts, stalls, seconds } = found;
            stage.report.add(Row::new("quorate", &format!("put {name}"), *clients, puts, *seconds));
            stage.report.add(Row::new("quorate", &format!("slowest put {name}"), *clients, stalls, *seconds));
        }
        stage.report.add_series(writers.series(format!("quorate put {clients}")));
        own::finish(&mut stage, &sql, writers, &record).await?;
    }
    stage.finish()
}

/// All windows of a kind.
#[derive(Default)]
struct Found {
    puts: Latencies,
    /// The longest put of each window.
    stalls: Latencies,
    seconds: f64,
}

impl Found {
    fn add(&mut self, window: crate::workload::writers::Window) {
        self.puts.add(&window.latencies);
        self.stalls.record(Duration::from_secs_f64(window.latencies.max_us() / 1e6));
        self.seconds += window.seconds;
    }
}

async fn split_one(stage: &mut Stage, sql: &crate::systems::sql::SqlSystem) -> Result<(), BenchError> {
    let ranges = own::ranges(sql, TABLE).await?;
    let largest = ranges.iter().max_by_key(|range| range.bytes).map_or(0, |range| range.id);
    let cluster = own::cluster(stage)?;
    let host = cluster.nodes().first().map(|node| node.address()).unwrap_or_default();
    let words = ["range", "split", &largest.to_string(), "--host", &host];
    match cluster.ask(&words).await? {
        (true, _) => Ok(()),
        (false, detail) => Err(BenchError::System {
            system: "quorate".to_owned(),
            what: format!("splitting r{largest}"),
            detail,
        }),
    }
}
