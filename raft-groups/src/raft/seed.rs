//! The state of Raft with which a fresh replica starts, equal on all its nodes.
//!
//! A new range has no entries: everything up to [`LogPosition::SEED`] counts as applied and purged, its members are
//! those of its descriptor, and its vote is that of term 1 for nobody. So the first election is of term 2, above the
//! seed's own, which openraft needs: a leader takes the last entry of its own term for its blank one.
//!
//! The right side of a split needs no first election: the split's entry grants [`GRANTED_TERM`] to the replica that
//! proposed it, and every replica starts with the committed vote for that one.
//!
//! Invariant: nobody else can lead the granted term. It is given to one replica by a committed entry of the left log,
//! and is above no other: whoever else wants to lead needs a later term, and a quorum of replicas that all know the
//! grant. Nor does anybody lead it twice: see `replica::serving::split` for who may start as its leader, and when.

use quorate_engine::store::{Batch, Family, Store, StoreError};
use quorate_placement::topology::{RangeId, ReplicaId};

use super::applied_format::{
    AppliedMembership, applied_key, decode_membership, encode_applied, encode_membership, membership_key,
};
use super::log_format::{encode_purged, encode_vote, group_bounds, purged_key, vote_key};
use crate::descriptor::RangeDescriptor;
use crate::log_position::{LogPosition, VoteState};
use crate::membership::GroupMembership;

/// The vote of a fresh replica.
const _: () = assert!(
    LogPosition::SEED.term > 0,
    "openraft takes the last entry of a leader's own term for its blank one"
);
const _: () = assert!(GRANTED_TERM > LogPosition::SEED.term, "a granted term is above the seed's own");

const SEED_VOTE: VoteState =
    VoteState { term: LogPosition::SEED.term, candidate: ReplicaId(0), is_committed: false };

/// The term that the entry of a split grants in the right side's group: the first after the seed's.
pub const GRANTED_TERM: u64 = LogPosition::SEED.term + 1;

/// The vote of a fresh replica in a group whose first term is granted to `leader`.
pub const fn granted_to(leader: ReplicaId) -> VoteState {
    VoteState { term: GRANTED_TERM, candidate: leader, is_committed: true }
}

/// Adds the initial state of a fresh replica of `descriptor`, the same on every node.
pub fn seed(batch: &mut Batch, descriptor: &RangeDescriptor) {
    seed_with(batch, descriptor, SEED_VOTE);
}

/// As [`seed`], with the first term granted to `leader`, if that is a voter.
pub fn seed_granted(batch: &mut Batch, descriptor: &RangeDescriptor, leader: ReplicaId) {
    let is_voter = descriptor.membership().voters.iter().all(|voters| voters.contains(&leader));
    seed_with(batch, descriptor, if is_voter { granted_to(leader) } else { SEED_VOTE });
}

fn seed_with(batch: &mut Batch, descriptor: &RangeDescriptor, vote: VoteState) {
    assert!(descriptor.is_known(), "a range that begins knows its members");
    assert!(vote.term <= GRANTED_TERM, "a range begins in the first terms");
    let range = descriptor.range_id;
    let members = descriptor.membership();
    let membership = AppliedMembership { position: Some(LogPosition::SEED), membership: members };
    batch.put(Family::Raft, vote_key(range), encode_vote(vote));
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
