//! `quorate-bench bank`.

use super::stage::{Part, Stage, VALUE_BYTES, sql_of};
use crate::cli::BankArguments;
use crate::error::BenchError;
use crate::workload::bank::{Bank, OPS};

/// The same transactions with each number of clients, the systems taking turns.
///
/// # Errors
/// The run ended early.
pub async fn run(arguments: BankArguments) -> Result<bool, BenchError> {
    let common = &arguments.common;
    common.check_sql()?;
    let mut stage = Stage::start(common, VALUE_BYTES).await?;
    let mut loaded = Vec::new();
    for system in &stage.systems {
        stage.progress.begin(format!("{} load", system.name()));
        let sql = sql_of(system)?.clone();
        loaded.push((Bank::create(&sql, arguments.accounts).await?, sql));
    }
    let mut first = 0;
    for clients in &common.clients {
        for (bank, sql) in &loaded {
            let mut workers = Vec::new();
            for number in 0..*clients {
                workers.push(bank.worker(sql, first + number, common.seed).await?);
            }
            let limit = stage.floor().map(|floor| floor.of_puts(*clients));
            let part = Part { system: sql.name(), op: "bank", kinds: &OPS, limit };
            stage.measure(part, workers).await?;
        }
        // Each client of the whole run has a number of its own, and its turn among the nodes.
        first += clients.next_multiple_of(3);
    }
    for (bank, sql) in &loaded {
        match bank.verify(sql).await? {
            Some(wrong) => stage.report.fail(format!("{}: {wrong}", sql.name())),
            None => stage.progress.say(format!("{}: all sums are right", sql.name())),
        }
    }
    stage.finish()
}
