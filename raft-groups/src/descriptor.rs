//! The range descriptor: which keys a range holds and where its replicas are.
//!
//! Invariants: bounds change only by split and merge, replicas only by membership entries; each change raises the
//! generation; a replica id is never given twice within a range.

use quorate_engine::codec::check::{Broken, holds};
use quorate_engine::kv::{Key, Span};
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use crate::membership::GroupMembership;

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

    /// What must hold of a descriptor.
    ///
    /// # Errors
    /// The rule that does not.
    pub fn validate(&self) -> Result<(), Broken> {
        holds(self.range_id != RangeId(0), "range 0 is no range: under it lies what is the store's own")?;
        if !self.is_known() {
            return holds(
                *self == Self::unknown(self.range_id),
                "nothing is known of a range at generation 0",
            );
        }
        let ids = || self.replicas.iter().map(|replica| replica.replica_id);
        let ends_before_next = ids().next_back().is_none_or(|last| last < self.next_replica_id);
        holds(!self.span.is_empty(), "a range holds at least one key")?;
        holds(ids().all(|id| id != ReplicaId(0)), "replica 0 is no replica")?;
        holds(ids().is_sorted_by(|a, b| a < b), "the replicas of a range are in order, each id once")?;
        holds(ends_before_next, "the id of the next replica is above all that were given")?;
        let has_node = self.replicas.iter().all(|replica| replica.node_id != NodeId(0));
        holds(has_node, "each replica is on a node")
    }

    /// What must hold of a descriptor that comes after another one of the same range: what no change of bounds or replicas
    /// takes back.
    ///
    /// # Errors
    /// The rule that does not.
    pub fn follows(&self, before: &Self) -> Result<(), Broken> {
        holds(self.range_id == before.range_id, "a range keeps its id")?;
        holds(self.generation >= before.generation, "a range's generation only rises")?;
        let is_same = self.generation > before.generation || self == before;
        holds(is_same, "whatever changes a range raises its generation")?;
        holds(self.next_replica_id >= before.next_replica_id, "the id of a replica is never given twice")
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

    /// Who belongs to its group: one set of voters.
    pub fn membership(&self) -> GroupMembership {
        let voters = self.voters().map(|replica| replica.replica_id).collect();
        let nodes = self.replicas.iter().map(|replica| (replica.replica_id, replica.node_id)).collect();
        GroupMembership { voters: vec![voters], nodes }
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

    fn sound() -> RangeDescriptor {
        let span = Span::new(Key::from(&b"a"[..]), Key::from(&b"m"[..]));
        RangeDescriptor::new(RangeId(7), span, &[1, 2, 3].map(NodeId))
    }

    #[test]
    fn descriptor_is_sound_or_breaks_a_rule() {
        assert_eq!(sound().validate(), Ok(()));
        assert_eq!(RangeDescriptor::unknown(RangeId(7)).validate(), Ok(()));
        let changed = |change: fn(&mut RangeDescriptor)| {
            let mut descriptor = sound();
            change(&mut descriptor);
            descriptor
        };
        let broken = [
            changed(|descriptor| descriptor.range_id = RangeId(0)),
            changed(|descriptor| descriptor.generation = 0),
            changed(|descriptor| descriptor.span.end = Key::from(&b"a"[..])),
            changed(|descriptor| descriptor.next_replica_id = ReplicaId(3)),
            changed(|descriptor| descriptor.replicas.swap(0, 1)),
            changed(|descriptor| descriptor.replicas[1].replica_id = ReplicaId(1)),
            changed(|descriptor| descriptor.replicas[0].replica_id = ReplicaId(0)),
            changed(|descriptor| descriptor.replicas[2].node_id = NodeId(0)),
        ];
        for descriptor in broken {
            assert!(descriptor.validate().is_err(), "{descriptor:?}");
        }
    }

    #[test]
    fn descriptor_never_goes_back() {
        let before = RangeDescriptor { generation: 4, ..sound() };
        let later = RangeDescriptor { generation: 5, next_replica_id: ReplicaId(9), ..before.clone() };
        assert_eq!((before.follows(&before), later.follows(&before)), (Ok(()), Ok(())));
        assert!(before.follows(&later).is_err(), "an earlier one");
        assert!(
            RangeDescriptor { generation: 4, ..later.clone() }.follows(&before).is_err(),
            "changed in silence"
        );
        assert!(
            RangeDescriptor { generation: 6, ..before.clone() }.follows(&later).is_err(),
            "an id given twice"
        );
        assert!(RangeDescriptor { range_id: RangeId(8), ..later }.follows(&before).is_err(), "another range");
    }
}
