//! Committed entries become changes of the store, equal on every replica.
//!
//! A command names the term in which it was evaluated, and the generation of the bounds: where the entry's term is
//! another one, or the bounds have changed and its keys lie outside of them, nothing is done, and every replica does
//! the same. What cannot be read stops the replica for good.
//!
//! Invariant: the descriptor changes here alone. It is evolved entry by entry, written in the same batch as what the
//! entries change, and published to requests once that batch is written.

use std::sync::Arc;

use bytes::Bytes;
use quorate_engine::store::Batch;

use super::Replica;
use crate::command_format::{Command, CommandKind};
use crate::lease::Event;
use crate::raft::{Applier, ApplyError, CommittedEntry, EntryPayload, Holdings, LogPosition};

mod bounds;
mod state;

pub use state::AppliedState;

/// What became of an entry: the answer to its proposer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryOutcome {
    /// Its changes were made, or it had none.
    Applied,
    /// Evaluated in another term than it was appended in: nothing was done.
    OtherTerm,
    /// Evaluated under other bounds, and its keys are not all within those of now: nothing was done.
    OtherBounds,
}

impl EntryOutcome {
    fn encode(self) -> Bytes {
        Bytes::from_static(match self {
            Self::Applied => &[0],
            Self::OtherTerm => &[1],
            Self::OtherBounds => &[2],
        })
    }

    /// Reads an outcome of this replica's own.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0] => Some(Self::Applied),
            [1] => Some(Self::OtherTerm),
            [2] => Some(Self::OtherBounds),
            _ => None,
        }
    }
}

/// Applies a command of the right term to the state and to the batch. Depends on nothing but its arguments: every
/// replica comes to the same.
fn apply_kind(command: Command, state: &mut AppliedState, batch: &mut Batch) -> EntryOutcome {
    let is_current = command.generation == state.descriptor.generation;
    match command.kind {
        CommandKind::Write(changes) => {
            // Under its latches no split could take its keys away; a command of the same term that does not fit would
            // be one that held none (design.md section 14, story 5).
            if !is_current && !bounds::covers(&state.descriptor.span, &changes) {
                return EntryOutcome::OtherBounds;
            }
            batch.append(changes);
        }
        CommandKind::EndLease { read_high_water, .. } => {
            state.end_lease_mark = state.end_lease_mark.max(read_high_water);
        }
    }
    state.size_bytes = state.size_bytes.saturating_add_signed(command.size_delta);
    state.closed = state.closed.max(command.closed);
    EntryOutcome::Applied
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
        let outcome = apply_kind(command, state, batch);
        self.shared.clock.forward_applied(state.end_lease_mark);
        Ok(outcome)
    }
}

impl Applier for Replica {
    fn apply(&self, entries: &[CommittedEntry], batch: &mut Batch) -> Result<Vec<Bytes>, ApplyError> {
        let before = self.applied.lock().clone();
        let mut state = before.clone();
        let mut outcomes = Vec::with_capacity(entries.len());
        for entry in entries {
            let outcome = match &entry.payload {
                EntryPayload::Blank => Ok(EntryOutcome::Applied),
                EntryPayload::Membership(membership) => {
                    state.apply_membership(membership);
                    Ok(EntryOutcome::Applied)
                }
                EntryPayload::Command(bytes) => self.apply_command(entry.position, bytes, &mut state, batch),
            };
            let outcome = outcome.inspect_err(|error| self.task.diverged(&error.to_string()))?;
            outcomes.push(outcome.encode());
        }
        state.save_changes(&before, batch);
        // One apply at a time, and a batch that cannot be written is the end of this task: nobody sees this too early
        // who could act on it. What requests go by is the published descriptor.
        *self.applied.lock() = state;
        Ok(outcomes)
    }

    fn applied(&self, entries: &[CommittedEntry], _: LogPosition) {
        let (mark, descriptor) = {
            let applied = self.applied.lock();
            (applied.end_lease_mark, Arc::clone(&applied.descriptor))
        };
        self.cache.lock().raise_low_water(mark);
        self.publish(descriptor);
        for entry in entries {
            match entry.payload {
                EntryPayload::Blank => self.note(Event::BlankApplied { term: entry.position.term }),
                EntryPayload::Membership(_) | EntryPayload::Command(_) => {}
            }
        }
    }

    fn holdings(&self) -> Holdings {
        self.current_holdings()
    }

    fn installed(&self, last: LogPosition) -> Result<(), ApplyError> {
        self.reload()?;
        tracing::info!(range = %self.range_id, replica = %self.replica_id, position = %last, "a snapshot was installed");
        Ok(())
    }
}

impl Replica {
    /// Lets requests see a descriptor that is applied and written.
    fn publish(&self, descriptor: Arc<crate::descriptor::RangeDescriptor>) {
        let mut published = self.descriptor.write();
        if published.generation != descriptor.generation {
            *published = descriptor;
        }
    }
}
