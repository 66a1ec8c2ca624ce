//! Clocks that are too far apart, or soon will be: how far, of whom, and whose machine has to be mended.

use quorate_placement::topology::NodeId;
use quorate_raft_groups::clock_guard::CLOCK_TRUSTED_MAX_MS;
use quorate_raft_groups::cluster::status::{ClusterStatus, NodeStatus, PeerClock};

use super::{Finding, Severity, node_of};

/// A node that is further than this from most others is told about, though it serves: half of what is allowed. Time
/// synchronisation that works keeps machines within some milliseconds.
const NOTICED_MS: u64 = CLOCK_TRUSTED_MAX_MS / 2;
const _: () = assert!(NOTICED_MS < CLOCK_TRUSTED_MAX_MS);

/// One line: how far the clocks are apart, and how far they may be; nothing where none was measured.
pub(in crate::status) fn summary(status: &ClusterStatus) -> String {
    let of_node = |node: &NodeStatus| {
        let id = node.record.node_id;
        node.clocks.clone().into_iter().map(move |clock| (clock.ahead_ms, id, clock.node_id))
    };
    let widest = status.nodes.iter().flat_map(of_node).max_by_key(|(ahead, ..)| ahead.unsigned_abs());
    let Some((ahead, node, peer)) = widest else { return String::new() };
    if ahead == 0 {
        return format!("clocks: less than 1 ms apart, {CLOCK_TRUSTED_MAX_MS} ms are allowed\n");
    }
    let (first, second) = if ahead > 0 { (peer, node) } else { (node, peer) };
    format!(
        "clocks: {} ms apart at most ({first} is ahead of {second}), {CLOCK_TRUSTED_MAX_MS} ms are allowed\n",
        ahead.unsigned_abs()
    )
}

/// Nodes that serve no clients because of their clocks.
pub(super) fn doubted(status: &ClusterStatus) -> Option<Finding> {
    let wrong = wrong(status);
    let is_told = |node: &&NodeStatus| wrong.iter().any(|(id, _)| *id == node.record.node_id);
    let others = status.nodes.iter().filter(|node| !is_told(node));
    let doubts = others.filter_map(|node| Some((node.record.node_id, node.clock_doubt.as_deref()?)));
    let mut lines: Vec<String> = wrong.iter().map(|(id, ahead)| off_line(status, *id, *ahead)).collect();
    let mut nodes: Vec<NodeId> = wrong.iter().map(|(id, _)| *id).collect();
    for (id, doubt) in doubts {
        lines.push(format!("{id}  {doubt}"));
        nodes.push(id);
    }
    (!lines.is_empty()).then(|| Finding {
        kind: "clocks_doubted",
        severity: Severity::Degraded,
        title: format!(
            "clocks more than {CLOCK_TRUSTED_MAX_MS} ms from the others; these nodes serve no clients"
        ),
        lines,
        steps: nodes
            .iter()
            .map(|id| {
                format!("mend the time synchronisation of {id}'s machine; it serves again by itself then")
            })
            .collect(),
    })
}

/// Nodes that serve, and whose clocks are on their way out of what is allowed.
pub(super) fn drifting(status: &ClusterStatus) -> Option<Finding> {
    let wrong = wrong(status);
    let is_drifting = |node: &&NodeStatus| {
        let is_wrong = wrong.iter().any(|(id, _)| *id == node.record.node_id);
        !is_wrong && node.clock_doubt.is_none() && off(node).len() * 2 > node.clocks.len()
    };
    let nodes: Vec<&NodeStatus> = status.nodes.iter().filter(is_drifting).collect();
    // Two that disagree say nothing of whose clock it is: both are named.
    (!nodes.is_empty()).then(|| Finding {
        kind: "clocks_drifting",
        severity: Severity::Warning,
        title: format!("clocks that are far from the others, within the {CLOCK_TRUSTED_MAX_MS} ms allowed: they serve"),
        lines: nodes.iter().map(|node| format!("{}  {}", node.record.node_id, distances(&off(node)))).collect(),
        steps: nodes
            .iter()
            .map(|node| {
                format!(
                    "look at the time synchronisation of {id}'s machine: beyond {CLOCK_TRUSTED_MAX_MS} ms {id} serves no \
                     clients",
                    id = node.record.node_id
                )
            })
            .collect(),
    })
}

/// Nodes whose clocks are wrong, with how far they are ahead of the others: where most are off against the teller's
/// clock, that one is.
fn wrong(status: &ClusterStatus) -> Vec<(NodeId, i64)> {
    let others = status.nodes.iter().filter(|node| node.record.node_id != status.told_by);
    let measured: Vec<_> =
        others.filter_map(|node| Some((node.record.node_id, node.clock_offset_ms?))).collect();
    let is_off = |(_, offset): &&(NodeId, i64)| offset.unsigned_abs() > CLOCK_TRUSTED_MAX_MS;
    let off: Vec<_> = measured.iter().filter(is_off).copied().collect();
    match off.first() {
        Some((_, offset)) if off.len() * 2 > measured.len() => vec![(status.told_by, -offset)],
        Some(_) | None => off,
    }
}

fn off_line(status: &ClusterStatus, id: NodeId, ahead: i64) -> String {
    let own = node_of(status, id).map_or_else(Vec::new, off);
    if own.is_empty() {
        let side = if ahead > 0 { "ahead" } else { "behind" };
        return format!("{id}  {} ms {side}", ahead.unsigned_abs());
    }
    format!("{id}  {}", distances(&own))
}

/// The peers that a node is far from, by its own report.
fn off(node: &NodeStatus) -> Vec<PeerClock> {
    let clocks = node.clocks.iter().copied();
    clocks.filter(|clock| clock.ahead_ms.unsigned_abs() > NOTICED_MS).collect()
}

/// How far a node is from peers, by how far those are ahead of it.
fn distances(clocks: &[PeerClock]) -> String {
    let distance = |clock: &PeerClock| {
        let side = if clock.ahead_ms > 0 { "behind" } else { "ahead of" };
        format!("{} ms {side} {}", clock.ahead_ms.unsigned_abs(), clock.node_id)
    };
    clocks.iter().map(distance).collect::<Vec<_>>().join(", ")
}
