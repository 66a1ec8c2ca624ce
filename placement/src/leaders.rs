//! Which leader moves next, so that every live node leads about as many ranges as the others.
//!
//! Think of a graph of the live nodes, with an edge from x to y where x leads a range that has a replica on y. A path
//! from a node u to a node v that leads at least two ranges fewer can be walked by moving one leader along every
//! edge, which takes one from u and gives one to v. Where no such path is left, no sequence of moves gives a better
//! spread; with a replica of every range on every node the counts then differ by at most one.
//!
//! Of the shortest such paths only the **last** edge is moved, and the next call looks again. That ends: on a shortest
//! path every node between leads exactly one range more than v (else a shorter path would do), so the move either
//! lowers the sum of the squares of the counts, or keeps it and leaves a path shorter by one.
//!
//! Draining nodes come first: each of their leaders goes to the live replica with the fewest leaders.
//!
//! Nothing is balanced while a range that has a quorum has no known leader, or one on a node that does not answer: it
//! will elect, nobody knows whom, and a move decided before might have to be undone after.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use crate::decision::{Candidate, Choice, Refusal, Rule, Score};
use crate::new_range::count;
use crate::topology::{NodeId, RangeId};
use crate::view::{Liveness, RangeView, View};

/// Most transfers under way at once: each costs its range a moment without a leader.
pub const TRANSFERS_PENDING_MAX: usize = 4;

/// One leader to hand over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferLeader {
    /// The range.
    pub range: RangeId,
    /// The node that leads it.
    pub from: NodeId,
    /// The node that is to lead it.
    pub to: NodeId,
    /// Why.
    pub reason: TransferReason,
}

/// Why a leader moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferReason {
    /// [`Rule::LeaderCount`] or [`Rule::Draining`].
    pub rule: Rule,
    /// The nodes from the one that leads too many ranges to the one that leads too few; this move is the last step.
    pub path: Vec<NodeId>,
    /// Why this replica among those of the range.
    pub choice: Choice,
}

impl fmt::Display for TransferLeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { range, from, to, reason } = self;
        write!(f, "{range} from {from} to {to}: {}", reason.rule)?;
        for (at, node) in reason.path.iter().enumerate() {
            write!(f, "{}{node}", if at == 0 { ", path " } else { ">" })?;
        }
        write!(f, "; {}", reason.choice)
    }
}

/// The next leader to move, or `None` where the leaders are as well spread as they can be, or where
/// [`TRANSFERS_PENDING_MAX`] transfers are under way.
///
/// A leader never goes to a node that is not live, was never heard or doubts its clock, or has no replica of the range, or a
/// damaged one.
/// Leaders of suspect and dead nodes are left alone: such a node does not answer, and its ranges elect by themselves.
pub fn next_leader_transfer(view: &View) -> Option<TransferLeader> {
    if view.pending_len() >= TRANSFERS_PENDING_MAX {
        return None;
    }
    drain_one(view).or_else(|| balance_one(view))
}

fn drain_one(view: &View) -> Option<TransferLeader> {
    movable(view).find_map(|(range, from)| {
        if view.liveness(from) != Liveness::Draining {
            return None;
        }
        let choice = choose_target(view, range, from)?;
        let reason = TransferReason { rule: Rule::Draining, path: vec![from, choice.node], choice };
        Some(TransferLeader { range: range.id, from, to: reason.choice.node, reason })
    })
}

fn balance_one(view: &View) -> Option<TransferLeader> {
    if view.ranges().any(|range| will_elect(view, range)) {
        return None;
    }
    let edges = Edges::of(view);
    let path = edges.shortest_path(view)?;
    let [.., from, _] = path.as_slice() else { return None };
    let from = *from;
    let to = path.last().copied()?;
    let range = view.range(edges.range_of(from, to)?)?;
    let choice = choose_target(view, range, from)?;
    assert!(
        choice.node == to,
        "the end of the best path leads the fewest ranges of all replicas of {}",
        range.id
    );
    let reason = TransferReason { rule: Rule::LeaderCount, path, choice };
    Some(TransferLeader { range: range.id, from, to, reason })
}

fn will_elect(view: &View, range: &RangeView) -> bool {
    let is_led = range.leader.is_some_and(|leader| view.liveness(leader).answers());
    !is_led && view.has_quorum(range)
}

/// The ranges that could be asked to hand over, with the node that leads them.
fn movable(view: &View) -> impl Iterator<Item = (&RangeView, NodeId)> {
    view.ranges().filter_map(|range| {
        let leader = range.leader?;
        (!view.is_moving(range.id) && range.is_on(leader)).then_some((range, leader))
    })
}

fn choose_target(view: &View, range: &RangeView, from: NodeId) -> Option<Choice> {
    let others = range.replicas.iter().map(|replica| replica.node).filter(|node| *node != from);
    let standing = |node: NodeId| match view.liveness(node) {
        _ if range.is_damaged(node) => Err(Refusal::Damaged),
        _ if !view.is_heard(node) => Err(Refusal::NeverHeard),
        _ if view.doubts_clock(node) => Err(Refusal::ClockInDoubt),
        Liveness::Live => Ok(Score::default().term(Rule::LeaderCount, count(view.load(node).leaders))),
        unable @ (Liveness::Suspect | Liveness::Dead | Liveness::Draining) => Err(Refusal::NotLive(unable)),
    };
    Choice::best(others.map(|node| Candidate { node, standing: standing(node) }).collect())
}

/// Which live node could hand a leader to which other, and the lowest range with which it could.
struct Edges {
    from: BTreeMap<NodeId, BTreeMap<NodeId, RangeId>>,
}

impl Edges {
    fn of(view: &View) -> Self {
        let is_live = |node: NodeId| view.liveness(node) == Liveness::Live;
        let mut from: BTreeMap<NodeId, BTreeMap<NodeId, RangeId>> = BTreeMap::new();
        for (range, leader) in movable(view).filter(|(_, leader)| is_live(*leader)) {
            let others = range.replicas.iter().map(|replica| replica.node);
            let able = |node: &NodeId| {
                let is_sound = !view.doubts_clock(*node) && !range.is_damaged(*node);
                is_live(*node) && view.is_heard(*node) && is_sound
            };
            for node in others.filter(|node| *node != leader).filter(able) {
                from.entry(leader).or_default().entry(node).or_insert(range.id);
            }
        }
        Self { from }
    }

    fn range_of(&self, from: NodeId, to: NodeId) -> Option<RangeId> {
        self.from.get(&from)?.get(&to).copied()
    }

    /// The shortest path to a node that leads at least two ranges fewer than the first; of several the one from the
    /// node with the most leaders to the one with the fewest, then by id.
    fn shortest_path(&self, view: &View) -> Option<Vec<NodeId>> {
        let leaders = |node: NodeId| view.load(node).leaders;
        let paths = self.from.keys().filter_map(|source| {
            let path = self.path_from(*source, &leaders)?;
            let end = path.last().copied()?;
            Some(((path.len(), usize::MAX - leaders(*source), leaders(end), *source), path))
        });
        paths.min_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, path)| path)
    }

    /// Breadth first from `source`: the nearest node with at least two leaders fewer, among equally near ones that
    /// with the fewest, then the lowest id.
    fn path_from(&self, source: NodeId, leaders: &impl Fn(NodeId) -> usize) -> Option<Vec<NodeId>> {
        let mut before: BTreeMap<NodeId, NodeId> = BTreeMap::new();
        let mut reached = BTreeSet::from([source]);
        let mut queue = VecDeque::from([(source, 0_usize)]);
        let mut best: Option<(usize, usize, NodeId)> = None;
        while let Some((node, distance)) = queue.pop_front() {
            if leaders(source) >= leaders(node) + 2 {
                let found = (distance, leaders(node), node);
                best = Some(best.map_or(found, |earlier| earlier.min(found)));
            }
            for next in self.from.get(&node).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(*next) {
                    before.insert(*next, node);
                    queue.push_back((*next, distance + 1));
                }
            }
        }
        best.map(|(_, _, end)| walk_back(&before, end))
    }
}

fn walk_back(before: &BTreeMap<NodeId, NodeId>, end: NodeId) -> Vec<NodeId> {
    let mut path = vec![end];
    let mut at = end;
    while let Some(node) = before.get(&at) {
        path.push(*node);
        at = *node;
    }
    path.reverse();
    path
}
