//! `quorate-bench bank`, `quorate-bench tpcb` and `quorate-bench pipeline`.

use std::sync::Arc;

use super::stage::{Part, Stage, VALUE_BYTES, sql_of};
use crate::cli::{BankArguments, Common, PipelineArguments, TpcbArguments};
use crate::error::BenchError;
use crate::systems::sql::SqlSystem;
use crate::workload::Books;
use crate::workload::bank::Bank;
use crate::workload::pipeline::Pipeline;
use crate::workload::tpcb::Tpcb;

/// Transfers between accounts.
///
/// # Errors
/// The run ended early.
pub async fn bank(arguments: BankArguments) -> Result<bool, BenchError> {
    run(&arguments.common, async |sql| Ok(Bank::create(sql, arguments.accounts).await? as Arc<dyn Books>))
        .await
}

/// TPC-B.
///
/// # Errors
/// The run ended early.
pub async fn tpcb(arguments: TpcbArguments) -> Result<bool, BenchError> {
    run(&arguments.common, async |sql| Ok(Tpcb::create(sql, arguments.scale).await? as Arc<dyn Books>)).await
}

/// Transactions of many INSERTs that are sent at once.
///
/// # Errors
/// The run ended early.
pub async fn pipeline(arguments: PipelineArguments) -> Result<bool, BenchError> {
    run(&arguments.common, async |sql| Ok(Pipeline::create(sql, arguments.rows).await? as Arc<dyn Books>))
        .await
}

/// The same transactions with each number of clients, the systems taking turns.
async fn run(
    common: &Common,
    create: impl AsyncFn(&SqlSystem) -> Result<Arc<dyn Books>, BenchError>,
) -> Result<bool, BenchError> {
    common.check_sql()?;
    let mut stage = Stage::start(common, VALUE_BYTES).await?;
    let mut loaded = Vec::new();
    for system in &stage.systems {
        stage.progress.begin(format!("{} load", system.name()));
        let sql = sql_of(system)?.clone();
        loaded.push((create(&sql).await?, sql));
    }
    let mut first = 0;
    for clients in &common.clients {
        for (books, sql) in &loaded {
            let mut workers = Vec::new();
            for number in 0..*clients {
                workers.push(Arc::clone(books).worker(sql, first + number, common.seed).await?);
            }
            let limit = stage.floor().map(|floor| floor.of_puts(*clients));
            let part = Part { system: sql.name(), op: books.op(), kinds: books.kinds(), limit };
            stage.measure(part, workers).await?;
        }
        // Each client of the whole run has a number of its own, and its turn among the nodes.
        first += clients.next_multiple_of(3);
    }
    for (books, sql) in &loaded {
        match books.verify(sql).await? {
            Some(wrong) => stage.report.fail(format!("{}: {wrong}", sql.name())),
            None => stage.progress.say(format!("{}: all sums are right", sql.name())),
        }
    }
    stage.finish()
}
