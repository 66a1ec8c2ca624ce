//! [`StagedSequences`]: what a transaction has changed of sequences: buffered writes to range 1, that nobody else sees before
//! COMMIT. There is nothing to be made or removed besides them, and so no job: how far a sequence is comes into being with its
//! first block, and goes with its descriptor.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quorate_engine::kv::{KvError, Transaction, TransactionOptions, Write};

use super::driver::duplicate_table;
use super::tables;
use crate::catalog::sequence::SequenceDescriptor;
use crate::catalog::{keys, sequence_format};
use crate::error::{SqlError, SqlState};
use crate::kv_error::sql_error;
use crate::node::SqlNode;

/// What a transaction has changed of sequences.
#[derive(Clone, Debug, Default)]
pub struct StagedSequences {
    /// Those that it has made, changed or dropped, as they are now; `None` for dropped ones.
    now: BTreeMap<u64, Option<Arc<SequenceDescriptor>>>,
    /// Those that it has made: nobody else knows them.
    created: BTreeSet<u64>,
    /// Those of others of which it has only changed whose they are: they give values as before.
    handed_over: BTreeSet<u64>,
}

impl StagedSequences {
    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.now.is_empty()
    }

    /// What became of a sequence that the transaction has changed.
    pub fn find(&self, id: u64) -> Option<&Option<Arc<SequenceDescriptor>>> {
        self.now.get(&id)
    }

    /// As [`StagedSequences::find`], where that says what values it gives.
    pub fn find_counting(&self, id: u64) -> Option<&Option<Arc<SequenceDescriptor>>> {
        self.now.get(&id).filter(|_| !self.handed_over.contains(&id))
    }

    /// Those that the transaction itself has made.
    pub fn created(&self) -> impl Iterator<Item = u64> {
        self.created.iter().copied()
    }

    /// Whether the transaction itself has made it.
    pub fn has_created(&self, id: u64) -> bool {
        self.created.contains(&id)
    }

    /// All sequences, over those of the node.
    pub fn over<'a>(
        &'a self,
        node: impl Iterator<Item = &'a Arc<SequenceDescriptor>>,
    ) -> impl Iterator<Item = Arc<SequenceDescriptor>> {
        let others = node.filter(move |sequence| !self.now.contains_key(&sequence.id)).cloned();
        others.chain(self.now.values().flatten().cloned())
    }

    /// Creates a sequence, which has its id, unless its name is taken.
    ///
    /// # Errors
    /// 42P07 where the name is taken, and nothing was done; those of the store.
    pub async fn create(
        &mut self,
        transaction: &mut dyn Transaction,
        sequence: SequenceDescriptor,
    ) -> Result<(), SqlError> {
        check_free(transaction, &sequence.name).await?;
        let id = sequence.id;
        let sequence = SequenceDescriptor { version: 1, epoch: 1, ..sequence };
        let name = Write::put(keys::name_key(&sequence.name), keys::number_value(id));
        let written = transaction.write(name).and_then(|()| write_descriptor(transaction, &sequence));
        written.map_err(|error| sql_error(error, None))?;
        self.created.insert(id);
        self.now.insert(id, Some(Arc::new(sequence)));
        Ok(())
    }

    /// Replaces a sequence by its next version.
    ///
    /// # Errors
    /// 40001 where it is not what the statement has seen any more; those of the store.
    pub async fn alter(
        &mut self,
        transaction: &mut dyn Transaction,
        sequence: SequenceDescriptor,
    ) -> Result<(), SqlError> {
        check_version(transaction, (sequence.id, sequence.version - 1), &sequence.name).await?;
        write_descriptor(transaction, &sequence).map_err(|error| sql_error(error, None))?;
        self.handed_over.remove(&sequence.id);
        self.now.insert(sequence.id, Some(Arc::new(sequence)));
        Ok(())
    }

    /// Lets a sequence belong to the same column of the table that took the place of its own. It goes on where it is.
    ///
    /// # Errors
    /// As [`StagedSequences::alter`].
    pub async fn hand_over(
        &mut self,
        transaction: &mut dyn Transaction,
        sequence: &SequenceDescriptor,
        table_id: u64,
    ) -> Result<(), SqlError> {
        let counts_as_before = self.find_counting(sequence.id).is_none();
        let owner = sequence.owner.map(|owner| owner.of_table(table_id));
        let handed_over = SequenceDescriptor { owner, version: sequence.version + 1, ..sequence.clone() };
        self.alter(transaction, handed_over).await?;
        if counts_as_before {
            self.handed_over.insert(sequence.id);
        }
        Ok(())
    }

    /// Drops a sequence.
    ///
    /// # Errors
    /// As [`StagedSequences::alter`].
    pub async fn drop(
        &mut self,
        transaction: &mut dyn Transaction,
        sequence: &SequenceDescriptor,
    ) -> Result<(), SqlError> {
        check_version(transaction, (sequence.id, sequence.version), &sequence.name).await?;
        let keys = [
            keys::name_key(&sequence.name),
            keys::sequence_key(sequence.id),
            keys::position_key(sequence.id),
        ];
        for key in keys {
            transaction.write(Write::delete(key)).map_err(|error| sql_error(error, None))?;
        }
        self.handed_over.remove(&sequence.id);
        self.now.insert(sequence.id, None);
        Ok(())
    }
}

/// These sequences of a transaction will never be: nobody will ask how far they are.
pub async fn forget_positions(node: &SqlNode, sequences: impl IntoIterator<Item = u64>) {
    let drawn: Vec<u64> = sequences.into_iter().filter(|id| node.sequence_blocks.forget(*id)).collect();
    if drawn.is_empty() {
        return;
    }
    let removal = async {
        let mut transaction = node.database.begin(TransactionOptions::default()).await?;
        for id in drawn {
            transaction.write(Write::delete(keys::position_key(id)))?;
        }
        transaction.commit(None).await
    };
    if let Err(error) = removal.await {
        tracing::debug!(%error, "how far sequences are that never came to be stays in range 1");
    }
}

/// Fails where a table or a sequence has this name.
///
/// # Errors
/// 42P07; those of the store.
pub async fn check_free(transaction: &mut dyn Transaction, name: &str) -> Result<(), SqlError> {
    match tables::read_table_id(transaction, name).await {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(duplicate_table(name)),
        Err(error) => Err(sql_error(error, None)),
    }
}

fn write_descriptor(transaction: &mut dyn Transaction, sequence: &SequenceDescriptor) -> Result<(), KvError> {
    let bytes = sequence_format::encode(sequence).into();
    transaction.write(Write::put(keys::sequence_key(sequence.id), bytes))
}

/// Fails unless the sequence is stored at this version.
async fn check_version(
    transaction: &mut dyn Transaction,
    (id, version): (u64, u64),
    name: &str,
) -> Result<(), SqlError> {
    let stored = transaction.get_many(vec![keys::sequence_key(id)]).await;
    let stored = stored.map_err(|error| sql_error(error, None))?.pop().flatten();
    let stored = stored.map(|bytes| sequence_format::decode(&bytes)).transpose()?;
    if stored.is_some_and(|stored| stored.version == version) {
        return Ok(());
    }
    let message = format!("restart transaction: sequence \"{name}\" was changed or dropped");
    Err(SqlError::new(SqlState::SerializationFailure, message).with_hint("Run the whole transaction again."))
}
