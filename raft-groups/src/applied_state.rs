//! What a replica keeps of what it applied, besides the data.

use std::sync::Arc;

use quorate_engine::codec::CodecError;
use quorate_engine::codec::check::{Broken, holds, must_hold};
use quorate_engine::hlc::Timestamp;
use quorate_engine::store::{Batch, Family, Store, StoreError};

use crate::descriptor::RangeDescriptor;
use crate::membership::GroupMembership;
use crate::raft::applied_membership;
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
    pub(crate) fn apply_membership(&mut self, membership: &GroupMembership) {
        self.descriptor = Arc::new(self.descriptor.with_membership(membership));
        self.is_joint = membership.is_joint();
    }

    /// What must hold of the state of a range that is known; what is stored of its parts has rules of its own.
    ///
    /// # Errors
    /// The rule that does not.
    pub fn validate(&self) -> Result<(), Broken> {
        self.descriptor.validate()?;
        holds(self.descriptor.is_known(), "whoever applies entries knows the range")?;
        holds(
            !self.is_joint || !self.descriptor.replicas.is_empty(),
            "only a range with replicas changes them",
        )
    }

    /// What must hold of the state behind further entries: nothing of it goes back.
    ///
    /// # Errors
    /// The rule that does not.
    pub fn follows(&self, before: &Self) -> Result<(), Broken> {
        self.descriptor.follows(&before.descriptor)?;
        let (span, whole) = (&self.descriptor.span, &before.descriptor.span);
        holds(
            span.start == whole.start && whole.covers(span),
            "a range keeps its start, and its end only comes nearer",
        )?;
        let writes_known = self.newest_write.is_some() == before.newest_write.is_some();
        holds(
            writes_known,
            "a range that knows its newest write knows it for good, and others never learn it",
        )?;
        holds(self.newest_write >= before.newest_write, "a range's newest write only rises")?;
        holds(self.end_lease_mark >= before.end_lease_mark, "the mark of hand-overs only rises")?;
        holds(self.closed >= before.closed, "what is closed stays closed")
    }

    /// Adds all of it to the batch.
    pub(crate) fn save(&self, batch: &mut Batch) {
        must_hold("a range's first state", self.validate());
        let range_id = self.descriptor.range_id;
        batch.put(Family::Range, descriptor_key(range_id), encode_descriptor(&self.descriptor));
        batch.put(Family::Range, size_key(range_id), encode_size(self.size_bytes, self.newest_write));
        batch.put(Family::Range, end_lease_key(range_id), encode_end_lease(self.end_lease_mark));
        batch.put(Family::Range, closed_key(range_id), encode_closed(self.closed));
    }

    /// Adds what differs from `before` to the batch.
    pub(crate) fn save_changes(&self, before: &Self, batch: &mut Batch) {
        must_hold("a range's state", self.follows(before));
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

#[cfg(test)]
mod tests {
    use quorate_engine::kv::{Key, Span};
    use quorate_placement::topology::{NodeId, RangeId};

    use super::*;

    fn state() -> AppliedState {
        let span = Span::new(Key::from(&b"a"[..]), Key::from(&b"m"[..]));
        AppliedState::fresh(RangeDescriptor::new(RangeId(7), span, &[NodeId(1)]))
    }

    fn with_end(state: &AppliedState, end: &[u8], generation: u64) -> AppliedState {
        let mut descriptor = RangeDescriptor::clone(&state.descriptor);
        (descriptor.span.end, descriptor.generation) = (Key::from(end), generation);
        AppliedState { descriptor: Arc::new(descriptor), ..state.clone() }
    }

    #[test]
    fn applied_state_never_goes_back() {
        let at = Timestamp::from_micros;
        let before =
            AppliedState { newest_write: Some(at(5)), end_lease_mark: at(6), closed: at(4), ..state() };
        let left = AppliedState { closed: at(5), ..with_end(&before, b"g", 2) };
        assert_eq!((before.follows(&before), left.follows(&before)), (Ok(()), Ok(())));
        let back = [
            AppliedState { newest_write: Some(at(4)), ..before.clone() },
            AppliedState { newest_write: None, ..before.clone() },
            AppliedState { end_lease_mark: at(5), ..before.clone() },
            AppliedState { closed: at(3), ..before.clone() },
            with_end(&before, b"g", 1),
            with_end(&before, b"z", 2),
        ];
        for state in back {
            assert!(state.follows(&before).is_err(), "{state:?}");
        }
        assert!(before.follows(&left).is_err(), "an earlier state");
        let knows_nothing = AppliedState { newest_write: None, ..before.clone() };
        assert!(before.follows(&knows_nothing).is_err(), "nobody learns it later");
    }

    #[test]
    fn applied_state_is_that_of_a_known_range() {
        assert_eq!(state().validate(), Ok(()));
        assert!(AppliedState::fresh(RangeDescriptor::unknown(RangeId(7))).validate().is_err());
        assert!(with_end(&state(), b"a", 2).validate().is_err());
    }
}
