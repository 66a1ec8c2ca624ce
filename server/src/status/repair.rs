//! What `quorate status` says of replicas that are replaced: what is done, how far it is, and what a person could do.

use std::fmt::Write as _;

use quorate_placement::topology::NodeId;
use quorate_placement::view::Liveness;
use quorate_raft_groups::cluster::status::{ChangeStatus, ClusterStatus, NodeStatus, RangeStatus};

/// Changes under way that are listed; the rest is counted.
const MOVES_SHOWN_MAX: usize = 20;

/// Whether a node does not answer and is missed: a dead one that no range names any more is not.
pub(super) fn is_missed(status: &ClusterStatus, node: &NodeStatus) -> bool {
    let id = node.record.node_id;
    match node.liveness {
        Liveness::Live | Liveness::Draining => false,
        Liveness::Suspect => true,
        Liveness::Dead => status.ranges.iter().any(|range| range.replicas.contains(&id)),
    }
}

/// What stands under a range in trouble.
pub(super) fn under(range: &RangeStatus) -> Option<String> {
    match (&range.change, &range.outlook) {
        (Some(change), _) => Some(describe(change)),
        (None, outlook) => outlook.clone(),
    }
}

/// Changes of ranges that lack nothing.
pub(super) fn moves(status: &ClusterStatus) -> String {
    let moving = status.ranges.iter().filter(|range| range.missing.is_empty());
    let moving: Vec<_> = moving.filter_map(|range| Some((range.range_id, range.change.as_ref()?))).collect();
    if moving.is_empty() {
        return String::new();
    }
    let mut text = "\nreplicas on the move:\n".to_owned();
    for (range_id, change) in moving.iter().take(MOVES_SHOWN_MAX) {
        // Writing into a string cannot fail.
        let _ = writeln!(text, " {range_id}  {}", describe(change));
    }
    if moving.len() > MOVES_SHOWN_MAX {
        let _ = writeln!(text, " … and {} more", moving.len() - MOVES_SHOWN_MAX);
    }
    text
}

/// A change in words: who replaces whom, what is being done, how far, how long still.
pub fn describe(change: &ChangeStatus) -> String {
    let who = match (change.add, change.remove) {
        (Some(add), Some(remove)) => format!("{add} replaces {remove}"),
        (Some(add), None) => format!("{add} gets a replica"),
        (None, Some(remove)) => format!("{remove} loses its replica"),
        (None, None) => "members are tidied up".to_owned(),
    };
    if let Some(failure) = &change.failure {
        return format!("{who}: failed: {failure}");
    }
    let mut text = format!("{who}: {}", change.stage);
    if change.bytes_expected > 0 {
        let (done, all) = (mebibytes(change.bytes), mebibytes(change.bytes_expected));
        text += &format!(", {done} of {all} MiB");
        if let Some(left) = change.left_ms() {
            text += &format!(", about {} s left", left.div_ceil(1_000));
        }
    }
    text + &format!(", for {} s", change.elapsed_ms / 1_000)
}

/// Mebibytes with one digit.
fn mebibytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 20;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// What to do besides starting a lost node again.
pub(super) fn instead_of(status: &ClusterStatus, node: &NodeStatus) -> Option<String> {
    let id = node.record.node_id;
    if node.liveness != Liveness::Dead {
        return None;
    }
    let of_node = || status.ranges.iter().filter(|range| range.replicas.contains(&id));
    let begun =
        of_node().filter(|range| range.change.as_ref().is_some_and(|change| change.failure.is_none()));
    let (begun, all) = (begun.count(), of_node().count());
    if begun > 0 {
        return Some(format!("wait: the replicas of {id} are being replaced, {all} ranges still name it"));
    }
    let stuck = of_node().filter_map(|range| range.outlook.as_deref()).next()?;
    Some(format!(
        "{id} is dead and {all} ranges still name it; the first one {stuck}; start another node where none can"
    ))
}

/// Dead nodes that no range names any more.
pub(super) fn replaced(status: &ClusterStatus) -> String {
    let dead = status.nodes.iter().filter(|node| node.liveness == Liveness::Dead);
    let ids: Vec<NodeId> =
        dead.filter(|node| !is_missed(status, node)).map(|node| node.record.node_id).collect();
    if ids.is_empty() {
        return String::new();
    }
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    format!(
        "\ndead, and no range needs them any more: {}. Each may come back with an empty data directory, as a new node.\n",
        ids.join(", ")
    )
}
