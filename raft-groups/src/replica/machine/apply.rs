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
use quorate_engine::codec::check::must_hold;
use quorate_engine::store::Batch;
use quorate_placement::topology::ReplicaId;

use super::{Machine, MachineEvent, RunningMachine};
use crate::applied_state::AppliedState;
use crate::command_format::{Command, CommandKind};
use crate::descriptor::RangeDescriptor;
use crate::log_position::LogPosition;
use crate::raft::{Applier, ApplyError, CommittedEntry, EntryCommand, EntryPayload, Holdings};
use crate::splits::nursery::Newborn;

mod birth;
pub(super) mod bounds;
mod split;
#[cfg(test)]
mod tests;

/// What became of an entry: the answer to its proposer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryOutcome {
    /// Its changes were made, or it had none.
    Applied,
    /// Evaluated in another term than it was appended in: nothing was done.
    OtherTerm,
    /// Evaluated under other bounds, and its keys are not all within those of now: nothing was done.
    OtherBounds,
    /// A split that cannot be: members are changing, or a side would be empty. Nothing was done.
    NotSplit,
}

impl EntryOutcome {
    fn encode(self) -> Bytes {
        Bytes::from_static(match self {
            Self::Applied => &[0],
            Self::OtherTerm => &[1],
            Self::OtherBounds => &[2],
            Self::NotSplit => &[3],
        })
    }

    /// Reads an outcome of this replica's own.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0] => Some(Self::Applied),
            [1] => Some(Self::OtherTerm),
            [2] => Some(Self::OtherBounds),
            [3] => Some(Self::NotSplit),
            _ => None,
        }
    }
}

/// What a batch of entries makes of a replica.
struct Applying<'a> {
    state: AppliedState,
    batch: &'a mut Batch,
    /// Right sides of splits.
    born: Vec<Born>,
}

/// The right side of a split that was applied.
struct Born {
    state: AppliedState,
    /// The replica to which its first term is granted.
    leader: ReplicaId,
}

impl Applying<'_> {
    /// A command of the right term. Depends on nothing but the state: every replica comes to the same.
    fn command(&mut self, command: Command) -> EntryOutcome {
        // Also where nothing is done: the mark may be too high, never too low.
        self.state.newest_write = self.state.newest_write.map(|newest| newest.max(command.high_water));
        let is_current = command.generation == self.state.descriptor.generation;
        match command.kind {
            CommandKind::Write(changes) => {
                // Under its latches no split could take its keys away; a command of the same term that does not fit
                // would be one that held none (design.md section 14, story 5).
                let covers = bounds::covers(&self.state.descriptor.span, &changes);
                if !is_current && !covers {
                    return EntryOutcome::OtherBounds;
                }
                assert!(covers, "a command writes within the bounds under which it was evaluated");
                self.batch.append(changes);
            }
            CommandKind::EndLease { read_high_water, .. } => {
                self.state.end_lease_mark = self.state.end_lease_mark.max(read_high_water);
            }
            CommandKind::Split(_) if !is_current => return EntryOutcome::OtherBounds,
            CommandKind::Split(split) => match split::divide(&mut self.state, &split) {
                Ok(state) => self.born.push(Born { state, leader: split.leader }),
                Err(outcome) => return outcome,
            },
        }
        self.state.size_bytes = self.state.size_bytes.saturating_add_signed(command.size_delta);
        self.state.closed = self.state.closed.max(command.closed);
        EntryOutcome::Applied
    }
}

impl Machine {
    fn apply_command(
        &self,
        entry: LogPosition,
        command: &EntryCommand,
        applying: &mut Applying<'_>,
    ) -> Result<EntryOutcome, ApplyError> {
        let command = Command::decode(command.command())
            .map_err(|error| ApplyError::Divergence { position: entry, detail: error.to_string() })?;
        if command.term != entry.term {
            return Ok(EntryOutcome::OtherTerm);
        }
        self.shared.clock.forward_applied(command.high_water);
        let outcome = applying.command(command);
        self.shared.clock.forward_applied(applying.state.end_lease_mark);
        Ok(outcome)
    }

    /// Writes the right sides of splits, where this node may hold them, and remembers them until the batch is written.
    fn bring_forth(&self, born: Vec<Born>, batch: &mut Batch) -> Result<(), ApplyError> {
        let mut newborns = Vec::new();
        for born in born {
            let range_id = born.state.descriptor.range_id;
            if !birth::write(self.shared.engine.as_ref(), self.replica_id, &born, batch)? {
                tracing::info!(range = %range_id, "its replica here was removed before, or waits for a snapshot");
                continue;
            }
            let first_leader = self.first_leader(range_id, born.leader);
            newborns.push(Newborn { state: born.state, replica_id: self.replica_id, first_leader });
        }
        *self.newborns.lock() = newborns;
        Ok(())
    }

    /// See [`Applier::apply`].
    fn apply_entries(&self, entries: &[CommittedEntry], batch: &mut Batch) -> Result<Vec<Bytes>, ApplyError> {
        let before = self.applied.lock().clone();
        let mut applying = Applying { state: before.clone(), batch, born: Vec::new() };
        let mut outcomes = Vec::with_capacity(entries.len());
        for entry in entries {
            let outcome = match &entry.payload {
                EntryPayload::Blank => Ok(EntryOutcome::Applied),
                EntryPayload::Membership(membership) => {
                    applying.state.apply_membership(membership);
                    Ok(EntryOutcome::Applied)
                }
                EntryPayload::Command(command) => self.apply_command(entry.position, command, &mut applying),
            };
            let outcome = outcome.inspect_err(|error| self.task.diverged(&error.to_string()))?;
            outcomes.push(outcome.encode());
        }
        let Applying { state, batch, born } = applying;
        state.save_changes(&before, batch);
        self.bring_forth(born, batch).inspect_err(|error| self.task.diverged(&error.to_string()))?;
        // One apply at a time, and a batch that cannot be written is the end of this task: nobody sees this too early
        // who could act on it. What requests go by is the published descriptor.
        *self.applied.lock() = state;
        Ok(outcomes)
    }
}

impl Applier for RunningMachine {
    fn apply(&self, entries: &[CommittedEntry], batch: &mut Batch) -> Result<Vec<Bytes>, ApplyError> {
        self.machine.apply_entries(entries, batch)
    }

    fn applied(&self, entries: &[CommittedEntry], _: LogPosition) {
        let (mark, descriptor, size_bytes) = {
            let applied = self.machine.applied.lock();
            (applied.end_lease_mark, Arc::clone(&applied.descriptor), applied.size_bytes)
        };
        self.listener.tell(MachineEvent::ReadBefore { upto: mark });
        // At each moment either this side or the other one knows the keys.
        let machine = &self.machine;
        machine.shared.nursery.put(std::mem::take(&mut *machine.newborns.lock()));
        self.publish(descriptor);
        if machine.has_outgrown(size_bytes) {
            machine.shared.outgrown.notify_one();
        }
        for entry in entries {
            match entry.payload {
                EntryPayload::Blank => {
                    self.listener.tell(MachineEvent::BlankApplied { term: entry.position.term });
                }
                EntryPayload::Membership(_) | EntryPayload::Command(_) => {}
            }
        }
    }

    fn diverged(&self, detail: &str) {
        self.machine.diverged(detail);
    }

    fn holdings(&self) -> Holdings {
        self.machine.holdings()
    }

    fn installed(&self, last: LogPosition) -> Result<(), ApplyError> {
        self.reload()?;
        tracing::info!(range = %self.machine.range_id, replica = %self.machine.replica_id, position = %last, "a snapshot was installed");
        Ok(())
    }
}

impl RunningMachine {
    /// Lets requests see a descriptor that is applied and written.
    fn publish(&self, descriptor: Arc<RangeDescriptor>) {
        let mut published = self.machine.descriptor.write();
        if published.generation == descriptor.generation {
            return;
        }
        must_hold("a published descriptor", descriptor.follows(&published));
        *published = descriptor;
        drop(published);
        self.listener.tell(MachineEvent::DescriptorChanged);
    }
}
