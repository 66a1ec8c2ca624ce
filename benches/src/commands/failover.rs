//! `quorate-bench failover`: kills the leader under load, again and again, and tells how long nobody could write.

use std::time::Duration;

use super::own;
use super::stage::Stage;
use crate::cli::FailoverArguments;
use crate::error::BenchError;
use crate::latency::Latencies;
use crate::process::wait_for;
use crate::report::Row;
use crate::systems::sql::SqlSystem;
use crate::workload::writers::Writers;

/// How long writing may be away before the run gives up.
const WRITES_AGAIN_MAX: Duration = Duration::from_secs(60);
/// Time between the return of writing and the end of a window: what comes back may stumble again.
const AFTER: Duration = Duration::from_secs(2);
const TABLE: &str = "bench_kv";

/// Kills, restarts, and reports the gaps.
///
/// # Errors
/// The run ended early.
pub async fn run(arguments: FailoverArguments) -> Result<bool, BenchError> {
    let common = &arguments.common;
    let own::Loaded { mut stage, sql, record, keys } = own::loaded(common, arguments.keys).await?;
    for clients in &common.clients {
        let mut writers = Writers::start(&sql, *clients, &keys, &record);
        tokio::time::sleep(common.load().warm_up).await;
        let (mut gaps, mut puts, mut seconds) = (Latencies::default(), Latencies::default(), 0.0);
        for kill in 0..arguments.kills {
            stage.progress.begin(format!("failover, {clients} clients"));
            let message = format!("kill {} of {}", kill + 1, arguments.kills);
            stage.progress.at(f64::from(kill) / f64::from(arguments.kills), message);
            let window = one(&mut stage, &sql, &mut writers).await?;
            gaps.record(window.gap);
            puts.add(&window.latencies);
            seconds += window.seconds;
        }
        stage.report.add(Row::new("quorate", "put with kills", *clients, &puts, seconds));
        stage.report.add(Row::new("quorate", "gap without a put", *clients, &gaps, seconds));
        stage.report.add_series(writers.series(format!("quorate put {clients}")));
        own::finish(&mut stage, &sql, writers, &record).await?;
    }
    stage.finish()
}

/// Kills the leader of the table, and waits until it is back and all is well; what the time after the kill was like.
async fn one(
    stage: &mut Stage,
    sql: &SqlSystem,
    writers: &mut Writers,
) -> Result<crate::workload::writers::Window, BenchError> {
    let leader = wait_for("a leader", WRITES_AGAIN_MAX, || async {
        let ranges = own::ranges(sql, TABLE).await.map_err(|error| error.to_string())?;
        ranges.first().and_then(|range| range.leader).ok_or_else(|| "the range has none".to_owned())
    })
    .await?;
    let cluster = own::cluster(stage)?;
    let index = usize::try_from(leader).unwrap_or(1).saturating_sub(1);
    writers.take_window();
    writers.mark("kill of the leader");
    cluster.kill_node(index)?;
    writers.await_put(WRITES_AGAIN_MAX).await?;
    tokio::time::sleep(AFTER).await;
    let window = writers.take_window();
    cluster.start_node(index)?;
    cluster.await_ready().await?;
    own::await_healthy(cluster).await?;
    Ok(window)
}
