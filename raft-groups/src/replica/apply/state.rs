//! What a replica keeps of what it applied, besides the data.

use std::sync::Arc;

use quorate_engine::codec::CodecError;
use quorate_engine::hlc::Timestamp;
use quorate_engine::store::{Batch, Family, Store, StoreError};

use crate::descriptor::RangeDescriptor;
use crate::raft::{GroupMembership, applied_membership};
use crate::range_format::{
    closed_key, decode_closed, decode_end_lease, decode_size, descriptor_key, encode_closed,
    encode_descriptor, encode_end_lease, encode_size, end_lease_key, size_key,
};

/// The state as of an applied entry. Two replicas of a range that applied the same entry have equal ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedState {
    /// Bounds and replicas.
    pub descriptor: Arc<RangeDescriptor>,
    /// A change of membership is under way: bounds stay as they are meanwhile.
    pub is_joint: bool,
    /// About how many bytes the range holds.
    pub size_bytes: u64,
    /// Newest timestamp of any command: no version of the range lies above it. `None` where the range is older than this
    /// mark, so that nobody knows.
    pub newest_write: Option<Timestamp>,
    /// The largest read high-water mark of an EndLease, or of the split that the range came from: a new leader writes
    /// above it.
    pub end_lease_mark: Timestamp,
    /// No write at or below this comes any more.
    pub closed: Timestamp,
}

impl AppliedState {
    /// Of a range that was made just now.
    pub fn fresh(descriptor: RangeDescriptor) -> Self {
        Self {
            descriptor: Arc::new(descriptor),
            is_joint: false,
            size_bytes: 0,
            newest_write: Some(Timestamp::MIN),
            end_lease_mark: Timestamp::MIN,
            closed: Timestamp::MIN,
        }
    }

    /// Reads what is stored of the range with this stored descriptor.
    ///
    /// # Errors
    /// The store failed, or holds damaged bytes.
    pub fn load(store: &dyn Store, descriptor: RangeDescriptor) -> Result<Self, StoreError> {
        let damaged = |error: CodecError| StoreError::Corruption(error.to_string());
        let range_id = descriptor.range_id;
        let size = store.get(Family::Range, &size_key(range_id))?;
        let mark = store.get(Family::Range, &end_lease_key(range_id))?;
        let closed = store.get(Family::Range, &closed_key(range_id))?;
        let fresh = Self::fresh(descriptor);
        let size = size.map(|bytes| decode_size(&bytes)).transpose().map_err(damaged)?;
        let (size_bytes, newest_write) = size.unwrap_or((fresh.size_bytes, fresh.newest_write));
        Ok(Self {
            is_joint: applied_membership(store, range_id)?.is_joint(),
            size_bytes,
            newest_write,
            end_lease_mark: mark
                .map_or(Ok(fresh.end_lease_mark), |bytes| decode_end_lease(&bytes))
                .map_err(damaged)?,
            closed: closed.map_or(Ok(fresh.closed), |bytes| decode_closed(&bytes)).map_err(damaged)?,
            ..fresh
        })
    }

    /// A membership entry: the one place where a range's replicas change.
    pub(super) fn apply_membership(&mut self, membership: &GroupMembership) {
        self.descriptor = Arc::new(self.descriptor.with_membership(membership));
        self.is_joint = membership.is_joint();
    }

    /// Adds all of it to the batch.
    pub(super) fn save(&self, batch: &mut Batch) {
        let range_id = self.descriptor.range_id;
        batch.put(Family::Range, descriptor_key(range_id), encode_descriptor(&self.descriptor));
        batch.put(Family::Range, size_key(range_id), encode_size(self.size_bytes, self.newest_write));
        batch.put(Family::Range, end_lease_key(range_id), encode_end_lease(self.end_lease_mark));
        batch.put(Family::Range, closed_key(range_id), encode_closed(self.closed));
    }

    /// Adds what differs from `before` to the batch.
    pub(super) fn save_changes(&self, before: &Self, batch: &mut Batch) {
        let range_id = self.descriptor.range_id;
        if before.descriptor != self.descriptor {
            batch.put(Family::Range, descriptor_key(range_id), encode_descriptor(&self.descriptor));
        }
        if (before.size_bytes, before.newest_write) != (self.size_bytes, self.newest_write) {
            batch.put(Family::Range, size_key(range_id), encode_size(self.size_bytes, self.newest_write));
        }
        if before.end_lease_mark != self.end_lease_mark {
            batch.put(Family::Range, end_lease_key(range_id), encode_end_lease(self.end_lease_mark));
        }
        if before.closed != self.closed {
            batch.put(Family::Range, closed_key(range_id), encode_closed(self.closed));
        }
    }
}
