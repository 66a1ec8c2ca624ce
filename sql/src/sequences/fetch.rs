//! What a statement's sequences want, fetched: blocks and the setting of sequences, each a transaction of its own.

use std::sync::Arc;

use quorate_engine::codec::CodecError;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{KvError, Transaction, TransactionOptions, Value, Write};

use super::block::{Block, next_block};
use super::drawing::{Drawing, Wanted};
use crate::catalog::lease::CatalogWait;
use crate::catalog::sequence::{Place, SequenceDescriptor, SequencePosition};
use crate::catalog::{keys, sequence_format};
use crate::ddl::driver::{made, settle};
use crate::ddl::staged_sequences::StagedSequences;
use crate::error::{SqlError, SqlState};
use crate::exec::context::Limits;
use crate::node::SqlNode;
use crate::retry::CatalogAttempts;

/// Why an attempt at a transaction of ours ended early.
enum Failure {
    /// The statement's error.
    Sql(SqlError),
    /// The store's, after which another attempt may help.
    Kv(KvError),
}

impl From<KvError> for Failure {
    fn from(error: KvError) -> Self {
        Self::Kv(error)
    }
}

impl From<CodecError> for Failure {
    fn from(error: CodecError) -> Self {
        Self::Sql(error.into())
    }
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl Drawing<'_> {
    /// Fetches what the row that was computed last wants; the row is then to be computed again.
    ///
    /// # Errors
    /// 2200H, 22003, 42P01; 57P03 without a lease on the catalog; 57014; those of the store.
    pub async fn fetch(&self, wanted: Wanted, limits: &Limits) -> Result<(), SqlError> {
        match wanted {
            Wanted::Lease => CatalogWait::new(self.node, &limits.cancel).lease().await.map(|_| ()),
            // A block that comes too late is nobody's.
            Wanted::Block { sequence_id } => {
                limits.guard(self.node, self.fetch_block(sequence_id)).await.flatten()
            }
            Wanted::Set { sequence_id, value, is_called } => {
                self.set(sequence_id, Place { value, is_called }).await?;
                if is_called {
                    self.memory.set(sequence_id, value);
                }
                self.put_result(value);
                Ok(())
            }
        }
    }

    /// The descriptor that nobody else knows, where the transaction itself has made the sequence.
    fn own_sequence(&self, id: u64) -> Result<Option<SequenceDescriptor>, SqlError> {
        let Some(staged) = self.staged.as_ref().filter(|staged| staged.find_counting(id).is_some()) else {
            return Ok(None);
        };
        if !staged.has_created(id) {
            return Err(SqlError::unsupported(
                "a value of a sequence that the transaction itself has altered",
            )
            .with_hint("Commit the ALTER SEQUENCE first."));
        }
        self.sequence(id).map(|own| Some(SequenceDescriptor::clone(&own)))
    }

    async fn fetch_block(&self, id: u64) -> Result<(), SqlError> {
        let known = self.sequence(id)?;
        let own = self.own_sequence(id)?;
        let place = self.node.sequence_blocks.place(id);
        let _taking = place.taking.lock().await;
        if place.has(known.version) {
            return Ok(());
        }
        let mut attempts = CatalogAttempts::new(self.node);
        loop {
            match take_block(self.node, id, own.as_ref()).await {
                Ok((version, block)) => {
                    place.put(version, block);
                    return Ok(());
                }
                Err(Failure::Sql(error)) => return Err(error),
                // Where it is not known whether a block was taken, it is nobody's.
                Err(Failure::Kv(error)) => attempts.after(error).await?,
            }
        }
    }

    /// Sets a sequence; returns when no node gives out values of before.
    async fn set(&self, id: u64, origin: Place) -> Result<(), SqlError> {
        let is_handed_over =
            |staged: &Arc<StagedSequences>| staged.find(id).is_some() && staged.find_counting(id).is_none();
        if self.staged.as_ref().is_some_and(is_handed_over) {
            let what = "setval of a sequence whose table the transaction itself has replaced";
            return Err(SqlError::unsupported(what).with_hint("Commit first."));
        }
        if let Some(own) = self.own_sequence(id)? {
            check_bounds(&own, origin.value)?;
            return self.set_own(&own, origin).await;
        }
        let mut attempts = CatalogAttempts::new(self.node);
        let mut tried = None;
        let committed = loop {
            match set_origin(self.node, id, origin, &mut tried).await {
                Ok(committed) => break committed,
                Err(Failure::Sql(error)) => return Err(error),
                Err(Failure::Kv(error)) => attempts.after(error).await?,
            }
        };
        self.node.cluster.reach("sequence-set").await;
        settle(self.node, committed).await.map_err(|error| {
            made(&error)
                .with_hint("Until they do, some may give out values of before. Repeating setval waits again.")
        })
    }

    /// The same for a sequence that nobody else knows: its position is another, and no block counts any more.
    async fn set_own(&self, own: &SequenceDescriptor, origin: Place) -> Result<(), SqlError> {
        // A position is behind a value: that which comes before the one that is next.
        let before =
            if origin.is_called { Some(origin.value) } else { origin.value.checked_sub(own.increment) };
        let Some(value) = before else {
            return Err(SqlError::unsupported("setval to this value before COMMIT"));
        };
        let position = SequencePosition { epoch: own.epoch, place: Place { value, is_called: true } };
        let mut attempts = CatalogAttempts::new(self.node);
        while let Err(error) = write_position(self.node, own.id, position).await {
            attempts.after(error).await?;
        }
        self.node.sequence_blocks.forget(own.id);
        Ok(())
    }
}

/// Takes the next block of a sequence; with the version of its descriptor.
async fn take_block(
    node: &SqlNode,
    id: u64,
    own: Option<&SequenceDescriptor>,
) -> Result<(u64, Block), Failure> {
    let mut transaction = node.database.begin(TransactionOptions::default()).await?;
    let mut found = transaction.get_many(vec![keys::position_key(id), keys::sequence_key(id)]).await?;
    let (descriptor, position) = (found.pop().flatten(), found.pop().flatten());
    let sequence = match own {
        Some(own) => own.clone(),
        None => decoded(descriptor.as_ref())?,
    };
    let position = position.map(|bytes| sequence_format::decode_position(&bytes)).transpose()?;
    let (block, position) = next_block(&sequence, position)?;
    put_position(transaction.as_mut(), id, position)?;
    transaction.commit(None).await?;
    Ok((sequence.version, block))
}

fn decoded(descriptor: Option<&Value>) -> Result<SequenceDescriptor, SqlError> {
    let dropped = || SqlError::new(SqlState::UndefinedTable, "a sequence was dropped");
    Ok(sequence_format::decode(descriptor.ok_or_else(dropped)?)?)
}

/// Lets a sequence count from another place on; when that was committed. `tried` is the version that an attempt of before has
/// written, or not: set twice, a sequence would give the values behind its place twice.
async fn set_origin(
    node: &SqlNode,
    id: u64,
    origin: Place,
    tried: &mut Option<u64>,
) -> Result<Timestamp, Failure> {
    let mut transaction = node.database.begin(TransactionOptions::default()).await?;
    let descriptor = transaction.get_many(vec![keys::sequence_key(id)]).await?.pop().flatten();
    let sequence = decoded(descriptor.as_ref())?;
    check_bounds(&sequence, origin.value)?;
    match earlier_attempt(&sequence, origin, *tried) {
        Earlier::NotDone => {}
        Earlier::Done => return Ok(transaction.read_timestamp()),
        Earlier::Unknown => {
            let message = "it is not known whether the sequence was set: it has been changed again since";
            return Err(SqlError::new(SqlState::StatementCompletionUnknown, message).into());
        }
    }
    let restarted = sequence.restarted(origin);
    *tried = Some(restarted.version);
    transaction.write(Write::put(keys::sequence_key(id), sequence_format::encode(&restarted).into()))?;
    Ok(transaction.commit(None).await?.timestamp)
}

/// What became of an attempt of before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Earlier {
    NotDone,
    Done,
    Unknown,
}

/// What a sequence, as it is stored, tells of an attempt that would have written this version of it.
fn earlier_attempt(stored: &SequenceDescriptor, origin: Place, tried: Option<u64>) -> Earlier {
    match tried {
        Some(version) if stored.version == version && stored.origin == origin => Earlier::Done,
        // Another one has written that version.
        Some(version) if stored.version == version => Earlier::NotDone,
        Some(version) if stored.version > version => Earlier::Unknown,
        Some(_) | None => Earlier::NotDone,
    }
}

async fn write_position(node: &SqlNode, id: u64, position: SequencePosition) -> Result<(), KvError> {
    let mut transaction = node.database.begin(TransactionOptions::default()).await?;
    put_position(transaction.as_mut(), id, position)?;
    transaction.commit(None).await.map(|_| ())
}

fn put_position(
    transaction: &mut dyn Transaction,
    id: u64,
    position: SequencePosition,
) -> Result<(), KvError> {
    let bytes = sequence_format::encode_position(position).into();
    transaction.write(Write::put(keys::position_key(id), bytes))
}

fn check_bounds(sequence: &SequenceDescriptor, value: i64) -> Result<(), SqlError> {
    if (sequence.min..=sequence.max).contains(&value) {
        return Ok(());
    }
    let message = format!(
        "setval: value {value} is out of bounds for sequence \"{}\" ({}..{})",
        sequence.name, sequence.min, sequence.max
    );
    Err(SqlError::new(SqlState::NumericValueOutOfRange, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tables::counted;

    #[test]
    fn what_an_attempt_of_before_has_done_is_seen_in_the_version() {
        let (there, other) = (Place { value: 9, is_called: true }, Place { value: 7, is_called: true });
        let before = counted();
        let after = before.restarted(there);
        let tried = Some(after.version);
        assert_eq!(earlier_attempt(&before, there, None), Earlier::NotDone);
        assert_eq!(earlier_attempt(&before, there, tried), Earlier::NotDone);
        assert_eq!(earlier_attempt(&after, there, tried), Earlier::Done);
        assert_eq!(earlier_attempt(&before.restarted(other), there, tried), Earlier::NotDone);
        assert_eq!(earlier_attempt(&after.restarted(other), there, tried), Earlier::Unknown);
    }
}
