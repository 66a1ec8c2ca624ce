//! What the commands share that look at Quorate's ranges: a loaded table, where its ranges are, and its writers' end.

use std::sync::Arc;
use std::time::Duration;

use super::stage::{Stage, VALUE_BYTES};
use crate::cli::Common;
use crate::error::BenchError;
use crate::keys::{Distribution, KeySpace};
use crate::process::wait_for;
use crate::systems::System;
use crate::systems::quorate::QuorateCluster;
use crate::systems::sql::SqlSystem;
use crate::systems::sql_kv;
use crate::workload::kv::KvRecord;
use crate::workload::writers::Writers;

/// How long the cluster may take to be healthy again.
const HEALTHY_MAX: Duration = Duration::from_secs(120);

/// A range of a table.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// Its id.
    pub id: i64,
    /// Estimate of its bytes.
    pub bytes: i64,
    /// Number of the node that leads it, from 1.
    pub leader: Option<i64>,
}

/// The cluster that this run has started.
///
/// # Errors
/// It runs on something else.
pub fn cluster(stage: &mut Stage) -> Result<&mut QuorateCluster, BenchError> {
    match stage.systems.first_mut() {
        Some(System::Quorate(cluster)) => Ok(cluster),
        Some(System::Embedded(_) | System::Target(_) | System::Etcd(_) | System::Postgres(_)) | None => {
            Err(BenchError::Usage(
                "this command starts and kills nodes: it cannot use --target or --embedded".to_owned(),
            ))
        }
    }
}

/// The ranges of a table, as any node that answers knows them.
///
/// # Errors
/// None answers.
pub async fn ranges(sql: &SqlSystem, table: &str) -> Result<Vec<Range>, BenchError> {
    let query = format!("SHOW RANGES FROM TABLE {table}");
    let mut last = None;
    for number in 0..sql.urls().len() {
        let Ok(client) = sql.connect(number).await else { continue };
        match client.query(&query, &[]).await {
            Ok(rows) => {
                let of = |row: &tokio_postgres::Row| {
                    Ok(Range {
                        id: row.try_get("range_id")?,
                        bytes: row.try_get("size_bytes")?,
                        leader: row.try_get("leader_node")?,
                    })
                };
                return rows
                    .iter()
                    .map(of)
                    .collect::<Result<_, _>>()
                    .map_err(|error| sql.error(&query, &error));
            }
            Err(error) => last = Some(sql.error(&query, &error)),
        }
    }
    Err(last.unwrap_or_else(|| BenchError::System {
        system: sql.name().to_owned(),
        what: query,
        detail: "no node answers".to_owned(),
    }))
}

/// A cluster of this run with the table of `kv` in it, all keys written.
pub struct Loaded {
    /// The run.
    pub stage: Stage,
    /// The cluster's SQL.
    pub sql: SqlSystem,
    /// What the table holds.
    pub record: Arc<KvRecord>,
    /// Its keys.
    pub keys: KeySpace,
}

/// Starts a cluster and writes that many keys.
///
/// # Errors
/// It does not start, or refuses.
pub async fn loaded(common: &Common, keys: u64) -> Result<Loaded, BenchError> {
    common.check_own()?;
    let mut stage = Stage::start(common, VALUE_BYTES).await?;
    let sql = cluster(&mut stage)?.sql().clone();
    stage.progress.begin("load");
    sql_kv::create(&sql).await?;
    let record = KvRecord::new(usize::try_from(keys).unwrap_or(usize::MAX), VALUE_BYTES);
    let mut client = sql_kv::client(&sql, 0).await?;
    let loading = record.load(client.as_mut(), |share| stage.progress.at(share, ""));
    loading.await.map_err(|error| BenchError::System {
        system: sql.name().to_owned(),
        what: "loading".to_owned(),
        detail: error.detail,
    })?;
    Ok(Loaded { stage, sql, record, keys: KeySpace::new(keys, Distribution::Uniform, common.seed) })
}

/// Waits until `quorate status` says that all is well.
///
/// # Errors
/// It does not in time.
pub async fn await_healthy(cluster: &QuorateCluster) -> Result<(), BenchError> {
    let host = cluster.nodes().first().map(|node| node.address()).unwrap_or_default();
    wait_for("a healthy cluster", HEALTHY_MAX, || async {
        let (_, words) =
            cluster.ask(&["status", "--host", &host]).await.map_err(|error| error.to_string())?;
        let first = words.lines().next().unwrap_or_default().to_owned();
        if first.starts_with("HEALTHY") { Ok(()) } else { Err(first) }
    })
    .await
}

/// Ends the writers, reads everything back, and reports what is wrong.
///
/// # Errors
/// The cluster does not answer.
pub async fn finish(
    stage: &mut Stage,
    sql: &SqlSystem,
    writers: Writers,
    record: &KvRecord,
) -> Result<(), BenchError> {
    let (failed, words) = writers.stop().await?;
    if failed > 0 {
        stage.progress.say(format!("{failed} puts were not acknowledged: {}", words.join("; ")));
    }
    stage.progress.begin("verify");
    let mut client = sql_kv::client(sql, 0).await?;
    let verified = record.verify(client.as_mut()).await;
    let found = verified.map_err(|error| BenchError::System {
        system: sql.name().to_owned(),
        what: "reading back".to_owned(),
        detail: error.detail,
    })?;
    match record.wrongs() {
        (0, _) => stage.progress.say(format!("all {found} keys hold what was acknowledged last")),
        (count, words) => {
            stage.report.fail(format!("{count} values are wrong, the first:\n  {}", words.join("\n  ")))
        }
    }
    Ok(())
}
