//! Properties of the decisions on random clusters, against naive references.

use proptest::prelude::*;

use super::Sim;
use crate::leaders::next_leader_transfer;
use crate::new_range::place_new_range;
use crate::policy::{Policy, REPLICAS_MAX};
use crate::repair::next_change;
use crate::topology::{Locality, NodeId, RangeId, ReplicaId};
use crate::view::{Liveness, NodeView, RangeView, ReplicaView, View};

/// Moves enough for any cluster made here: far more than ranges times the longest path.
const MOVES_MAX: usize = 2000;

fn locality() -> impl Strategy<Value = Locality> {
    (0..3_u8, 0..3_u8, 0..2_u8, 0..=3_usize).prop_map(|(region, zone, rack, tiers)| {
        let all = [format!("region={region}"), format!("zone={zone}"), format!("rack={rack}")];
        all[..tiers].join(",").parse().unwrap()
    })
}

fn liveness() -> impl Strategy<Value = Liveness> {
    prop_oneof![
        6 => Just(Liveness::Live),
        1 => Just(Liveness::Suspect),
        1 => Just(Liveness::Dead),
        1 => Just(Liveness::Draining),
    ]
}

fn nodes(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<NodeView>> {
    prop::collection::vec((locality(), liveness()), count).prop_map(|nodes| {
        let nodes = (1..).zip(nodes);
        let node = |(id, (locality, liveness))| NodeView { liveness, ..NodeView::live(NodeId(id), locality) };
        nodes.map(node).collect()
    })
}

/// A range with replicas on some of the nodes (by index), led by one of them.
fn range(
    id: u64,
    picks: &[prop::sample::Index],
    leader: &prop::sample::Index,
    nodes: &[NodeView],
) -> RangeView {
    let mut on: Vec<NodeId> = picks.iter().map(|pick| nodes[pick.index(nodes.len())].id).collect();
    on.sort();
    on.dedup();
    let leader = Some(on[leader.index(on.len())]);
    let replicas = on.into_iter().map(|node| ReplicaView { id: ReplicaId(node.0), node }).collect();
    RangeView {
        id: RangeId(id),
        replicas,
        learners: Vec::new(),
        damaged: Vec::new(),
        leader,
        size_bytes: 0,
        policy: Policy::default(),
    }
}

fn cluster() -> impl Strategy<Value = (Vec<NodeView>, Vec<RangeView>)> {
    let picks = (prop::collection::vec(any::<prop::sample::Index>(), 1..6), any::<prop::sample::Index>());
    (nodes(1..8), prop::collection::vec(picks, 0..30)).prop_map(|(nodes, picks)| {
        let ranges = (1..).zip(picks);
        let ranges = ranges.map(|(id, (on, leader))| range(id, &on, &leader, &nodes)).collect();
        (nodes, ranges)
    })
}

/// Pairs of nodes that share each tier, widest first: what diversity wants to be small, in this order.
fn shared_pairs(nodes: &[&NodeView]) -> Vec<usize> {
    let pairs = |depth| {
        let from =
            |at: usize| nodes[at + 1..].iter().filter(move |b| nodes[at].locality.shares(&b.locality, depth));
        (0..nodes.len()).map(|at| from(at).count()).sum()
    };
    (0..3).map(pairs).collect()
}

/// The least sharing of all ways to take `wanted` of `nodes`: tries every one of them.
fn least_sharing(nodes: &[&NodeView], wanted: usize) -> Vec<usize> {
    let sets = 0_u32..1 << nodes.len();
    let sets = sets.filter(|set| set.count_ones() as usize == wanted);
    let take =
        |set: u32| (0..nodes.len()).filter(|at| set >> at & 1 == 1).map(|at| nodes[at]).collect::<Vec<_>>();
    sets.map(|set| shared_pairs(&take(set))).min().unwrap()
}

/// The smallest sum of squares of leader counts that any assignment of leaders to live replicas reaches: tries all.
fn least_squares(view: &View) -> usize {
    let mut states = std::collections::BTreeSet::from([std::collections::BTreeMap::<NodeId, usize>::new()]);
    for range in view.ranges() {
        let live = range.replicas.iter().map(|r| r.node).filter(|n| view.liveness(*n) == Liveness::Live);
        let live: Vec<NodeId> = match range.leader {
            Some(_) => live.collect(),
            None => continue,
        };
        if live.is_empty() {
            continue;
        }
        let with = |state: &std::collections::BTreeMap<NodeId, usize>, node: NodeId| {
            let mut state = state.clone();
            *state.entry(node).or_default() += 1;
            state
        };
        states = states.iter().flat_map(|state| live.iter().map(|node| with(state, *node))).collect();
    }
    states.iter().map(|state| state.values().map(|count| count * count).sum()).min().unwrap_or(0)
}

fn squares(view: &View) -> usize {
    let live = view.nodes().filter(|node| node.liveness == Liveness::Live);
    live.map(|node| view.load(node.id).leaders.pow(2)).sum()
}

fn sim_of(nodes: Vec<NodeView>, ranges: Vec<RangeView>, seed: u64) -> Sim {
    let mut sim = Sim::new(seed);
    for node in nodes {
        sim.add_node(node.id, node.locality.clone());
        sim.nodes.insert(node.id, node);
    }
    ranges.into_iter().for_each(|range| sim.put_range(range));
    sim.elect();
    sim
}

proptest! {
    #[test]
    fn new_range_is_as_diverse_as_any_choice((nodes, ranges) in cluster(), wanted in 1..=REPLICAS_MAX, seed: u64) {
        let view = View::new(nodes.clone(), ranges, vec![]);
        let live: Vec<&NodeView> = nodes.iter().filter(|node| node.liveness == Liveness::Live).collect();
        let Ok(decision) = place_new_range(&view, &Policy::new(wanted).unwrap(), seed) else {
            prop_assert!(live.is_empty());
            return Ok(());
        };
        let chosen: Vec<&NodeView> = decision.replicas.iter().map(|id| view.node(*id).unwrap()).collect();
        let chosen_live: Vec<&NodeView> = chosen.iter().copied().filter(|n| n.liveness == Liveness::Live).collect();
        prop_assert_eq!(chosen_live.len(), wanted.min(live.len()), "live nodes first");
        prop_assert_eq!(shared_pairs(&chosen_live), least_sharing(&live, chosen_live.len()));
        prop_assert!(2 * chosen_live.len() > chosen.len(), "the live ones are a majority");
        prop_assert!(chosen.iter().all(|n| matches!(n.liveness, Liveness::Live | Liveness::Suspect)));
        prop_assert!(chosen_live.iter().any(|node| node.id == decision.leader));
        let distinct: std::collections::BTreeSet<_> = decision.replicas.iter().collect();
        prop_assert_eq!(distinct.len(), chosen.len());
        prop_assert_eq!(decision.shortfall.is_some(), chosen.len() < wanted);
    }

    #[test]
    fn new_ranges_on_as_many_nodes_as_replicas_keep_leaders_even(count in 1..=REPLICAS_MAX, ranges in 0..40_usize, seed: u64) {
        let mut sim = Sim::new(seed);
        (1..).map(NodeId).take(count).for_each(|id| sim.add_node(id, format!("zone={id}").parse().unwrap()));
        for _ in 0..ranges {
            sim.create_range(Policy::new(count).unwrap()).unwrap();
            let view = sim.view();
            let leaders = || view.nodes().map(|node| view.load(node.id).leaders);
            prop_assert!(leaders().max() <= leaders().min().map(|least| least + 1));
        }
        prop_assert_eq!(sim.settle(0), Ok(vec![]), "nothing to mend");
    }

    #[test]
    fn transfers_end_at_the_best_spread_there_is(cluster in cluster().prop_map(|(n, mut r)| { r.truncate(9); (n, r) })) {
        let (nodes, ranges) = cluster;
        let mut sim = sim_of(nodes, ranges, 0);
        let best = least_squares(&sim.view());
        prop_assert!(sim.settle(MOVES_MAX).is_ok(), "endless moves");
        prop_assert_eq!(squares(&sim.view()), best);
    }

    #[test]
    fn transfers_go_only_to_live_replicas_and_come_to_rest((nodes, ranges) in cluster()) {
        let mut sim = sim_of(nodes, ranges, 0);
        let mut moves = 0;
        loop {
            let before = sim.view();
            let Some(transfer) = sim.step() else { break };
            let range = before.range(transfer.range).unwrap();
            prop_assert_eq!(range.leader, Some(transfer.from));
            prop_assert!(range.is_on(transfer.to) && transfer.from != transfer.to);
            prop_assert_eq!(before.liveness(transfer.to), Liveness::Live);
            moves += 1;
            prop_assert!(moves <= MOVES_MAX, "endless moves");
        }
        prop_assert_eq!(next_leader_transfer(&sim.view()), None);
    }

    #[test]
    fn repair_changes_one_replica_at_a_time_and_keeps_quorums((nodes, ranges) in cluster(), seed: u64) {
        let mut sim = sim_of(nodes, ranges, seed);
        let mut changes = 0;
        loop {
            let before = sim.view();
            let Some(change) = sim.repair_step() else { break };
            let range = before.range(change.range).unwrap();
            prop_assert!(before.has_quorum(range));
            prop_assert!(change.remove.is_none_or(|node| range.is_on(node) && before.liveness(node) == Liveness::Dead));
            prop_assert!(change.add.is_none_or(|node| !range.is_on(node) && before.liveness(node) == Liveness::Live));
            prop_assert!(change.add.is_some() || change.remove.is_some());
            let after = sim.view();
            prop_assert!(after.has_quorum(after.range(change.range).unwrap()));
            changes += 1;
            prop_assert!(changes <= MOVES_MAX, "endless changes");
        }
    }

    #[test]
    fn repair_replaces_what_can_be_replaced((nodes, ranges) in cluster(), seed: u64) {
        let mut sim = sim_of(nodes, ranges, seed);
        let before = sim.view();
        prop_assert!(sim.repair(MOVES_MAX).is_ok(), "endless changes");
        let view = sim.view();
        for range in view.ranges().filter(|range| before.has_quorum(before.range(range.id).unwrap())) {
            let free = view.nodes().filter(|node| node.liveness == Liveness::Live && !range.is_on(node.id)).count();
            let dead = range.replicas.iter().filter(|replica| view.liveness(replica.node) == Liveness::Dead).count();
            let kept = range.replicas.len() - dead;
            prop_assert!(free == 0 || (dead == 0 && kept >= range.policy.replicas_wanted(view.nodes_that_count())));
        }
    }

    #[test]
    fn repair_chooses_a_node_as_diverse_as_any((nodes, ranges) in cluster(), seed: u64) {
        let view = sim_of(nodes, ranges, seed).view();
        let Some(change) = next_change(&view, seed) else { return Ok(()) };
        let Some(add) = change.add else { return Ok(()) };
        let range = view.range(change.range).unwrap();
        let stays: Vec<&NodeView> =
            range.replicas.iter().filter(|r| Some(r.node) != change.remove).filter_map(|r| view.node(r.node)).collect();
        let with = |node: NodeId| shared_pairs(&stays.iter().copied().chain(view.node(node)).collect::<Vec<_>>());
        let free = view.nodes().filter(|node| node.liveness == Liveness::Live && !range.is_on(node.id));
        prop_assert_eq!(with(add), free.map(|node| with(node.id)).min().unwrap());
    }

    #[test]
    fn leaders_end_even_after_kills_and_returns(seed: u64, events in prop::collection::vec((1..=4_u64, liveness()), 1..20)) {
        let mut sim = Sim::new(seed);
        (1..=4).map(NodeId).for_each(|id| sim.add_node(id, format!("zone={id}").parse().unwrap()));
        for _ in 0..16 {
            sim.create_range(Policy::new(4).unwrap()).unwrap();
        }
        for (node, liveness) in events {
            sim.set_liveness(NodeId(node), liveness);
            prop_assert!(sim.settle(MOVES_MAX).is_ok());
        }
        (1..=4).for_each(|node| sim.set_liveness(NodeId(node), Liveness::Live));
        prop_assert!(sim.settle(MOVES_MAX).is_ok());
        let view = sim.view();
        let counts: Vec<usize> = view.nodes().map(|node| view.load(node.id).leaders).collect();
        prop_assert_eq!(counts, vec![4; 4]);
    }
}
