//! Who belongs to a group, and which of them are a quorum; without openraft's types.

use std::collections::{BTreeMap, BTreeSet};

use quorate_engine::codec::check::{Broken, holds};
use quorate_placement::topology::{NodeId, ReplicaId};

/// Who belongs to a group. Two sets of voters while a change is under way (joint consensus), else one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupMembership {
    /// The sets of voters.
    pub voters: Vec<BTreeSet<ReplicaId>>,
    /// All replicas, learners too, with their nodes.
    pub nodes: BTreeMap<ReplicaId, NodeId>,
}

impl GroupMembership {
    /// What must hold of a membership; the empty one is that of a replica that knows nothing yet.
    ///
    /// # Errors
    /// The rule that does not.
    pub fn validate(&self) -> Result<(), Broken> {
        let mut voters = self.voters.iter().flatten();
        holds(self.voters.len() <= 2, "at most two sets of voters decide together")?;
        // A voter without a node could never be reached, and openraft refuses such a membership.
        holds(voters.all(|voter| self.nodes.contains_key(voter)), "each voter has a node")
    }

    /// The newest stamp that a quorum of every set of voters has reached; `None` where a quorum has none at all.
    pub fn quorum_newest(&self, stamps: &dyn Fn(ReplicaId) -> Option<u64>) -> Option<u64> {
        self.voters.iter().map(|voters| set_newest(voters, stamps)).reduce(Option::min).flatten()
    }

    /// A voter that could never be reached; openraft refuses such a membership.
    pub(crate) fn voter_without_node(&self) -> Option<ReplicaId> {
        self.voters.iter().flatten().copied().find(|voter| !self.nodes.contains_key(voter))
    }

    /// Whether a change is under way.
    pub fn is_joint(&self) -> bool {
        self.voters.len() > 1
    }

    /// Whether one replica alone is the quorum.
    pub fn is_single_voter(&self) -> bool {
        self.voters.iter().all(|voters| voters.len() == 1)
    }
}

/// The newest stamp that a majority of one set has reached.
fn set_newest(voters: &BTreeSet<ReplicaId>, stamps: &dyn Fn(ReplicaId) -> Option<u64>) -> Option<u64> {
    let mut newest: Vec<Option<u64>> = voters.iter().map(|&voter| stamps(voter)).collect();
    newest.sort_unstable_by(|left, right| right.cmp(left));
    newest.get(voters.len() / 2).copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn membership(sets: &[&[u64]]) -> GroupMembership {
        let voters = sets.iter().map(|set| set.iter().copied().map(ReplicaId).collect()).collect();
        GroupMembership { voters, nodes: BTreeMap::new() }
    }

    fn newest(sets: &[&[u64]], stamps: &[(u64, u64)]) -> Option<u64> {
        let stamps: BTreeMap<_, _> = stamps.iter().copied().collect();
        membership(sets).quorum_newest(&|replica| stamps.get(&replica.0).copied())
    }

    #[test]
    fn quorum_of_one_set_is_its_median() {
        assert_eq!(newest(&[&[1, 2, 3]], &[(1, 30), (2, 20), (3, 10)]), Some(20));
        assert_eq!(newest(&[&[1, 2, 3]], &[(1, 30), (3, 10)]), Some(10));
        assert_eq!(newest(&[&[1, 2, 3]], &[(1, 30)]), None);
        assert_eq!(newest(&[&[1]], &[(1, 30)]), Some(30));
        // Of four, three are a majority; of five too.
        assert_eq!(newest(&[&[1, 2, 3, 4]], &[(1, 40), (2, 30), (3, 20), (4, 10)]), Some(20));
        assert_eq!(newest(&[&[1, 2, 3, 4, 5]], &[(1, 50), (2, 40), (3, 30)]), Some(30));
    }

    #[test]
    fn quorum_of_joint_sets_is_the_older_of_both() {
        let stamps = [(1, 50), (2, 40), (3, 30), (4, 20), (5, 10)];
        assert_eq!(newest(&[&[1, 2, 3], &[3, 4, 5]], &stamps), Some(20));
        assert_eq!(newest(&[&[1, 2, 3], &[4, 5]], &[(1, 50), (2, 40), (4, 20)]), None);
    }

    #[test]
    fn learners_do_not_count() {
        assert_eq!(newest(&[&[1, 2, 3]], &[(1, 30), (7, 99), (8, 99)]), None);
    }

    #[test]
    fn no_voters_no_quorum() {
        assert_eq!(newest(&[], &[(1, 30)]), None);
        assert_eq!(newest(&[&[]], &[(1, 30)]), None);
    }
}
