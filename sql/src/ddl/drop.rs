//! DROP TABLE that stands alone.

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{KvError, TransactionOptions};

use super::driver::{Driver, not_the_table};
use super::job::{Job, JobKind, JobOrigin, JobStep};
use super::{rows, tables};
use crate::catalog::descriptor::TableDescriptor;
use crate::error::SqlError;
use crate::node::SqlNode;
use crate::retry::CatalogAttempts;

/// Drops a table of this name.
///
/// # Errors
/// 42P01 where it does not exist any more; 40001 where another has its name; those of the store and the cluster: once the table
/// is gone from the catalog, a job does the rest.
pub async fn drop_table(node: &SqlNode, table: &TableDescriptor) -> Result<(), SqlError> {
    let mut driver = Driver::new(node, new_job(node, table, JobOrigin::Statement).await?);
    let mut attempts = CatalogAttempts::new(node);
    let written = loop {
        match unpublish(node, driver.job(), table).await {
            Ok(Unpublished::At(written)) => break written,
            Ok(Unpublished::Not(holder)) => return Err(not_the_table(&table.name, holder)),
            Err(error) => attempts.after(error).await?,
        }
    };
    driver.written(written);
    node.cluster.reach("ddl-begun").await;
    driver.conclude(node).await
}

/// The job of a table that goes.
pub(super) async fn new_job(
    node: &SqlNode,
    table: &TableDescriptor,
    origin: JobOrigin,
) -> Result<Job, SqlError> {
    let kind = (JobKind::DropTable, JobStep::Settle);
    rows::new_job(node, kind, origin, (table.id, &table.name)).await
}

/// What became of a table that was to go.
enum Unpublished {
    /// It is gone, by a transaction of then.
    At(Timestamp),
    /// The name is not this table's: it is that of the other one, or of none.
    Not(Option<u64>),
}

/// Takes the table out of the catalog, with the row of the job that does the rest. Repeating it does nothing.
async fn unpublish(node: &SqlNode, job: &Job, table: &TableDescriptor) -> Result<Unpublished, KvError> {
    let mut transaction = node.database.begin(TransactionOptions::default()).await?;
    // An attempt of before, of which that was not known, has done it.
    if rows::read_job(transaction.as_mut(), job.id).await?.is_some() {
        return Ok(Unpublished::At(transaction.read_timestamp()));
    }
    let holder = tables::read_table_id(transaction.as_mut(), &table.name).await?;
    if holder != Some(table.id) {
        return Ok(Unpublished::Not(holder));
    }
    tables::write_no_table(transaction.as_mut(), table)?;
    rows::write_new(transaction.as_mut(), job)?;
    Ok(Unpublished::At(transaction.commit(None).await?.timestamp))
}
