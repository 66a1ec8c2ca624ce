//! A cluster in memory that does what the decisions say.
//!
//! There is no network and no time: a step is one decision carried out at once, or an event that befalls a node. What
//! Raft would do by itself is done in the simplest way: a range whose leader's node stops answering elects another
//! live replica while a majority answers, and one without a majority has no leader until it is back.

use std::collections::BTreeMap;

use crate::leaders::{TransferLeader, next_leader_transfer};
use crate::new_range::{NewRangeDecision, Unplaceable, place_new_range, shuffled};
use crate::policy::Policy;
use crate::repair::{ReplicaChange, next_change};
use crate::topology::{Locality, NodeId, RangeId, ReplicaId};
use crate::view::{Liveness, NodeView, PendingChange, PendingTransfer, RangeView, ReplicaView, View};

#[cfg(test)]
mod properties;
#[cfg(test)]
mod script;

/// A simulated cluster. Equal seeds and equal calls give equal runs.
#[derive(Clone, Debug, Default)]
pub struct Sim {
    nodes: BTreeMap<NodeId, NodeView>,
    ranges: BTreeMap<RangeId, RangeView>,
    pending: Vec<PendingTransfer>,
    changes: Vec<PendingChange>,
    seed: u64,
    elections: u64,
}

impl Sim {
    /// A cluster without nodes.
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Adds a live node.
    pub fn add_node(&mut self, id: NodeId, locality: Locality) {
        self.nodes.insert(id, NodeView::live(id, locality));
    }

    /// Says how much of a node's disk is used.
    pub fn set_disk(&mut self, id: NodeId, used_bytes: u64, total_bytes: u64) {
        if let Some(node) = self.nodes.get_mut(&id) {
            (node.disk_used_bytes, node.disk_total_bytes) = (used_bytes, total_bytes);
        }
    }

    /// Changes what is believed about a node, and lets the ranges elect where that is needed.
    pub fn set_liveness(&mut self, id: NodeId, liveness: Liveness) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.liveness = liveness;
        }
        self.elect();
    }

    /// From now on nothing was ever heard of this node.
    pub fn set_never_heard(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.is_heard = false;
        }
    }

    /// From now on this node says that its clock is wrong.
    pub fn set_clock_in_doubt(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.doubts_clock = true;
        }
    }

    /// Puts a range where the caller wants it, whatever the rules say.
    pub fn put_range(&mut self, range: RangeView) {
        self.ranges.insert(range.id, range);
    }

    /// Marks a transfer as under way without carrying it out.
    pub fn put_pending(&mut self, transfer: PendingTransfer) {
        self.pending.push(transfer);
    }

    /// Marks a change of replicas as under way without carrying it out.
    pub fn put_change(&mut self, change: PendingChange) {
        self.changes.push(change);
    }

    /// Says on which node a learner of a range was left behind.
    pub fn put_learner(&mut self, range: RangeId, node: NodeId) {
        if let Some(range) = self.ranges.get_mut(&range) {
            range.learners.push(node);
        }
    }

    /// Makes a range as the rules say.
    ///
    /// # Errors
    /// [`Unplaceable`] as from [`place_new_range`].
    pub fn create_range(&mut self, policy: Policy) -> Result<(RangeId, NewRangeDecision), Unplaceable> {
        let id = RangeId(self.ranges.keys().next_back().map_or(1, |last| last.0 + 1));
        let decision = place_new_range(&self.view(), &policy, self.seed.wrapping_add(id.0))?;
        let replicas = (1..).zip(&decision.replicas);
        let replicas = replicas.map(|(id, node)| ReplicaView { id: ReplicaId(id), node: *node }).collect();
        let (learners, leader) = (Vec::new(), Some(decision.leader));
        self.put_range(RangeView {
            id,
            replicas,
            learners,
            damaged: Vec::new(),
            leader,
            size_bytes: 0,
            policy,
        });
        Ok((id, decision))
    }

    /// Carries out the next transfer of a leader, if there is one.
    pub fn step(&mut self) -> Option<TransferLeader> {
        let transfer = next_leader_transfer(&self.view())?;
        if let Some(range) = self.ranges.get_mut(&transfer.range) {
            range.leader = Some(transfer.to);
        }
        Some(transfer)
    }

    /// Steps until nothing is left to do; `Err` with the moves made so far if that takes more than `moves_max`.
    ///
    /// # Errors
    /// The moves made, where the cluster did not come to rest.
    pub fn settle(&mut self, moves_max: usize) -> Result<Vec<TransferLeader>, Vec<TransferLeader>> {
        let mut moves = Vec::new();
        while let Some(transfer) = self.step() {
            moves.push(transfer);
            if moves.len() > moves_max {
                return Err(moves);
            }
        }
        Ok(moves)
    }

    /// Carries out the next change of replicas, if there is one.
    pub fn repair_step(&mut self) -> Option<ReplicaChange> {
        let change = next_change(&self.view(), self.seed)?;
        if let Some(range) = self.ranges.get_mut(&change.range) {
            range.replicas.retain(|replica| Some(replica.node) != change.remove);
            range.damaged.retain(|node| Some(*node) != change.remove);
            range.learners.retain(|node| Some(*node) != change.add);
            let id = range.replicas.iter().map(|replica| replica.id.0).max().map_or(1, |last| last + 1);
            range.replicas.extend(change.add.map(|node| ReplicaView { id: ReplicaId(id), node }));
        }
        self.elect();
        Some(change)
    }

    /// Carries out changes of replicas until nothing is left to do; `Err` with those made so far if that takes more
    /// than `changes_max`.
    ///
    /// # Errors
    /// The changes made, where the cluster did not come to rest.
    pub fn repair(&mut self, changes_max: usize) -> Result<Vec<ReplicaChange>, Vec<ReplicaChange>> {
        let mut changes = Vec::new();
        while let Some(change) = self.repair_step() {
            changes.push(change);
            if changes.len() > changes_max {
                return Err(changes);
            }
        }
        Ok(changes)
    }

    /// The cluster as the rules see it now.
    pub fn view(&self) -> View {
        let nodes = self.nodes.values().cloned().collect();
        View::new(nodes, self.ranges.values().cloned().collect(), self.pending.clone())
            .with_changes(self.changes.clone())
    }

    /// Gives each range a leader that answers, where a majority of its replicas does.
    fn elect(&mut self) {
        let view = self.view();
        let answers = |node: NodeId| view.liveness(node).answers();
        for range in self.ranges.values_mut() {
            let able: Vec<NodeId> =
                range.replicas.iter().map(|replica| replica.node).filter(|n| answers(*n)).collect();
            if able.len() < range.quorum() {
                range.leader = None;
                continue;
            }
            let may_lead = |node: NodeId| answers(node) && range.is_on(node) && !range.is_damaged(node);
            if range.leader.is_some_and(may_lead) {
                continue;
            }
            self.elections += 1;
            let draw = self.seed.wrapping_add(self.elections);
            range.leader = able.into_iter().min_by_key(|node| (!may_lead(*node), shuffled(draw, *node)));
        }
    }
}
