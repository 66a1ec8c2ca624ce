//! A table that takes the place of another while the writers of that one wait: what is written to the catalog.
//!
//! ```text
//! hold      {before: version + 1, held by the job}      writers wait, reads go on
//! replace   {no before, the table, its sequences}       or release: {before: version + 1}
//! ```
//!
//! Invariant: a table is replaced or let go only by the job that holds it.

use std::sync::Arc;

use quorate_engine::kv::{KvError, Transaction, Write};

use super::tables::{self, damaged};
use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::sequence::SequenceDescriptor;
use crate::catalog::{keys, sequence_format};

/// A table whose place another takes.
#[derive(Debug)]
pub(super) struct Before {
    /// As the statement found it.
    pub table: Arc<TableDescriptor>,
    /// Sequences that belong to it, and go on with the other.
    pub sequences: Vec<Arc<SequenceDescriptor>>,
}

/// Buffers that writers of a table wait for a job; `false` where it is not what it was.
pub(super) async fn hold(
    transaction: &mut dyn Transaction,
    before: &Before,
    job_id: u64,
) -> Result<bool, KvError> {
    let stored = tables::read_table(transaction, before.table.id).await?;
    match stored {
        Some(stored) if stored == *before.table => {
            let version = stored.version + 1;
            tables::write_descriptor(
                transaction,
                &TableDescriptor { held_by: Some(job_id), version, ..stored },
            )?;
            Ok(true)
        }
        Some(_) | None => Ok(false),
    }
}

/// Buffers that writers of a table go on, where this job holds it.
pub(super) async fn release(
    transaction: &mut dyn Transaction,
    table_id: u64,
    job_id: u64,
) -> Result<(), KvError> {
    match tables::read_table(transaction, table_id).await? {
        Some(stored) if stored.held_by == Some(job_id) => {
            let version = stored.version + 1;
            tables::write_descriptor(transaction, &TableDescriptor { held_by: None, version, ..stored })
        }
        Some(_) | None => Ok(()),
    }
}

/// Buffers that a table takes the place of the one that this job holds; `false` where that, or a sequence of it, is not what it
/// was.
pub(super) async fn replace(
    transaction: &mut dyn Transaction,
    (table, before): (&TableDescriptor, &Before),
    job_id: u64,
) -> Result<bool, KvError> {
    let holder = tables::read_table_id(transaction, &table.name).await?;
    let stored = tables::read_table(transaction, before.table.id).await?;
    let is_held = stored.is_some_and(|stored| stored.held_by == Some(job_id));
    if !is_held || holder != Some(before.table.id) {
        return Ok(false);
    }
    for sequence in &before.sequences {
        let stored = transaction.get_many(vec![keys::sequence_key(sequence.id)]).await?.pop().flatten();
        let stored = stored.map(|bytes| sequence_format::decode(&bytes).map_err(damaged)).transpose()?;
        if stored.as_ref() != Some(sequence.as_ref()) {
            return Ok(false);
        }
        let owner = sequence.owner.map(|owner| owner.of_table(table.id));
        let handed_over =
            SequenceDescriptor { owner, version: sequence.version + 1, ..sequence.as_ref().clone() };
        let bytes = sequence_format::encode(&handed_over).into();
        transaction.write(Write::put(keys::sequence_key(sequence.id), bytes))?;
    }
    tables::write_no_table(transaction, &before.table)?;
    tables::write_table(transaction, table)?;
    Ok(true)
}
