//! What a replica keeps in memory of its range, read anew from the store when something else took its place.

use std::sync::Arc;

use quorate_engine::store::{Family, StoreError};

use super::Replica;
use crate::applied_state::AppliedState;
use crate::descriptor::RangeDescriptor;
use crate::holdings::holdings;
use crate::raft::{ApplyError, Holdings};
use crate::range_format::{decode_descriptor, descriptor_key};

impl Replica {
    pub(super) fn current_holdings(&self) -> Holdings {
        let applied = self.applied.lock();
        Holdings { bytes: applied.size_bytes, ..holdings(&applied.descriptor) }
    }

    /// Reads the applied state from the store: what is in memory may be of an apply that was never written, or of before
    /// a snapshot.
    pub(super) fn reload(&self) -> Result<(), ApplyError> {
        let store = self.shared.engine.as_ref();
        let stored = store.get(Family::Range, &descriptor_key(self.range_id))?;
        let descriptor = stored.map(|bytes| decode_descriptor(&bytes)).transpose();
        let descriptor = descriptor.map_err(|error| StoreError::Corruption(error.to_string()))?;
        let descriptor = descriptor.unwrap_or_else(|| RangeDescriptor::unknown(self.range_id));
        let state = AppliedState::load(store, descriptor)?;
        // What was published was written: it can be read back.
        state.descriptor.follows(&self.descriptor()).map_err(StoreError::from)?;
        self.shared.clock.forward_applied(state.end_lease_mark.max(state.newest_write.unwrap_or_default()));
        self.cache.lock().raise_low_water(state.end_lease_mark);
        let descriptor = Arc::clone(&state.descriptor);
        *self.applied.lock() = state;
        *self.descriptor.write() = descriptor;
        self.changed.notify_waiters();
        Ok(())
    }
}
