//! Disks that are full, or soon will be: a node whose disk takes nothing more stops.

use quorate_placement::view::DISK_FULL_PER_MILLE;
use quorate_raft_groups::cluster::status::{ClusterStatus, NodeStatus};

use super::{Finding, Severity, host_of};

/// Percent used beyond which a disk counts as full: no new replica goes there, and compaction needs the rest to free
/// anything at all.
const FULL_PERCENT: u64 = DISK_FULL_PER_MILLE / 10;
/// Percent used beyond which a person is warned, with time left to do something.
const FILLING_PERCENT: u64 = 85;
const _: () = assert!(FILLING_PERCENT < FULL_PERCENT);

/// Disks that are full.
pub(super) fn full(status: &ClusterStatus) -> Option<Finding> {
    let nodes = used(status, FULL_PERCENT, 101);
    let first = nodes.first()?.record.node_id;
    Some(Finding {
        kind: "disks_full",
        severity: Severity::Critical,
        title: format!(
            "disks that are full: {FULL_PERCENT} % or more are used, and a node that cannot write stops"
        ),
        lines: lines(&nodes),
        steps: vec![format!(
            "free space on the disk of {first}'s data directory, or enlarge it; or move replicas away: quorate range ls \
             --host {host}, then quorate range move RANGE --from {first} --to NODE --host {host}",
            host = host_of(status)
        )],
    })
}

/// Disks that will be.
pub(super) fn filling(status: &ClusterStatus) -> Option<Finding> {
    let nodes = used(status, FILLING_PERCENT, FULL_PERCENT);
    let first = nodes.first()?.record.node_id;
    Some(Finding {
        kind: "disks_filling",
        severity: Severity::Warning,
        title: format!("disks of which {FILLING_PERCENT} % or more are used"),
        lines: lines(&nodes),
        steps: vec![format!(
            "see to more space for {first}'s data directory: at {FULL_PERCENT} % it gets no new replicas, and a node whose \
             disk is full stops"
        )],
    })
}

/// Nodes with so many percent of their disks used, the first number included.
fn used(status: &ClusterStatus, from: u64, below: u64) -> Vec<&NodeStatus> {
    let is_so = |node: &&NodeStatus| node.disk_total_bytes > 0 && (from..below).contains(&percent(node));
    status.nodes.iter().filter(is_so).collect()
}

fn percent(node: &NodeStatus) -> u64 {
    let percent = u128::from(node.disk_used_bytes) * 100 / u128::from(node.disk_total_bytes.max(1));
    u64::try_from(percent).unwrap_or(u64::MAX).min(100)
}

fn lines(nodes: &[&NodeStatus]) -> Vec<String> {
    let line = |node: &&NodeStatus| {
        let free = node.disk_total_bytes.saturating_sub(node.disk_used_bytes) >> 20;
        format!("{}  {} % of its disk is used, {free} MiB are free", node.record.node_id, percent(node))
    };
    nodes.iter().map(line).collect()
}
