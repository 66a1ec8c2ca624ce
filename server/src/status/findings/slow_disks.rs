//! Disks that take long for a sync: every write waits for those of a majority of its range's replicas.

use quorate_raft_groups::cluster::status::{ClusterStatus, DiskSyncs, NodeStatus};

use super::{Finding, Severity, host_of};

/// A disk whose syncs take longer than this, all but one of a hundred, is slow: a commit needs two or three of them one
/// after the other, and a spinning disk takes 10 ms to 20 ms.
const SLOW_P99_MS: u64 = 100;
/// A sync that has been running for longer than this may never come back: leases and heartbeats live on a second.
const STUCK_MS: u64 = 1_000;
const _: () = assert!(SLOW_P99_MS < STUCK_MS);

/// Nodes with a slow disk.
pub(super) fn slow(status: &ClusterStatus) -> Option<Finding> {
    let is_slow = |node: &&NodeStatus| node.syncs.p99_ms > SLOW_P99_MS || node.syncs.running_ms > STUCK_MS;
    let nodes: Vec<&NodeStatus> = status.nodes.iter().filter(is_slow).collect();
    let first = nodes.first()?.record.node_id;
    Some(Finding {
        kind: "disks_slow",
        severity: Severity::Degraded,
        title: "disks that are slow, by the syncs of the last seconds".to_owned(),
        lines: nodes.iter().map(|node| line(node)).collect(),
        steps: vec![format!(
            "look at the disk of {first}'s machine (iostat -x 1, dmesg), and at what else writes there; meanwhile others \
             may lead: quorate range transfer-leader RANGE --to NODE --host {}",
            host_of(status)
        )],
    })
}

fn line(node: &NodeStatus) -> String {
    let DiskSyncs { p99_ms, longest_ms, running_ms } = node.syncs;
    let mut text =
        format!("{}'s disk is slow: p99 {p99_ms} ms, longest {longest_ms} ms", node.record.node_id);
    if running_ms > STUCK_MS {
        text += &format!(", and one has been running for {running_ms} ms");
    }
    text
}
