//! openraft's types, fixed for this crate, and their translation into those of [`super::types`].
//!
//! openraft's node id is our replica id, and its node is the id of our node: addresses live in the registry. The
//! leader id is Raft's standard one, so that a log id is a term and an index.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use openraft::alias::{LogIdOf, StoredMembershipOf, VoteOf};
use openraft::impls::leader_id_std::LeaderId;
use openraft::vote::RaftLeaderId;
use quorate_placement::topology::{NodeId, ReplicaId};

use super::entry_command::EntryCommand;
use super::types::{EntryPayload, LogEntry};
use crate::log_position::{LogPosition, VoteState};
use crate::membership::GroupMembership;

/// What applying an entry gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AppliedEntry {
    pub(crate) position: LogPosition,
    pub(crate) outcome: Bytes,
}

/// The node of a replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RaftNode(pub(crate) u64);

openraft::declare_raft_types!(
    /// openraft as this crate uses it.
    pub(crate) TypeConfig:
        D = EntryCommand,
        R = AppliedEntry,
        NodeId = u64,
        Node = RaftNode,
        Term = u64,
        LeaderId = LeaderId<Self::Term, Self::NodeId>,
);

pub(crate) type RaftLogId = LogIdOf<TypeConfig>;
pub(crate) type RaftVote = VoteOf<TypeConfig>;
pub(crate) type RaftEntry = openraft::alias::EntryOf<TypeConfig>;
pub(crate) type RaftMembership = openraft::Membership<u64, RaftNode>;
pub(crate) type RaftStoredMembership = StoredMembershipOf<TypeConfig>;

pub(crate) fn position_of(id: &RaftLogId) -> LogPosition {
    LogPosition { term: *id.leader_id, index: id.index }
}

pub(crate) fn log_id_of(position: LogPosition) -> RaftLogId {
    RaftLogId::new(position.term.into(), position.index)
}

pub(crate) fn vote_of(vote: &RaftVote) -> VoteState {
    let leader = vote.leader_id();
    VoteState {
        term: leader.term(),
        candidate: ReplicaId(*leader.node_id()),
        is_committed: vote.is_committed(),
    }
}

pub(crate) fn raft_vote_of(vote: VoteState) -> RaftVote {
    if vote.is_committed {
        RaftVote::new_committed(vote.term, vote.candidate.0)
    } else {
        RaftVote::new(vote.term, vote.candidate.0)
    }
}

pub(crate) fn membership_of(membership: &RaftMembership) -> GroupMembership {
    let voters = membership.get_joint_config().iter().map(|set| set.iter().copied().map(ReplicaId).collect());
    let nodes = membership.nodes().map(|(&replica, node)| (ReplicaId(replica), NodeId(node.0)));
    GroupMembership { voters: voters.collect(), nodes: nodes.collect() }
}

/// A membership as openraft wants it; the error is its own, of a voter without a node or an empty set.
pub(crate) fn raft_membership_of(membership: &GroupMembership) -> Result<RaftMembership, String> {
    if membership.voters.is_empty() {
        return Ok(RaftMembership::default());
    }
    let voters: Vec<BTreeSet<u64>> =
        membership.voters.iter().map(|set| set.iter().map(|replica| replica.0).collect()).collect();
    let nodes: BTreeMap<u64, RaftNode> =
        membership.nodes.iter().map(|(replica, node)| (replica.0, RaftNode(node.0))).collect();
    RaftMembership::new(voters, nodes).map_err(|error| error.to_string())
}

pub(crate) fn entry_of(entry: &RaftEntry) -> LogEntry {
    let payload = match &entry.payload {
        openraft::EntryPayload::Blank => EntryPayload::Blank,
        openraft::EntryPayload::Normal(command) => EntryPayload::Command(command.clone()),
        openraft::EntryPayload::Membership(membership) => EntryPayload::Membership(membership_of(membership)),
    };
    LogEntry { position: position_of(&entry.log_id), payload }
}

pub(crate) fn raft_entry_of(entry: LogEntry) -> Result<RaftEntry, String> {
    let payload = match entry.payload {
        EntryPayload::Blank => openraft::EntryPayload::Blank,
        EntryPayload::Command(command) => openraft::EntryPayload::Normal(command),
        EntryPayload::Membership(membership) => {
            openraft::EntryPayload::Membership(raft_membership_of(&membership)?)
        }
    };
    Ok(RaftEntry { log_id: log_id_of(entry.position), payload })
}
