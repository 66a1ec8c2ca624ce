//! What a replica holds in the store, and how it is read anew when something else took its place.

use bytes::Bytes;
use quorate_engine::mvcc::key_format::{data_span, txn_span};
use quorate_engine::store::{Family, StoreError};

use super::Replica;
use super::apply::AppliedState;
use crate::descriptor::RangeDescriptor;
use crate::raft::{ApplyError, Holdings, KeySpan};
use crate::range_format::{decode_descriptor, descriptor_key, shared_bounds};

/// What the replicas of a range hold, not counted; of an unknown one, no keys.
pub fn holdings(descriptor: &RangeDescriptor) -> Holdings {
    let span = &descriptor.span;
    let own = |family, start: Bytes, end: Bytes| KeySpan { family, start, end: closed_end(end) };
    let (data_start, data_end) = data_span(span);
    let (txn_start, txn_end) = txn_span(span);
    let mut spans = Vec::new();
    if !span.is_empty() {
        spans.push(own(Family::Data, data_start.into(), data_end.into()));
        spans.push(own(Family::Lock, span.start.bytes().clone(), span.end.bytes().clone()));
        spans.push(own(Family::Txn, txn_start.into(), txn_end.into()));
    }
    Holdings { spans, shared: shared_bounds(descriptor.range_id), bytes: 0 }
}

/// The end of a span in the store: a range without end reaches beyond all keys, whose first byte says whose they are and
/// is never 0xff (`kv::keyspace`).
fn closed_end(end: Bytes) -> Bytes {
    if end.is_empty() { Bytes::from_static(&[u8::MAX]) } else { end }
}

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
        let descriptor = std::sync::Arc::clone(&state.descriptor);
        *self.applied.lock() = state;
        *self.descriptor.write() = descriptor;
        self.changed.notify_waiters();
        Ok(())
    }
}
