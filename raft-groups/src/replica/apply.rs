//! Committed entries become changes of the store, equal on every replica.
//!
//! A command names the term in which it was evaluated: where the entry's term is another one, nothing is done, and
//! every replica does the same. What cannot be read stops the replica for good.

use bytes::Bytes;
use quorate_engine::hlc::Timestamp;
use quorate_engine::store::{Batch, Family, Store, StoreError};
use quorate_placement::topology::RangeId;

use super::Replica;
use crate::command_format::{Command, CommandKind};
use crate::lease::Event;
use crate::raft::{Applier, ApplyError, CommittedEntry, EntryPayload, LogPosition};
use crate::range_format::{
    decode_end_lease, decode_size, encode_end_lease, encode_size, end_lease_key, size_key,
};

/// What a replica keeps of what it applied, besides the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppliedState {
    /// About how many bytes the range holds.
    pub size_bytes: u64,
    /// The largest read high-water mark of an EndLease: a new leader writes above it.
    pub end_lease_mark: Timestamp,
}

impl AppliedState {
    /// Reads what is stored of a range.
    ///
    /// # Errors
    /// The store failed, or holds damaged bytes.
    pub fn load(store: &dyn Store, range_id: RangeId) -> Result<Self, StoreError> {
        let damaged = |error: quorate_engine::codec::CodecError| StoreError::Corruption(error.to_string());
        let size = store.get(Family::Range, &size_key(range_id))?;
        let mark = store.get(Family::Range, &end_lease_key(range_id))?;
        Ok(Self {
            size_bytes: size.map(|bytes| decode_size(&bytes)).transpose().map_err(damaged)?.unwrap_or(0),
            end_lease_mark: mark
                .map(|bytes| decode_end_lease(&bytes))
                .transpose()
                .map_err(damaged)?
                .unwrap_or_default(),
        })
    }
}

/// What became of an entry: the answer to its proposer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryOutcome {
    /// Its changes were made, or it had none.
    Applied,
    /// Evaluated in another term than it was appended in: nothing was done.
    OtherTerm,
}

impl EntryOutcome {
    fn encode(self) -> Bytes {
        Bytes::from_static(match self {
            Self::Applied => &[0],
            Self::OtherTerm => &[1],
        })
    }

    /// Reads an outcome of this replica's own.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0] => Some(Self::Applied),
            [1] => Some(Self::OtherTerm),
            _ => None,
        }
    }
}

impl Replica {
    fn apply_command(
        &self,
        entry: LogPosition,
        bytes: &Bytes,
        state: &mut AppliedState,
        batch: &mut Batch,
    ) -> Result<EntryOutcome, ApplyError> {
        let command = Command::decode(bytes.clone())
            .map_err(|error| ApplyError::Divergence { position: entry, detail: error.to_string() })?;
        if command.term != entry.term {
            return Ok(EntryOutcome::OtherTerm);
        }
        self.shared.clock.forward_applied(command.high_water);
        state.size_bytes = state.size_bytes.saturating_add_signed(command.size_delta);
        match command.kind {
            CommandKind::Write(changes) => batch.append(changes),
            CommandKind::EndLease { read_high_water, .. } => {
                state.end_lease_mark = state.end_lease_mark.max(read_high_water);
                self.shared.clock.forward_applied(read_high_water);
            }
        }
        Ok(EntryOutcome::Applied)
    }

    fn save_changes(&self, before: AppliedState, after: AppliedState, batch: &mut Batch) {
        if before.size_bytes != after.size_bytes {
            batch.put(Family::Range, size_key(self.range_id), encode_size(after.size_bytes));
        }
        if before.end_lease_mark != after.end_lease_mark {
            batch.put(Family::Range, end_lease_key(self.range_id), encode_end_lease(after.end_lease_mark));
        }
    }
}

impl Applier for Replica {
    fn apply(&self, entries: &[CommittedEntry], batch: &mut Batch) -> Result<Vec<Bytes>, ApplyError> {
        let before = *self.applied.lock();
        let mut state = before;
        let mut outcomes = Vec::with_capacity(entries.len());
        for entry in entries {
            let outcome = match &entry.payload {
                EntryPayload::Blank | EntryPayload::Membership(_) => Ok(EntryOutcome::Applied),
                EntryPayload::Command(bytes) => self.apply_command(entry.position, bytes, &mut state, batch),
            };
            let outcome = outcome.inspect_err(|error| self.task.diverged(&error.to_string()))?;
            outcomes.push(outcome.encode());
        }
        self.save_changes(before, state, batch);
        // One apply at a time, and a batch that cannot be written is the end of this task: nobody sees this too early
        // who could act on it.
        *self.applied.lock() = state;
        Ok(outcomes)
    }

    fn applied(&self, entries: &[CommittedEntry], _: LogPosition) {
        let mark = self.applied.lock().end_lease_mark;
        self.cache.lock().raise_low_water(mark);
        for entry in entries {
            match entry.payload {
                EntryPayload::Blank => self.note(Event::BlankApplied { term: entry.position.term }),
                EntryPayload::Membership(_) | EntryPayload::Command(_) => {}
            }
        }
    }
}
