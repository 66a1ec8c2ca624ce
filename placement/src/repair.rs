//! Which ranges are short of replicas and why ([`shortages`]), and which replica is replaced or added next
//! ([`next_change`]).
//!
//! Only live and draining replicas answer, so only these count. A range can lack replicas altogether (it was made
//! while there were too few nodes) or have some on nodes that do not answer. A suspect node may come back, so only a
//! dead one's replicas are replaced. Where the others suffice without it, nothing takes its place. A replica that has met
//! damage on its disk is replaced as if its node were dead; where no other node can take it, it leaves first, and its node
//! then gets one anew.
//!
//! One change a range at a time, and never one without a quorum of answering voters: so whatever is decided here, a
//! range keeps its quorum while it is done. The node is chosen as for a new range, beside the replicas that stay.

use std::fmt;

use crate::decision::{Candidate, Choice, Refusal, Rule, Score};
use crate::new_range::{shuffled, spread_score};
use crate::topology::{Locality, NodeId, RangeId};
use crate::view::{Liveness, NodeView, RangeView, View};

/// Replicas that a node is given at a time: each is a snapshot that it takes in.
pub const CHANGES_PER_NODE_MAX: usize = 4;
/// Changes of replicas under way at once in the cluster.
pub const CHANGES_PENDING_MAX: usize = 16;
const _: () = assert!(CHANGES_PER_NODE_MAX <= CHANGES_PENDING_MAX);

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Too few replicas answer to make a quorum: the range serves nothing that needs one.
    NoQuorum,
    /// The range works; some of its replicas do not answer.
    ReplicaMissing,
    /// All of its replicas answer, but there are fewer than wanted.
    TooFew,
}

/// A range that is short of replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// The range.
    pub range: RangeId,
    /// How bad it is.
    pub severity: Severity,
    /// Replicas that its policy wants in this cluster.
    pub wanted: usize,
    /// Replicas that it has.
    pub replicas: usize,
    /// Replicas that answer.
    pub answering: usize,
    /// Nodes of the replicas that do not answer.
    pub missing: Vec<(NodeId, Liveness)>,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { range, severity, wanted, replicas, answering, missing } = self;
        match severity {
            Severity::NoQuorum => {
                write!(f, "{range} has no quorum: {answering} of its {replicas} replicas answer")?
            }
            Severity::ReplicaMissing => {
                write!(f, "{range} works with {answering} of its {replicas} replicas")?
            }
            Severity::TooFew => write!(f, "{range} has {replicas} of the {wanted} replicas wanted")?,
        }
        for (at, (node, liveness)) in missing.iter().enumerate() {
            write!(f, "{}{node} is {liveness}", if at == 0 { "; " } else { ", " })?;
        }
        Ok(())
    }
}

/// All ranges that are short of replicas, the worst first, then by id.
pub fn shortages(view: &View) -> Vec<Shortage> {
    let mut found: Vec<Shortage> = view.ranges().filter_map(|range| shortage(view, range)).collect();
    found.sort_by_key(|shortage| (shortage.severity, shortage.range));
    found
}

fn shortage(view: &View, range: &RangeView) -> Option<Shortage> {
    let nodes = range.replicas.iter().map(|replica| (replica.node, view.liveness(replica.node)));
    let missing: Vec<_> = nodes.filter(|(_, liveness)| !liveness.answers()).collect();
    let answering = range.replicas.len() - missing.len();
    let wanted = range.policy.replicas_wanted(view.nodes_that_count());
    let severity = if !view.has_quorum(range) {
        Severity::NoQuorum
    } else if !missing.is_empty() {
        Severity::ReplicaMissing
    } else if range.replicas.len() < wanted {
        Severity::TooFew
    } else {
        return None;
    };
    Some(Shortage { range: range.id, severity, wanted, replicas: range.replicas.len(), answering, missing })
}

/// A change of one range's replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaChange {
    /// The range.
    pub range: RangeId,
    /// The node that gets a replica; `None` where the others suffice.
    pub add: Option<NodeId>,
    /// The node that loses its replica; `None` where one is only added.
    pub remove: Option<NodeId>,
    /// [`Rule::Dead`], [`Rule::Damaged`] or [`Rule::TooFew`].
    pub rule: Rule,
    /// Why this node gets it.
    pub choice: Option<Choice>,
}

impl fmt::Display for ReplicaChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { range, rule, choice, .. } = self;
        match (self.remove, self.add) {
            (Some(from), Some(to)) => write!(f, "{range} from {from} to {to}: {rule}")?,
            (Some(from), None) if *rule == Rule::Damaged => {
                write!(f, "{range} leaves {from}: {rule}, and comes back anew")?;
            }
            (Some(from), None) => write!(f, "{range} leaves {from}: {rule}, and the others suffice")?,
            (None, Some(to)) => write!(f, "{range} also to {to}: {rule}")?,
            (None, None) => write!(f, "{range} stays as it is")?,
        }
        match choice {
            Some(choice) => write!(f, "; {choice}"),
            None => Ok(()),
        }
    }
}

/// What becomes of a range that is short of replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// It has all that it should have.
    Whole,
    /// A change is under way.
    UnderWay,
    /// This is done next.
    Next(ReplicaChange),
    /// Too few replicas answer to change anything.
    NoQuorum,
    /// Its replica on this node is damaged, and no other one that answers is sound.
    NoneSound(NodeId),
    /// The replica on this node is given up when the node is dead, not before.
    Waits(NodeId),
    /// The best node for its replica is given others first.
    Queued(NodeId),
    /// No node can take a replica; every node with the reason why not.
    NoNode(Vec<(NodeId, Refusal)>),
}

impl fmt::Display for Outlook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("has all its replicas"),
            Self::UnderWay => f.write_str("a change is under way"),
            Self::Next(change) => write!(f, "next: {change}"),
            Self::NoQuorum => f.write_str("needs a majority of its replicas back first"),
            Self::NoneSound(node) => {
                write!(
                    f,
                    "has a damaged replica on {node}, and no sound one answers from which it could be made anew"
                )
            }
            Self::Waits(node) => write!(f, "is repaired when {node} is dead; it may still return"),
            Self::Queued(node) => write!(f, "goes to {node} once that has taken others"),
            Self::NoNode(refused) => {
                f.write_str("no node can take a replica")?;
                for (at, (node, refusal)) in refused.iter().enumerate() {
                    write!(f, "{}{node}: {refusal}", if at == 0 { " (" } else { ", " })?;
                }
                f.write_str(if refused.is_empty() { "" } else { ")" })
            }
        }
    }
}

/// The next replica to replace or add, or `None` where nothing can be done now. Equal view and seed give equal answers;
/// the seed only breaks ties.
///
/// The range with the fewest answering replicas beyond its quorum goes first, then the lower id: range 1 before others.
pub fn next_change(view: &View, seed: u64) -> Option<ReplicaChange> {
    let under_way = view.changes().filter(|change| change.add.is_some() || change.remove.is_some());
    if under_way.count() >= CHANGES_PENDING_MAX {
        return None;
    }
    let spare = |range: &RangeView| answering(view, range).saturating_sub(range.quorum());
    let mut ranges: Vec<&RangeView> = view.ranges().collect();
    ranges.sort_by_key(|range| (spare(range), range.id));
    ranges.into_iter().find_map(|range| match outlook(view, range, seed) {
        Outlook::Next(change) => Some(change),
        Outlook::Whole
        | Outlook::UnderWay
        | Outlook::NoQuorum
        | Outlook::NoneSound(_)
        | Outlook::Waits(_)
        | Outlook::Queued(_)
        | Outlook::NoNode(_) => None,
    })
}

/// What becomes of a range.
pub fn outlook(view: &View, range: &RangeView, seed: u64) -> Outlook {
    if view.change_of(range.id).is_some() {
        return Outlook::UnderWay;
    }
    let wanted = range.policy.replicas_wanted(view.nodes_that_count());
    let on = |wanted: Liveness| {
        range.replicas.iter().map(|replica| replica.node).find(|node| view.liveness(*node) == wanted)
    };
    let dead = on(Liveness::Dead);
    let damaged = damaged(view, range).filter(|_| dead.is_none());
    let leaves = dead.or(damaged);
    if leaves.is_none() && range.replicas.len() >= wanted {
        return on(Liveness::Suspect).map_or(Outlook::Whole, Outlook::Waits);
    }
    if !view.has_quorum(range) {
        return Outlook::NoQuorum;
    }
    if let Some(node) = damaged.filter(|_| !has_sound(view, range)) {
        return Outlook::NoneSound(node);
    }
    let rule = match (dead, damaged) {
        (Some(_), _) => Rule::Dead,
        (None, Some(_)) => Rule::Damaged,
        (None, None) => Rule::TooFew,
    };
    let stays = range.replicas.len() - usize::from(leaves.is_some());
    let leave = |rule| ReplicaChange { range: range.id, add: None, remove: leaves, rule, choice: None };
    if stays >= wanted {
        return Outlook::Next(leave(rule));
    }
    let candidates = candidates(view, range, leaves, seed);
    let refused =
        candidates.iter().filter_map(|candidate| Some((candidate.node, *candidate.standing.as_ref().err()?)));
    let refused = refused.collect();
    match Choice::best(candidates) {
        // A worse node is not taken only because the best one is busy.
        Some(choice) if is_busy(view, choice.node) => Outlook::Queued(choice.node),
        Some(choice) => {
            let add = Some(choice.node);
            Outlook::Next(ReplicaChange { range: range.id, add, remove: leaves, rule, choice: Some(choice) })
        }
        // Its own node gets it anew, once it has left.
        None if damaged.is_some_and(|node| suffice_without(view, range, node)) => Outlook::Next(leave(rule)),
        None => Outlook::NoNode(refused),
    }
}

/// The first tier in which replicas would stand closer together if one moved between these localities, beside those
/// that stay; `None` where the spread stays as good as it is.
pub fn tier_lost(stays: &[Locality], from: &Locality, to: &Locality) -> Option<String> {
    let depths = from.tiers().len().max(to.tiers().len());
    let shared = |at: &Locality, depth| stays.iter().filter(|other| other.shares(at, depth)).count();
    for depth in 0..depths {
        let (before, after) = (shared(from, depth), shared(to, depth));
        if after != before {
            let tier = to.tiers().get(depth).or_else(|| from.tiers().get(depth));
            return tier.filter(|_| after > before).map(ToString::to_string);
        }
    }
    None
}

/// Replicas that answer, and can read all that they hold.
fn answering(view: &View, range: &RangeView) -> usize {
    range.replicas.iter().filter(|replica| is_sound(view, range, replica.node)).count()
}

fn is_sound(view: &View, range: &RangeView, node: NodeId) -> bool {
    view.liveness(node).answers() && !range.is_damaged(node)
}

fn has_sound(view: &View, range: &RangeView) -> bool {
    answering(view, range) > 0
}

/// The first node that answers, and whose replica is damaged.
fn damaged(view: &View, range: &RangeView) -> Option<NodeId> {
    let nodes = range.replicas.iter().map(|replica| replica.node);
    nodes.into_iter().find(|node| view.liveness(*node).answers() && range.is_damaged(*node))
}

/// Whether the others have a quorum among themselves, and one of them is sound.
fn suffice_without(view: &View, range: &RangeView, leaves: NodeId) -> bool {
    let others: Vec<NodeId> =
        range.replicas.iter().map(|replica| replica.node).filter(|node| *node != leaves).collect();
    let answering = others.iter().filter(|node| view.liveness(**node).answers()).count();
    answering > others.len() / 2 && others.iter().any(|node| is_sound(view, range, *node))
}

/// All nodes with their standing for a replica beside those of the range, apart from the one on `leaves`.
fn candidates(view: &View, range: &RangeView, leaves: Option<NodeId>, seed: u64) -> Vec<Candidate> {
    let stays = range.replicas.iter().map(|replica| replica.node).filter(|node| Some(*node) != leaves);
    let stays: Vec<&NodeView> = stays.filter_map(|node| view.node(node)).collect();
    let tiers = view.tier_names();
    let standing = |node: &NodeView| {
        refusal(range, node)?;
        let begun = match range.learners.as_slice() {
            [] => Score::default(),
            learners => Score::default().term(Rule::Begun, u64::from(!learners.contains(&node.id))),
        };
        Ok(spread_score(view, node, &stays, &tiers, begun).term(Rule::Tie, shuffled(seed, node.id)))
    };
    view.nodes().map(|node| Candidate { node: node.id, standing: standing(node) }).collect()
}

fn refusal(range: &RangeView, node: &NodeView) -> Result<(), Refusal> {
    if range.is_on(node.id) {
        return Err(Refusal::Taken);
    }
    if node.disk_is_full() {
        return Err(Refusal::DiskFull);
    }
    if !node.is_heard {
        return Err(Refusal::NeverHeard);
    }
    match node.liveness {
        Liveness::Live => Ok(()),
        unable @ (Liveness::Suspect | Liveness::Dead | Liveness::Draining) => Err(Refusal::NotLive(unable)),
    }
}

/// Whether a node is given as many replicas at a time as it may be.
fn is_busy(view: &View, node: NodeId) -> bool {
    view.changes().filter(|change| change.add == Some(node)).count() >= CHANGES_PER_NODE_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use crate::topology::ReplicaId;
    use crate::view::ReplicaView;

    #[test]
    fn repair_takes_nothing_from_a_node_that_is_not_registered_yet() {
        let nodes = (1..=3).map(|id| NodeView::live(NodeId(id), Locality::default())).collect();
        let on = [1, 3, 4].map(|node| ReplicaView { id: ReplicaId(node), node: NodeId(node) });
        let range = RangeView {
            id: RangeId(7),
            replicas: on.to_vec(),
            learners: Vec::new(),
            damaged: Vec::new(),
            leader: Some(NodeId(1)),
            size_bytes: 0,
            policy: Policy::default(),
        };
        let view = View::new(nodes, vec![range.clone()], Vec::new());
        // A person has moved a replica from n2 to n4, which joined a moment ago: it must not go back.
        assert_eq!(next_change(&view, 1), None);
        assert_eq!(outlook(&view, &range, 1), Outlook::Waits(NodeId(4)));
    }

    #[test]
    fn move_that_puts_two_replicas_in_one_zone_loses_a_tier() {
        let at = |text: &str| -> Locality { text.parse().unwrap() };
        let stays = [at("region=eu,zone=a"), at("region=eu,zone=b")];
        let lost = |from: &str, to: &str| tier_lost(&stays, &at(from), &at(to));
        assert_eq!(lost("region=eu,zone=c", "region=eu,zone=c"), None);
        assert_eq!(lost("region=eu,zone=c", "region=eu,zone=d"), None);
        assert_eq!(lost("region=eu,zone=c", "region=eu,zone=a"), Some("zone=a".to_owned()));
        assert_eq!(lost("region=us,zone=c", "region=eu,zone=d"), Some("region=eu".to_owned()));
        // A wider tier outweighs a narrower one.
        assert_eq!(lost("region=eu,zone=a", "region=us,zone=a"), None);
    }
}
