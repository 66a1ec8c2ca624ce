//! `quorate-bench ycsb`.

use super::stage::{Part, Stage, VALUE_BYTES, sql_of};
use crate::cli::YcsbArguments;
use crate::error::BenchError;
use crate::workload::ycsb::{OPS, Ycsb};

/// Records that any run has room for besides those loaded: a small table is read, and so inserted into, the faster.
const INSERTS_MIN: u64 = 20_000;

/// Each mix with each number of clients, the systems taking turns, on records of its own.
///
/// # Errors
/// The run ended early.
pub async fn run(arguments: YcsbArguments) -> Result<bool, BenchError> {
    let common = &arguments.common;
    common.check_sql()?;
    let mut stage = Stage::start(common, VALUE_BYTES).await?;
    let mut systems = Vec::new();
    for system in &stage.systems {
        systems.push(sql_of(system)?.clone());
    }
    for mix in &arguments.workload {
        let op = format!("ycsb {}", mix.letter());
        let mut loaded = Vec::new();
        for sql in &systems {
            stage.progress.begin(format!("{} load", sql.name()));
            loaded.push(Ycsb::create(sql, arguments.keys, arguments.keys.max(INSERTS_MIN)).await?);
        }
        let kinds: Vec<String> = OPS.iter().map(|kind| format!("{op} {kind}")).collect();
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        for clients in &common.clients {
            for (sql, ycsb) in systems.iter().zip(&loaded) {
                let mut workers = Vec::new();
                for number in 0..*clients {
                    workers.push(ycsb.worker(sql, (*mix, number, common.seed)).await?);
                }
                stage
                    .measure(Part { system: sql.name(), op: &op, kinds: &kinds, limit: None }, workers)
                    .await?;
            }
        }
        for (sql, ycsb) in systems.iter().zip(&loaded) {
            stage.progress.begin(format!("{} verify", sql.name()));
            let wrongs = ycsb.verify(sql).await?;
            if wrongs.is_empty() {
                stage.progress.say(format!("{} {op}: all records hold what was written last", sql.name()));
            } else {
                stage.report.fail(format!("{} {op}: {}", sql.name(), wrongs.join("\n  ")));
            }
        }
    }
    stage.finish()
}
