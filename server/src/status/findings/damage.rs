//! Damage on the nodes' disks: which replicas have met it, which files it is in, and what a person does about it.

use quorate_placement::topology::NodeId;
use quorate_raft_groups::cluster::status::{ClusterStatus, MemberStatus, RangeStatus};

use super::super::repair;
use super::{Finding, Severity};

/// Damaged replicas that are listed; the rest is counted.
const REPLICAS_SHOWN_MAX: usize = 20;

fn damaged(status: &ClusterStatus) -> impl Iterator<Item = (&RangeStatus, &MemberStatus, &str)> {
    let members =
        status.ranges.iter().flat_map(|range| range.members.iter().map(move |member| (range, member)));
    members.filter_map(|(range, member)| Some((range, member, member.damage.as_deref()?)))
}

/// Replicas that have met damage.
pub(super) fn replicas(status: &ClusterStatus) -> Option<Finding> {
    let damaged: Vec<_> = damaged(status).collect();
    let mut lines = Vec::new();
    for (range, member, detail) in damaged.iter().take(REPLICAS_SHOWN_MAX) {
        lines.push(format!("{} on {}: {detail}", range.range_id, member.node_id));
        // Of a range in trouble it is told there.
        if range.missing.is_empty() && range.change.is_none() {
            lines.extend(repair::under(range).map(|words| format!("     {words}")));
        }
    }
    if damaged.len() > REPLICAS_SHOWN_MAX {
        lines.push(format!("… and {} more", damaged.len() - REPLICAS_SHOWN_MAX));
    }
    let steps = status.nodes.iter().filter_map(|node| {
        let id = node.record.node_id;
        match damaged.iter().filter(|(_, member, _)| member.node_id == id).count() {
            0 => None,
            1 => Some(format!("look at the disk of {id}: a replica there is damaged, and is made anew")),
            many => Some(format!(
                "look at the disk of {id}: {many} replicas there are damaged, and are made anew"
            )),
        }
    });
    (!lines.is_empty()).then(|| Finding {
        kind: "damaged_replicas",
        severity: Severity::Degraded,
        title: "damaged replicas".to_owned(),
        lines,
        steps: steps.collect(),
    })
}

/// Damaged files of nodes whose replicas are all well again: nothing in them is needed any more.
pub(super) fn files(status: &ClusterStatus) -> Option<Finding> {
    let is_waited_for = |id: NodeId| damaged(status).any(|(_, member, _)| member.node_id == id);
    let nodes = status.nodes.iter().filter(|node| !node.damaged_files.is_empty());
    let nodes: Vec<_> = nodes.filter(|node| !is_waited_for(node.record.node_id)).collect();
    (!nodes.is_empty()).then(|| Finding {
        kind: "damaged_files",
        severity: Severity::Degraded,
        title: "damaged files, whose replicas were made anew".to_owned(),
        lines: nodes
            .iter()
            .map(|node| format!("{}: {}", node.record.node_id, node.damaged_files.join(", ")))
            .collect(),
        steps: nodes
            .iter()
            .map(|node| {
                format!(
                    "restart {}, and look at its disk: until then nothing is compacted beside the damage",
                    node.record.node_id
                )
            })
            .collect(),
    })
}

/// The nodes of a range, with those whose replica is damaged named so.
pub(in crate::status) fn names(range: &RangeStatus) -> String {
    let is_damaged =
        |node: &NodeId| range.members.iter().any(|member| member.node_id == *node && member.damage.is_some());
    let name = |node: &NodeId| if is_damaged(node) { format!("{node} (damaged)") } else { node.to_string() };
    range.replicas.iter().map(name).collect::<Vec<_>>().join(", ")
}
