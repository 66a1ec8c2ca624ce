//! CREATE TABLE: its job begins; one that stands alone is driven to its end.

use quorate_engine::kv::{KvError, TransactionOptions};

use super::driver::{Driver, duplicate_table};
use super::job::{Job, JobKind, JobOrigin, JobStep};
use super::{ids, rows, tables};
use crate::catalog::descriptor::TableDescriptor;
use crate::error::SqlError;
use crate::node::SqlNode;
use crate::retry::CatalogAttempts;

/// Creates a table from a descriptor whose id is filled in here.
///
/// # Errors
/// 42P07 where the name is taken; those of the store and the cluster: then there is no table, or a job that undoes it.
pub async fn create_table(node: &SqlNode, mut table: TableDescriptor) -> Result<(), SqlError> {
    let driver = begin(node, &mut table, JobOrigin::Statement).await?;
    driver.with_table(table).conclude(node).await
}

/// Begins the job of a new table, unless its name is taken; its id and version are filled in.
pub(super) async fn begin(
    node: &SqlNode,
    table: &mut TableDescriptor,
    origin: JobOrigin,
) -> Result<Driver, SqlError> {
    if origin == JobOrigin::Statement && is_taken(node, &table.name).await? {
        return Err(duplicate_table(&table.name));
    }
    table.id = ids::take_table_id(node).await?;
    table.version = 1;
    let kind = (JobKind::CreateTable, JobStep::MakeRange);
    let job = rows::new_job(node, kind, origin, (table.id, &table.name)).await?;
    // Held before it can be seen.
    let driver = Driver::new(node, job);
    insert_job(node, driver.job()).await?;
    Ok(driver)
}

/// Writes the row of a job that makes a range.
///
/// # Errors
/// 42P07 where a new table's name is taken; those of the store.
pub(super) async fn insert_job(node: &SqlNode, job: &Job) -> Result<(), SqlError> {
    let mut attempts = CatalogAttempts::new(node);
    loop {
        match insert(node, job).await {
            Ok(true) => break,
            Ok(false) => return Err(duplicate_table(&job.name)),
            Err(error) => attempts.after(error).await?,
        }
    }
    node.cluster.reach("ddl-begun").await;
    Ok(())
}

/// Whether a table has this name, before anything is done for another one.
async fn is_taken(node: &SqlNode, name: &str) -> Result<bool, SqlError> {
    let mut attempts = CatalogAttempts::new(node);
    loop {
        let found = async {
            let mut transaction = node.database.begin(TransactionOptions::reading()).await?;
            tables::read_table_id(transaction.as_mut(), name).await
        };
        match found.await {
            Ok(found) => return Ok(found.is_some()),
            Err(error) => attempts.after(error).await?,
        }
    }
}

/// Writes the row of a job, unless the table's name is taken. Repeating it does nothing.
async fn insert(node: &SqlNode, job: &Job) -> Result<bool, KvError> {
    let mut transaction = node.database.begin(TransactionOptions::default()).await?;
    if rows::read_job(transaction.as_mut(), job.id).await?.is_some() {
        return Ok(true);
    }
    // A transaction may have dropped the table of this name, and one that takes its place has it: they look for themselves.
    let looks_itself = job.origin == JobOrigin::Transaction || job.replaces.is_some();
    if !looks_itself && tables::read_table_id(transaction.as_mut(), &job.name).await?.is_some() {
        return Ok(false);
    }
    rows::write_new(transaction.as_mut(), job)?;
    transaction.commit(None).await?;
    Ok(true)
}
