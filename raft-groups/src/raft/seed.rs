//! The state of Raft with which a fresh replica starts, equal on all its nodes.
//!
//! A new range has no entries: everything up to [`LogPosition::SEED`] counts as applied and purged, its members are
//! those of its descriptor, and its vote is that of term 1 for nobody. So the first election is of term 2, above the
//! seed's own, which openraft needs: a leader takes the last entry of its own term for its blank one.

use quorate_engine::store::{Batch, Family, Store, StoreError};
use quorate_placement::topology::{RangeId, ReplicaId};

use super::applied_format::{
    AppliedMembership, applied_key, decode_membership, encode_applied, encode_membership, membership_key,
};
use super::log_format::{encode_purged, encode_vote, group_bounds, purged_key, vote_key};
use super::types::{GroupMembership, LogPosition, VoteState};
use crate::descriptor::RangeDescriptor;

/// The vote of a fresh replica.
const SEED_VOTE: VoteState =
    VoteState { term: LogPosition::SEED.term, candidate: ReplicaId(0), is_committed: false };

/// Adds the initial state of a fresh replica of `descriptor`, the same on every node.
pub fn seed(batch: &mut Batch, descriptor: &RangeDescriptor) {
    let range = descriptor.range_id;
    let members = GroupMembership::of(descriptor);
    let membership = AppliedMembership { position: Some(LogPosition::SEED), membership: members };
    batch.put(Family::Raft, vote_key(range), encode_vote(SEED_VOTE));
    batch.put(Family::Raft, purged_key(range), encode_purged(LogPosition::SEED));
    batch.put(Family::Range, applied_key(range), encode_applied(LogPosition::SEED));
    batch.put(Family::Range, membership_key(range), encode_membership(&membership));
}

/// The membership as applied; one without members where the replica knows none yet.
///
/// # Errors
/// The store failed, or holds damaged bytes.
pub fn applied_membership(store: &dyn Store, range: RangeId) -> Result<GroupMembership, StoreError> {
    let bytes = store.get(Family::Range, &membership_key(range))?;
    let stored = bytes.map(decode_membership).transpose();
    let stored = stored.map_err(|error| StoreError::Corruption(error.to_string()))?;
    Ok(stored.unwrap_or_default().membership)
}

/// Adds the removal of all that a replica keeps of Raft; only after its [`super::RaftGroup::shutdown`].
pub fn erase(batch: &mut Batch, range: RangeId) {
    let (start, end) = group_bounds(range);
    batch.delete_range(Family::Raft, start, end);
    batch.delete(Family::Range, applied_key(range));
    batch.delete(Family::Range, membership_key(range));
}
