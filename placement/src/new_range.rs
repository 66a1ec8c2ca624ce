//! Where the replicas of a new range go, and which of them leads first.
//!
//! Replicas are chosen one after the other. A candidate's score is, heaviest first: live before suspect; how many of
//! the replicas chosen so far stand in the same tier, widest tier first; how many replicas it holds; an order from
//! the seed. Localities form a tree, on which this step-by-step choice finds the best spread there is (a property test
//! compares it with all combinations). The leader is the live replica's node that leads the fewest ranges.
//!
//! A node that was never heard is not used: it may not exist. A suspect node is used only to fill up, and only while the
//! live replicas stay a majority: the range works at once, and the suspect node catches up when it returns.

use std::fmt;

use crate::decision::{Candidate, Choice, Refusal, Rule, Score};
use crate::policy::Policy;
use crate::topology::NodeId;
use crate::view::{Liveness, NodeView, View};

/// A new range's nodes, and why these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRangeDecision {
    /// One node per replica, in the order chosen.
    pub replicas: Vec<NodeId>,
    /// The one of them whose replica is to be elected first.
    pub leader: NodeId,
    /// Why each replica's node was chosen, in the same order.
    pub replica_choices: Vec<Choice>,
    /// Why this leader.
    pub leader_choice: Choice,
    /// Set where there are fewer replicas than wanted.
    pub shortfall: Option<Shortfall>,
}

/// Fewer replicas than wanted, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// Replicas that the policy wants.
    pub wanted: usize,
    /// Replicas placed.
    pub placed: usize,
    /// The nodes that were refused; empty where there are no other nodes.
    pub refused: Vec<(NodeId, Refusal)>,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "placed {} of {} replicas: ", self.placed, self.wanted)?;
        if self.refused.is_empty() {
            return write!(f, "the cluster has no other node; start {} more", self.wanted - self.placed);
        }
        f.write_str("no other node can take one (")?;
        write_list(f, &self.refused)?;
        f.write_str(")")
    }
}

impl fmt::Display for NewRangeDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, choice) in self.replica_choices.iter().enumerate() {
            writeln!(f, "replica {}: {choice}", at + 1)?;
        }
        write!(f, "leader: {}", self.leader_choice)?;
        match &self.shortfall {
            Some(shortfall) => write!(f, "\nshort: {shortfall}"),
            None => Ok(()),
        }
    }
}

/// No node can take even one replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unplaceable {
    /// Every node with the reason why not; empty where there are no nodes.
    pub refused: Vec<(NodeId, Refusal)>,
}

impl fmt::Display for Unplaceable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.refused.is_empty() {
            return f.write_str("a new range cannot be placed: no node is registered");
        }
        f.write_str("a new range cannot be placed: no node can take a replica (")?;
        write_list(f, &self.refused)?;
        f.write_str("); bring a node back, free disk space, or start another node")
    }
}

impl std::error::Error for Unplaceable {}

fn write_list(f: &mut fmt::Formatter<'_>, refused: &[(NodeId, Refusal)]) -> fmt::Result {
    for (at, (node, refusal)) in refused.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        write!(f, "{comma}{node}: {refusal}")?;
    }
    Ok(())
}

/// Chooses the nodes of a new range. Equal view, policy and seed give equal answers; the seed only breaks ties.
///
/// With fewer usable nodes than wanted it takes what there is, and says so in
/// [`shortfall`](NewRangeDecision::shortfall).
///
/// # Errors
/// [`Unplaceable`] where no node can take a replica: none is live, or all disks are full.
pub fn place_new_range(view: &View, policy: &Policy, seed: u64) -> Result<NewRangeDecision, Unplaceable> {
    let wanted = policy.replicas_wanted(view.nodes().len());
    let mut replica_choices: Vec<Choice> = Vec::with_capacity(wanted);
    let mut chosen: Vec<&NodeView> = Vec::with_capacity(wanted);
    while chosen.len() < wanted {
        let Some(choice) = Choice::best(replica_candidates(view, &chosen, seed)) else { break };
        chosen.extend(view.node(choice.node));
        replica_choices.push(choice);
    }
    let Some(leader_choice) = Choice::best(leader_candidates(view, &chosen, seed)) else {
        return Err(Unplaceable { refused: refusals(view, &chosen) });
    };
    let shortfall = (chosen.len() < wanted).then(|| Shortfall {
        wanted,
        placed: chosen.len(),
        refused: refusals(view, &chosen),
    });
    let replicas = chosen.iter().map(|node| node.id).collect();
    Ok(NewRangeDecision { replicas, leader: leader_choice.node, replica_choices, leader_choice, shortfall })
}

fn replica_candidates(view: &View, chosen: &[&NodeView], seed: u64) -> Vec<Candidate> {
    let tiers = view.tier_names();
    let standing = |node| match refusal(node, chosen) {
        Some(refusal) => Err(refusal),
        None => Ok(replica_score(view, node, chosen, &tiers).term(Rule::Tie, shuffled(seed, node.id))),
    };
    view.nodes().map(|node| Candidate { node: node.id, standing: standing(node) }).collect()
}

fn refusal(node: &NodeView, chosen: &[&NodeView]) -> Option<Refusal> {
    if chosen.iter().any(|taken| taken.id == node.id) {
        return Some(Refusal::Taken);
    }
    if node.disk_is_full() {
        return Some(Refusal::DiskFull);
    }
    if !node.is_heard {
        return Some(Refusal::NeverHeard);
    }
    match node.liveness {
        Liveness::Live => None,
        Liveness::Suspect => {
            let live = chosen.iter().filter(|taken| taken.liveness == Liveness::Live).count();
            let is_majority = 2 * live > chosen.len() + 1;
            (!is_majority).then_some(Refusal::NoLiveMajority)
        }
        Liveness::Dead | Liveness::Draining => Some(Refusal::NotLive(node.liveness)),
    }
}

fn replica_score(view: &View, node: &NodeView, chosen: &[&NodeView], tiers: &[String]) -> Score {
    let liveness = Score::default().term(Rule::Liveness, u64::from(node.liveness != Liveness::Live));
    spread_score(view, node, chosen, tiers, liveness)
}

/// Adds what makes a good spread to a score: diversity, widest tier first, then how much the node holds.
pub(crate) fn spread_score(
    view: &View,
    node: &NodeView,
    chosen: &[&NodeView],
    tiers: &[String],
    mut score: Score,
) -> Score {
    for (depth, tier) in tiers.iter().enumerate() {
        let shared = chosen.iter().filter(|taken| taken.locality.shares(&node.locality, depth)).count();
        score = score.term(Rule::Diversity { tier: tier.clone() }, count(shared));
    }
    score.term(Rule::ReplicaCount, count(view.load(node.id).replicas))
}

fn leader_candidates(view: &View, chosen: &[&NodeView], seed: u64) -> Vec<Candidate> {
    let standing = |node: &NodeView| match node.liveness {
        Liveness::Live => {
            let leaders = count(view.load(node.id).leaders);
            Ok(Score::default().term(Rule::LeaderCount, leaders).term(Rule::Tie, shuffled(seed, node.id)))
        }
        Liveness::Suspect | Liveness::Dead | Liveness::Draining => Err(Refusal::NotLive(node.liveness)),
    };
    chosen.iter().map(|node| Candidate { node: node.id, standing: standing(node) }).collect()
}

/// Why each node that was not chosen could not be.
fn refusals(view: &View, chosen: &[&NodeView]) -> Vec<(NodeId, Refusal)> {
    let others = view.nodes().filter(|node| chosen.iter().all(|taken| taken.id != node.id));
    others.filter_map(|node| Some((node.id, refusal(node, chosen)?))).collect()
}

/// A count as a term of a score.
pub(crate) fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// An order of the nodes that depends on nothing but the seed: the finisher of SplitMix64 (Steele, Lea and Flood,
/// OOPSLA 2014) over both.
pub(crate) fn shuffled(seed: u64, node: NodeId) -> u64 {
    let mut mixed = seed.wrapping_add(node.0.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
