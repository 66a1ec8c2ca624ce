//! CREATE TABLE and DROP TABLE that stand alone: transactions on range 1, ranges made and removed around them.
//!
//! ```text
//! CREATE  id from the counter → range for the id's keys → {descriptor, name if absent, version + 1} → all nodes know
//! DROP    {no descriptor, no name, version + 1} → all nodes know → ranges and their data removed
//! ```
//!
//! Invariant: a table is in the catalog only while its range exists, so that a crash between steps leaves at worst a range
//! that no table names.

use std::time::Duration;

use quorate_engine::kv::{KvError, Transaction, TransactionOptions, Write, keyspace};
use tokio::sync::MutexGuard;

use super::descriptor::TableDescriptor;
use super::{descriptor_format, keys};
use crate::error::{SqlError, SqlState};
use crate::kv_error::sql_error;
use crate::node::SqlNode;
use crate::retry::CatalogAttempts;

/// Last id that belongs to the system: the first table has the next one.
const SYSTEM_TABLE_ID_LAST: u64 = 100;
/// Longest wait for other changes of the catalog that this node makes.
const TURN_WAIT_MAX: Duration = Duration::from_secs(30);
/// How often the catalog is read after a change, until it can be.
const SETTLE_READS_MAX: u32 = 4;
/// Pause between two such readings.
const SETTLE_PAUSE: Duration = Duration::from_millis(200);

/// Creates a table from a descriptor whose id is filled in here.
///
/// # Errors
/// 42P07 where the name is taken; those of the store.
pub async fn create_table(node: &SqlNode, mut table: TableDescriptor) -> Result<(), SqlError> {
    if find(node, &table.name).await?.0.is_some() {
        return Err(duplicate_table(&table.name));
    }
    table.id = allocate_id(node).await?;
    table.version = 1;
    let span = keyspace::table_span(table.id);
    node.cluster.create_table_range(span.clone()).await?;
    match publish(node, &table).await {
        Ok(version) => settle(node, version).await,
        Err(error) => {
            // An unknown commit may have published the table: its range must stay then.
            if error.state != SqlState::StatementCompletionUnknown
                && let Err(left) = node.cluster.drop_table_ranges(span).await
            {
                tracing::warn!(table = table.id, error = %left, "a range without a table is left");
            }
            Err(error)
        }
    }
}

/// Drops a table of this name.
///
/// # Errors
/// 42P01 where it does not exist any more; those of the store.
pub async fn drop_table(node: &SqlNode, table: &TableDescriptor) -> Result<(), SqlError> {
    let version = unpublish(node, table).await?;
    settle(node, version).await?;
    node.cluster.drop_table_ranges(keyspace::table_span(table.id)).await
}

/// Waits until no node can commit by an older catalog.
pub(super) async fn settle(node: &SqlNode, version: u64) -> Result<(), SqlError> {
    // The change is made: a moment in which it cannot be read is waited out.
    for _ in 1..SETTLE_READS_MAX {
        match node.refresh_catalog().await {
            Ok(_) => break,
            Err(_) => node.clock.sleep(SETTLE_PAUSE).await,
        }
    }
    if node.catalog_version() < version {
        node.refresh_catalog().await?;
    }
    node.cluster.await_catalog(version).await
}

/// The id of the table of a name, and the catalog's version.
async fn find(node: &SqlNode, name: &str) -> Result<(Option<u64>, u64), SqlError> {
    let mut attempts = CatalogAttempts::new(node);
    loop {
        match find_once(node, name).await {
            Ok(found) => return Ok(found),
            Err(error) => attempts.after(error).await?,
        }
    }
}

async fn find_once(node: &SqlNode, name: &str) -> Result<(Option<u64>, u64), KvError> {
    let mut transaction = begin(node, true).await?;
    let id = read_id(transaction.as_mut(), name).await?;
    let version = transaction.get_many(vec![keys::version_key()]).await?;
    let version = read_number(version.first().and_then(Option::as_ref), 0)?;
    transaction.rollback().await;
    Ok((id, version))
}

pub(super) async fn read_id(transaction: &mut dyn Transaction, name: &str) -> Result<Option<u64>, KvError> {
    let values = transaction.get_many(vec![keys::name_key(name)]).await?;
    match values.first() {
        Some(Some(value)) => read_number(Some(value), 0).map(Some),
        Some(None) | None => Ok(None),
    }
}

fn read_number(value: Option<&quorate_engine::kv::Value>, default: u64) -> Result<u64, KvError> {
    keys::number_of(value, default).map_err(|error| KvError::Storage(error.to_string()))
}

async fn begin(node: &SqlNode, read_only: bool) -> Result<Box<dyn Transaction>, KvError> {
    node.database.begin(TransactionOptions { read_only }).await
}

/// Reads a number, raises it by one and buffers the write.
pub(super) async fn raise(
    transaction: &mut dyn Transaction,
    key: quorate_engine::kv::Key,
    default: u64,
) -> Result<u64, KvError> {
    let values = transaction.get_many(vec![key.clone()]).await?;
    let number = read_number(values.first().and_then(Option::as_ref), default)? + 1;
    transaction.write(Write::put(key, keys::number_value(number)))?;
    Ok(number)
}

pub(super) async fn allocate_id(node: &SqlNode) -> Result<u64, SqlError> {
    let _turn = turn(node).await;
    let mut attempts = CatalogAttempts::new(node);
    loop {
        let attempt = async {
            let mut transaction = begin(node, false).await?;
            let id = raise(transaction.as_mut(), keys::table_id_counter_key(), SYSTEM_TABLE_ID_LAST).await?;
            transaction.commit(None).await?;
            Ok(id)
        };
        match attempt.await {
            Ok(id) => return Ok(id),
            Err(error) => attempts.after(error).await?,
        }
    }
}

/// Gives the catalog's version with the table. One commit at a time of a node's: each conflicts with each other one.
async fn publish(node: &SqlNode, table: &TableDescriptor) -> Result<u64, SqlError> {
    let mut unknown = None;
    let published = publish_within(node, table, &mut unknown).await;
    as_far_as_known(published, unknown)
}

/// Where an attempt may have been carried out, a later one's failure is not the answer, unless it says that it was not.
fn as_far_as_known(done: Result<u64, SqlError>, unknown: Option<SqlError>) -> Result<u64, SqlError> {
    match (done, unknown) {
        (Err(error), Some(unknown)) if error.state != SqlState::DuplicateTable => Err(unknown),
        (done, _) => done,
    }
}

async fn publish_within(
    node: &SqlNode,
    table: &TableDescriptor,
    unknown: &mut Option<SqlError>,
) -> Result<u64, SqlError> {
    let _turn = turn(node).await;
    let mut attempts = CatalogAttempts::new(node);
    loop {
        let attempt = async {
            let mut transaction = begin(node, false).await?;
            let version = raise(transaction.as_mut(), keys::version_key(), 0).await?;
            transaction.write(Write::insert(keys::name_key(&table.name), keys::number_value(table.id)))?;
            let descriptor = descriptor_format::encode(table).into();
            transaction.write(Write::put(keys::descriptor_key(table.id), descriptor))?;
            transaction.commit(None).await?;
            Ok(version)
        };
        match attempt.await {
            Ok(version) => return Ok(version),
            // An attempt of before, of which that was not known, has made it: nobody else has this id.
            Err(KvError::ConditionFailed { .. }) if unknown.is_some() => {
                return match find(node, &table.name).await? {
                    (Some(id), version) if id == table.id => Ok(version),
                    _ => Err(duplicate_table(&table.name)),
                };
            }
            Err(KvError::ConditionFailed { .. }) => return Err(duplicate_table(&table.name)),
            Err(error) => {
                if error.is_ambiguous() {
                    *unknown = Some(sql_error(error.clone(), None));
                }
                attempts.after(error).await?;
            }
        }
    }
}

/// Waits for the other changes of the catalog that this node makes, but not for long.
async fn turn(node: &SqlNode) -> Option<MutexGuard<'_, ()>> {
    tokio::select! {
        biased;
        turn = node.catalog_turn.lock() => Some(turn),
        () = node.clock.sleep(TURN_WAIT_MAX) => None,
    }
}

async fn unpublish(node: &SqlNode, table: &TableDescriptor) -> Result<u64, SqlError> {
    let mut unknown = None;
    let unpublished = unpublish_within(node, table, &mut unknown).await;
    as_far_as_known(unpublished, unknown)
}

async fn unpublish_within(
    node: &SqlNode,
    table: &TableDescriptor,
    unknown: &mut Option<SqlError>,
) -> Result<u64, SqlError> {
    let _turn = turn(node).await;
    let mut attempts = CatalogAttempts::new(node);
    loop {
        let attempt = async {
            let mut transaction = begin(node, false).await?;
            if read_id(transaction.as_mut(), &table.name).await? != Some(table.id) {
                return Ok::<_, KvError>(None);
            }
            let version = raise(transaction.as_mut(), keys::version_key(), 0).await?;
            transaction.write(Write::delete(keys::name_key(&table.name)))?;
            transaction.write(Write::delete(keys::descriptor_key(table.id)))?;
            transaction.commit(None).await?;
            Ok(Some(version))
        };
        match attempt.await {
            Ok(Some(version)) => return Ok(version),
            // An attempt of before, of which that was not known, has dropped it, or somebody else has: it is gone.
            Ok(None) if unknown.is_some() => return Ok(find(node, &table.name).await?.1),
            Ok(None) => return Err(undefined_table(&table.name)),
            Err(error) => {
                if error.is_ambiguous() {
                    *unknown = Some(sql_error(error.clone(), None));
                }
                attempts.after(error).await?;
            }
        }
    }
}

pub(super) fn duplicate_table(name: &str) -> SqlError {
    SqlError::new(SqlState::DuplicateTable, format!("relation \"{name}\" already exists"))
}

pub(super) fn undefined_table(name: &str) -> SqlError {
    SqlError::new(SqlState::UndefinedTable, format!("table \"{name}\" does not exist"))
}
