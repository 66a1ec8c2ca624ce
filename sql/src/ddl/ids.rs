//! Ids of tables and jobs. A node takes a block of them from a counter in range 1, so that two nodes that make tables seldom
//! meet there; what is left of a block when the process ends is never used.

use quorate_engine::kv::{Key, KvError, TransactionOptions, Write};

use super::id_block::IdBlock;
use crate::catalog::keys;
use crate::error::SqlError;
use crate::node::SqlNode;
use crate::retry::CatalogAttempts;

/// Last id that belongs to the system: the first table has the next one.
const SYSTEM_TABLE_ID_LAST: u64 = 100;
/// Ids of one block.
const BLOCK_IDS: u64 = 8;

/// Takes the id of a new table.
///
/// # Errors
/// The store's.
pub async fn take_table_id(node: &SqlNode) -> Result<u64, SqlError> {
    take(node, &node.table_ids, (keys::table_id_counter_key(), SYSTEM_TABLE_ID_LAST)).await
}

/// Takes the id of a new job.
///
/// # Errors
/// The store's.
pub async fn take_job_id(node: &SqlNode) -> Result<u64, SqlError> {
    take(node, &node.job_ids, (keys::job_id_counter_key(), 0)).await
}

async fn take(
    node: &SqlNode,
    block: &tokio::sync::Mutex<IdBlock>,
    (counter, first): (Key, u64),
) -> Result<u64, SqlError> {
    let mut block = block.lock().await;
    if block.last >= block.end {
        let mut attempts = CatalogAttempts::new(node);
        *block = loop {
            match take_block(node, &counter, first).await {
                Ok(taken) => break taken,
                Err(error) => attempts.after(error).await?,
            }
        };
    }
    block.last += 1;
    Ok(block.last)
}

async fn take_block(node: &SqlNode, counter: &Key, first: u64) -> Result<IdBlock, KvError> {
    let mut transaction = node.database.begin(TransactionOptions::default()).await?;
    let values = transaction.get_many(vec![counter.clone()]).await?;
    let last = keys::number_of(values.first().and_then(Option::as_ref), first)
        .map_err(|error| KvError::Storage(error.to_string()))?;
    let end = last + BLOCK_IDS;
    transaction.write(Write::put(counter.clone(), keys::number_value(end)))?;
    transaction.commit(None).await?;
    Ok(IdBlock { last, end })
}
