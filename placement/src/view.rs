//! The cluster as an allocator sees it at one moment: nodes, ranges, and moves under way.
//!
//! A view never changes. Counts of replicas and leaders are not reported by anyone: they are counted here, from the
//! ranges, with the pending moves taken as done, so that a move is not decided twice. A range that was just placed
//! belongs in the view at once, with its first leader as leader, though that one may not be elected yet.

use std::collections::BTreeMap;
use std::fmt;

use crate::policy::Policy;
use crate::topology::{Locality, NodeId, RangeId, ReplicaId};

/// A disk with this much of it used (in thousandths) gets no new replica: compaction needs the rest.
pub const DISK_FULL_PER_MILLE: u64 = 950;

/// What is believed about a node, from its reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Liveness {
    /// Reports in time.
    Live,
    /// Missed some reports: it may come back, so nothing is replaced, and no leader goes there.
    Suspect,
    /// Missed so many reports that its replicas are to be replaced.
    Dead,
    /// Asked to leave: gets nothing new and hands over its leaders.
    Draining,
}

impl Liveness {
    /// Whether the node answers: its replicas count for a quorum, and its leaders lead.
    pub fn answers(self) -> bool {
        match self {
            Self::Live | Self::Draining => true,
            Self::Suspect | Self::Dead => false,
        }
    }
}

impl fmt::Display for Liveness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "live",
            Self::Suspect => "suspect",
            Self::Dead => "dead",
            Self::Draining => "draining",
        })
    }
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// Its id.
    pub id: NodeId,
    /// Where it stands.
    pub locality: Locality,
    /// Whether it can be counted on.
    pub liveness: Liveness,
    /// Whether it has reported to whoever made this view. One that never has may not exist: it gets nothing, and does
    /// not count where a range wants as many replicas as there are nodes.
    pub is_heard: bool,
    /// Whether it says that its clock is too far from those of most others: it serves no clients and can do nothing by
    /// itself with tables, so that it leads range 1 badly; what it has of other ranges works.
    pub doubts_clock: bool,
    /// Bytes used on its disk, by whomever.
    pub disk_used_bytes: u64,
    /// Size of its disk in bytes; 0 where it is not known, and then it is never full.
    pub disk_total_bytes: u64,
}

impl NodeView {
    /// A live node of which no disk is known.
    pub fn live(id: NodeId, locality: Locality) -> Self {
        let liveness = Liveness::Live;
        let (is_heard, doubts_clock) = (true, false);
        Self { id, locality, liveness, is_heard, doubts_clock, disk_used_bytes: 0, disk_total_bytes: 0 }
    }

    /// Whether its disk takes no new replica.
    pub fn disk_is_full(&self) -> bool {
        let used = u128::from(self.disk_used_bytes) * 1000;
        let full = u128::from(self.disk_total_bytes) * u128::from(DISK_FULL_PER_MILLE);
        self.disk_total_bytes > 0 && used >= full
    }
}

/// One replica of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaView {
    /// Its id within the range.
    pub id: ReplicaId,
    /// The node that holds it.
    pub node: NodeId,
}

/// One range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeView {
    /// Its id.
    pub id: RangeId,
    /// Its voters.
    pub replicas: Vec<ReplicaView>,
    /// Nodes of its learners: replicas that were added and do not vote yet, or of which nobody takes care any more.
    pub learners: Vec<NodeId>,
    /// Nodes whose replica of it has met damage on its disk: it counts for a quorum, must not lead, and is replaced.
    pub damaged: Vec<NodeId>,
    /// The node whose replica leads; `None` while there is no leader or nobody knows it.
    pub leader: Option<NodeId>,
    /// Bytes of its data, about.
    pub size_bytes: u64,
    /// What is wanted of it.
    pub policy: Policy,
}

impl RangeView {
    /// Whether one of its replicas is on this node.
    pub fn is_on(&self, node: NodeId) -> bool {
        self.replicas.iter().any(|replica| replica.node == node)
    }

    /// Whether the replica on this node cannot read all that it holds.
    pub fn is_damaged(&self, node: NodeId) -> bool {
        self.damaged.contains(&node)
    }

    /// Replicas that make a quorum.
    pub fn quorum(&self) -> usize {
        self.replicas.len() / 2 + 1
    }
}

/// A hand-over of a leader that was decided and is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingTransfer {
    /// The range.
    pub range: RangeId,
    /// The node that is to lead it.
    pub to: NodeId,
}

/// A change of a range's replicas that was decided and is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingChange {
    /// The range.
    pub range: RangeId,
    /// The node that gets a replica, if one does.
    pub add: Option<NodeId>,
    /// The node that loses its replica, if one does.
    pub remove: Option<NodeId>,
}

/// What a node carries, with pending moves taken as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Replicas on it.
    pub replicas: usize,
    /// Ranges that it leads.
    pub leaders: usize,
}

/// The cluster at one moment.
#[derive(Clone, Debug, Default)]
pub struct View {
    nodes: BTreeMap<NodeId, NodeView>,
    ranges: BTreeMap<RangeId, RangeView>,
    pending: BTreeMap<RangeId, NodeId>,
    changes: BTreeMap<RangeId, PendingChange>,
    loads: BTreeMap<NodeId, Load>,
}

impl View {
    /// A view of these nodes and ranges. Of two entries with one id the later counts.
    pub fn new(nodes: Vec<NodeView>, ranges: Vec<RangeView>, pending: Vec<PendingTransfer>) -> Self {
        let mut view = Self {
            nodes: nodes.into_iter().map(|node| (node.id, node)).collect(),
            ranges: ranges.into_iter().map(|range| (range.id, range)).collect(),
            pending: pending.into_iter().map(|transfer| (transfer.range, transfer.to)).collect(),
            changes: BTreeMap::new(),
            loads: BTreeMap::new(),
        };
        view.loads = view.count_loads();
        view
    }

    /// The same view with these changes of replicas under way.
    #[must_use]
    pub fn with_changes(mut self, changes: Vec<PendingChange>) -> Self {
        self.changes = changes.into_iter().map(|change| (change.range, change)).collect();
        self.loads = self.count_loads();
        self
    }

    fn count_loads(&self) -> BTreeMap<NodeId, Load> {
        let mut loads: BTreeMap<NodeId, Load> = self.nodes.keys().map(|id| (*id, Load::default())).collect();
        for range in self.ranges.values() {
            for replica in &range.replicas {
                loads.entry(replica.node).or_default().replicas += 1;
            }
            if let Some(leader) = self.leader_to_be(range) {
                loads.entry(leader).or_default().leaders += 1;
            }
        }
        for node in self.changes.values().filter_map(|change| change.add) {
            loads.entry(node).or_default().replicas += 1;
        }
        loads
    }

    /// The nodes, by id.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &NodeView> {
        self.nodes.values()
    }

    /// The ranges, by id.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = &RangeView> {
        self.ranges.values()
    }

    /// A node by id.
    pub fn node(&self, id: NodeId) -> Option<&NodeView> {
        self.nodes.get(&id)
    }

    /// A range by id.
    pub fn range(&self, id: RangeId) -> Option<&RangeView> {
        self.ranges.get(&id)
    }

    /// What is believed about a node. One that is not registered is suspect, never dead: it may have joined a moment ago,
    /// and whoever made this view has not heard of it yet.
    pub fn liveness(&self, id: NodeId) -> Liveness {
        self.node(id).map_or(Liveness::Suspect, |node| node.liveness)
    }

    /// Whether a node has reported to whoever made this view.
    pub fn is_heard(&self, id: NodeId) -> bool {
        self.node(id).is_some_and(|node| node.is_heard)
    }

    /// Whether a node says that its clock is wrong.
    pub fn doubts_clock(&self, id: NodeId) -> bool {
        self.node(id).is_some_and(|node| node.doubts_clock)
    }

    /// What a node carries.
    pub fn load(&self, id: NodeId) -> Load {
        self.loads.get(&id).copied().unwrap_or_default()
    }

    /// The node that leads the range once its pending transfer, if it has one, is done.
    pub fn leader_to_be(&self, range: &RangeView) -> Option<NodeId> {
        self.pending.get(&range.id).copied().or(range.leader)
    }

    /// Whether enough replicas of the range answer to make a quorum.
    pub fn has_quorum(&self, range: &RangeView) -> bool {
        let answering = range.replicas.iter().filter(|replica| self.liveness(replica.node).answers());
        answering.count() >= range.quorum()
    }

    /// Whether the leader of this range is about to change, or has to stay until its replicas have.
    pub fn is_moving(&self, range: RangeId) -> bool {
        self.pending.contains_key(&range) || self.changes.contains_key(&range)
    }

    /// The change of this range's replicas that is under way.
    pub fn change_of(&self, range: RangeId) -> Option<&PendingChange> {
        self.changes.get(&range)
    }

    /// The changes of replicas that are under way, by range.
    pub fn changes(&self) -> impl ExactSizeIterator<Item = &PendingChange> {
        self.changes.values()
    }

    /// Nodes that were heard and are not given up: those that count when a range wants as many replicas as there are
    /// nodes.
    pub fn nodes_that_count(&self) -> usize {
        self.nodes.values().filter(|node| node.is_heard && node.liveness != Liveness::Dead).count()
    }

    /// Transfers under way.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The names of the tiers, widest first, as the node with the most of them has them.
    pub fn tier_names(&self) -> Vec<String> {
        let longest = self.nodes.values().max_by_key(|node| node.locality.tiers().len());
        longest.map_or_else(Vec::new, |node| {
            node.locality.tiers().iter().map(|tier| tier.name.clone()).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(id: u64, on: [u64; 2], leader: u64) -> RangeView {
        let replicas = on.map(|node| ReplicaView { id: ReplicaId(node), node: NodeId(node) }).to_vec();
        let leader = Some(NodeId(leader));
        let policy = Policy::default();
        let (learners, damaged) = (Vec::new(), Vec::new());
        RangeView { id: RangeId(id), replicas, learners, damaged, leader, size_bytes: 0, policy }
    }

    #[test]
    fn view_counts_with_pending_transfers_done() {
        let nodes = (1..=2).map(|id| NodeView::live(NodeId(id), Locality::default())).collect();
        let pending = vec![PendingTransfer { range: RangeId(8), to: NodeId(2) }];
        let view =
            View::new(nodes, vec![range(7, [1, 2], 1), range(8, [1, 2], 1), range(9, [1, 3], 1)], pending);
        assert_eq!(view.load(NodeId(1)), Load { replicas: 3, leaders: 2 });
        assert_eq!(view.load(NodeId(2)), Load { replicas: 2, leaders: 1 });
        assert_eq!(view.load(NodeId(3)), Load { replicas: 1, leaders: 0 });
        assert_eq!(view.liveness(NodeId(3)), Liveness::Suspect, "not registered");
    }

    #[test]
    fn disk_is_full_from_its_mark_on_and_never_when_unknown() {
        let mut node = NodeView::live(NodeId(1), Locality::default());
        assert!(!node.disk_is_full());
        (node.disk_used_bytes, node.disk_total_bytes) = (949, 1000);
        assert!(!node.disk_is_full());
        node.disk_used_bytes = 950;
        assert!(node.disk_is_full());
        (node.disk_used_bytes, node.disk_total_bytes) = (u64::MAX, u64::MAX);
        assert!(node.disk_is_full(), "no overflow");
    }
}
