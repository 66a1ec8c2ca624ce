//! The range descriptor: which keys a range holds and where its replicas are.
//!
//! Invariants: bounds change only by split and merge, replicas only by membership entries; each change raises the
//! generation; a replica id is never given twice within a range.

use quorate_engine::kv::{Key, Span};
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use crate::raft::GroupMembership;

/// Generation of a range that was made just now. The right side of a split has a higher one.
pub const NEW_GENERATION: u64 = 1;

/// What a range is, at one generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeDescriptor {
    /// The range.
    pub range_id: RangeId,
    /// The keys that it holds.
    pub span: Span,
    /// Its replicas, by replica id.
    pub replicas: Vec<ReplicaDescriptor>,
    /// Id of the next replica that is added.
    pub next_replica_id: ReplicaId,
    /// Raised by every change.
    pub generation: u64,
}

/// One replica of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaDescriptor {
    /// Its id, openraft's node id.
    pub replica_id: ReplicaId,
    /// The node that holds it.
    pub node_id: NodeId,
    /// Whether it votes.
    pub role: ReplicaRole,
}

impl ReplicaDescriptor {
    /// Whether it counts for the quorum.
    pub fn is_voter(&self) -> bool {
        match self.role {
            ReplicaRole::Voter => true,
            ReplicaRole::Learner => false,
        }
    }
}

/// Whether a replica counts for the quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaRole {
    /// Votes, and counts.
    Voter,
    /// Follows the log only.
    Learner,
}

impl RangeDescriptor {
    /// A new range over `span` with one voter on each of `nodes`, replica ids from 1, generation 1.
    pub fn new(range_id: RangeId, span: Span, nodes: &[NodeId]) -> Self {
        let replicas: Vec<_> = nodes
            .iter()
            .zip(1..)
            .map(|(&node_id, id)| ReplicaDescriptor {
                replica_id: ReplicaId(id),
                node_id,
                role: ReplicaRole::Voter,
            })
            .collect();
        let next_replica_id = ReplicaId(replicas.len() as u64 + 1);
        Self { range_id, span, replicas, next_replica_id, generation: NEW_GENERATION }
    }

    /// What an empty replica knows of its range until its first snapshot: no key, no replicas, generation 0, so that
    /// every other descriptor is newer.
    pub fn unknown(range_id: RangeId) -> Self {
        let nothing = Key::from(&b"\0"[..]);
        let span = Span::new(nothing.clone(), nothing);
        Self { range_id, span, replicas: Vec::new(), next_replica_id: ReplicaId(0), generation: 0 }
    }

    /// Whether this says anything about the range; see [`RangeDescriptor::unknown`].
    pub fn is_known(&self) -> bool {
        self.generation > 0
    }

    /// The replica on a node.
    pub fn replica_on(&self, node_id: NodeId) -> Option<&ReplicaDescriptor> {
        self.replicas.iter().find(|replica| replica.node_id == node_id)
    }

    /// The node of a replica.
    pub fn node_of(&self, replica_id: ReplicaId) -> Option<NodeId> {
        self.replicas.iter().find(|replica| replica.replica_id == replica_id).map(|replica| replica.node_id)
    }

    /// The descriptor once a membership entry is applied: its replicas, and a raised generation. A replica that votes in
    /// either half of a joint configuration is a voter.
    pub fn with_membership(&self, membership: &GroupMembership) -> Self {
        let votes = |id: &ReplicaId| membership.voters.iter().any(|voters| voters.contains(id));
        let replica = |(&replica_id, &node_id): (&ReplicaId, &NodeId)| {
            let role = if votes(&replica_id) { ReplicaRole::Voter } else { ReplicaRole::Learner };
            ReplicaDescriptor { replica_id, node_id, role }
        };
        let after_last = membership.nodes.keys().next_back().map_or(0, |last| last.0.saturating_add(1));
        Self {
            replicas: membership.nodes.iter().map(replica).collect(),
            next_replica_id: self.next_replica_id.max(ReplicaId(after_last)),
            generation: self.generation + 1,
            ..self.clone()
        }
    }

    /// Whether nothing of the range has changed since it was made for a new table: no split, no change of replicas.
    pub fn is_as_created(&self) -> bool {
        self.generation == NEW_GENERATION
    }

    /// Nodes of the replicas that vote, ascending.
    pub fn voter_nodes(&self) -> Vec<NodeId> {
        let mut nodes: Vec<_> = self.voters().map(|replica| replica.node_id).collect();
        nodes.sort_unstable();
        nodes
    }

    /// The replicas that vote.
    pub fn voters(&self) -> impl Iterator<Item = &ReplicaDescriptor> {
        self.replicas.iter().filter(|replica| replica.is_voter())
    }

    /// Nodes with a replica, ascending.
    pub fn nodes(&self) -> Vec<NodeId> {
        let mut nodes: Vec<_> = self.replicas.iter().map(|replica| replica.node_id).collect();
        nodes.sort_unstable();
        nodes
    }
}

#[cfg(test)]
mod tests {
    use quorate_engine::kv::Key;

    use super::*;

    #[test]
    fn membership_entries_change_replicas_and_never_bounds() {
        let span = Span::new(Key::from(&b"a"[..]), Key::from(&b"z"[..]));
        let before = RangeDescriptor::new(RangeId(7), span.clone(), &[NodeId(1), NodeId(2), NodeId(3)]);
        let voters = |ids: &[u64]| ids.iter().copied().map(ReplicaId).collect();
        let nodes = [(1, 1), (2, 2), (4, 9)].map(|(replica, node)| (ReplicaId(replica), NodeId(node)));
        let membership = GroupMembership { voters: vec![voters(&[1, 2]), voters(&[2])], nodes: nodes.into() };
        let after = before.with_membership(&membership);
        assert_eq!((after.span.clone(), after.generation, after.next_replica_id), (span, 2, ReplicaId(5)));
        let roles: Vec<_> =
            after.replicas.iter().map(|replica| (replica.replica_id.0, replica.role)).collect();
        assert_eq!(roles, [(1, ReplicaRole::Voter), (2, ReplicaRole::Voter), (4, ReplicaRole::Learner)]);
        // An id that was given once is not given again, whoever leaves.
        let fewer = GroupMembership { nodes: [(ReplicaId(2), NodeId(2))].into(), voters: vec![voters(&[2])] };
        assert_eq!(after.with_membership(&fewer).next_replica_id, ReplicaId(5));
    }
}
