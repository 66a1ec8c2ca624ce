//! `quorate-bench kv`.

use std::sync::Arc;

use super::stage::{Part, Stage};
use crate::cli::KvArguments;
use crate::driver::Worker;
use crate::error::{BenchError, OpError};
use crate::keys::KeySpace;
use crate::systems::System;
use crate::systems::expected;
use crate::workload::kv::{KvOp, KvRecord, KvWorker};

/// Puts, then gets, with each number of clients, the systems taking turns.
///
/// # Errors
/// The run ended early.
pub async fn run(arguments: KvArguments) -> Result<bool, BenchError> {
    let mut stage = Stage::start(&arguments.common, arguments.value_bytes).await?;
    let records = load(&mut stage, &arguments).await?;
    let keys = KeySpace::new(arguments.keys, arguments.distribution, arguments.common.seed);
    for op in [KvOp::Put, KvOp::Get] {
        for clients in &arguments.common.clients {
            for (index, record) in records.iter().enumerate() {
                let Some(system) = stage.systems.get(index) else { continue };
                let workers = workers(system, (op, *clients), &keys, record).await?;
                let floor = stage.floor();
                let limit = match op {
                    KvOp::Put => floor.map(|floor| floor.of_puts(*clients)),
                    KvOp::Get => floor.map(|floor| floor.of_gets(*clients)),
                };
                let part = Part { system: system.name(), op: op.name(), kinds: &[op.name()], limit };
                stage.measure(part, workers).await?;
            }
        }
    }
    verify(&mut stage, &records).await?;
    for note in expected::notes(stage.report.rows()) {
        stage.progress.say(note);
    }
    stage.finish()
}

fn failed(system: &str, what: &str) -> impl Fn(OpError) -> BenchError {
    let (system, what) = (system.to_owned(), what.to_owned());
    move |error| BenchError::System { system: system.clone(), what: what.clone(), detail: error.detail }
}

/// Writes all keys to all systems; what was written, by system.
async fn load(stage: &mut Stage, arguments: &KvArguments) -> Result<Vec<Arc<KvRecord>>, BenchError> {
    let mut records = Vec::new();
    for system in &stage.systems {
        let name = system.name();
        stage.progress.begin(format!("{name} load"));
        system.create_kv().await?;
        let record =
            KvRecord::new(usize::try_from(arguments.keys).unwrap_or(usize::MAX), arguments.value_bytes);
        let mut client = system.kv_client(0).await?;
        let tell = |share| stage.progress.at(share, "");
        record.load(client.as_mut(), tell).await.map_err(failed(name, "loading"))?;
        records.push(record);
    }
    Ok(records)
}

async fn workers(
    system: &System,
    (op, clients): (KvOp, usize),
    keys: &KeySpace,
    record: &Arc<KvRecord>,
) -> Result<Vec<Box<dyn Worker>>, BenchError> {
    let mut workers: Vec<Box<dyn Worker>> = Vec::new();
    for number in 0..clients {
        let client = system.kv_client(number).await?;
        workers.push(Box::new(KvWorker {
            client,
            op,
            keys: keys.of_client(number),
            record: Arc::clone(record),
        }));
    }
    Ok(workers)
}

/// Reads everything back.
async fn verify(stage: &mut Stage, records: &[Arc<KvRecord>]) -> Result<(), BenchError> {
    for (system, record) in stage.systems.iter().zip(records) {
        let name = system.name();
        stage.progress.begin(format!("{name} verify"));
        let mut client = system.kv_client(0).await?;
        let found = record.verify(client.as_mut()).await.map_err(failed(name, "reading back"))?;
        let (wrongs, words) = record.wrongs();
        if wrongs > 0 {
            let words = words.join("\n  ");
            stage.report.fail(format!("{name}: {wrongs} values are wrong, the first:\n  {words}"));
        } else {
            stage.progress.say(format!("{name}: all {found} keys hold what was written last"));
        }
    }
    Ok(())
}
