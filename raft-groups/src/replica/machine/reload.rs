//! What a replica keeps in memory of its range, read anew from the store when something else took its place.

use std::sync::Arc;

use quorate_engine::store::{Family, StoreError};

use super::{Machine, MachineEvent, RunningMachine};
use crate::applied_state::AppliedState;
use crate::descriptor::RangeDescriptor;
use crate::holdings::holdings;
use crate::raft::{ApplyError, Holdings};
use crate::range_format::{decode_descriptor, descriptor_key};

impl Machine {
    /// What it holds, as of what it has applied.
    pub(crate) fn holdings(&self) -> Holdings {
        let applied = self.applied.lock();
        Holdings { bytes: applied.size_bytes, ..holdings(&applied.descriptor) }
    }
}

impl RunningMachine {
    /// Reads the applied state from the store: what is in memory may be of an apply that was never written, or of before
    /// a snapshot.
    pub(super) fn reload(&self) -> Result<(), ApplyError> {
        let machine = &self.machine;
        let store = machine.shared.engine.as_ref();
        let stored = store.get(Family::Range, &descriptor_key(machine.range_id))?;
        let descriptor = stored.map(|bytes| decode_descriptor(&bytes)).transpose();
        let descriptor = descriptor.map_err(|error| StoreError::Corruption(error.to_string()))?;
        let descriptor = descriptor.unwrap_or_else(|| RangeDescriptor::unknown(machine.range_id));
        let state = AppliedState::load(store, descriptor)?;
        // What was published was written: it can be read back.
        state.descriptor.follows(&machine.descriptor()).map_err(StoreError::from)?;
        machine
            .shared
            .clock
            .forward_applied(state.end_lease_mark.max(state.newest_write.unwrap_or_default()));
        self.listener.tell(MachineEvent::ReadBefore { upto: state.end_lease_mark });
        let descriptor = Arc::clone(&state.descriptor);
        *machine.applied.lock() = state;
        *machine.descriptor.write() = descriptor;
        self.listener.tell(MachineEvent::DescriptorChanged);
        Ok(())
    }
}
