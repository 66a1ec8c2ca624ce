//! Damage on one node's disk: the others serve, and nobody is told of it who has others to ask.

use bytes::Bytes;
use quorate_engine::kv::Span;
use quorate_engine::mvcc::key_format::data_span;
use quorate_engine::store::Family;
use quorate_placement::topology::NodeId;

use super::cluster::{Cluster, Node, RANGE, bytes, key};
use crate::api::RangeError;
use crate::local_ranges::{GroupRole, LocalRanges};
use crate::raft::group_bounds;

/// A row cannot be read any more on a node's disk.
fn damage(node: &Node, name: &str) {
    let (start, end) = data_span(&Span::point(key(name)));
    node.damage.add(Family::Data, start.into(), end.into());
}

fn damage_of(node: &Node) -> Option<String> {
    node.store.status(RANGE).and_then(|status| status.damage)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_leader_hands_over_and_leads_no_more() {
    let cluster = Cluster::start(3).await;
    cluster.put("k", "v").await;
    cluster.put("l", "w").await;
    let first = cluster.node(NodeId(1));
    damage(first, "k");
    assert_eq!(first.get("l").await, Ok(Some(bytes("w"))), "other rows are read");
    assert_eq!(damage_of(first), None);
    let told = first.get("k").await;
    assert_eq!(told, Err(RangeError::NotLeaseholder { range_id: RANGE, leaseholder: None }));
    let second = cluster.leader_among(|id| id != NodeId(1)).await;
    assert_eq!(second.get("k").await, Ok(Some(bytes("v"))));
    let detail = damage_of(first).unwrap();
    assert!(detail.contains("000007.sst"), "{detail}");
    assert_eq!(first.store.damaged_files(), ["000007.sst"]);
    // It follows, and has a vote, but nobody makes it lead.
    cluster.put("k", "x").await;
    // Not for long, either, where somebody hands over to it.
    second.store.end_lease_and_transfer(RANGE, NodeId(1)).await.unwrap();
    let leader = cluster.leader_among(|id| id != NodeId(1)).await;
    assert_eq!(leader.get("k").await, Ok(Some(bytes("x"))));
    assert_eq!(first.store.status(RANGE).unwrap().role, GroupRole::Follower);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_that_a_write_meets_leads_to_another_leader_too() {
    let cluster = Cluster::start(3).await;
    cluster.put("k", "v").await;
    damage(cluster.node(NodeId(1)), "k");
    cluster.put("k", "w").await;
    assert_eq!(cluster.get("k").await, Some(bytes("w")));
    assert_ne!(cluster.leader().await.id, NodeId(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_without_other_replicas_is_told_with_file_and_range() {
    let cluster = Cluster::start(1).await;
    cluster.put("k", "v").await;
    cluster.put("l", "w").await;
    let node = cluster.node(NodeId(1));
    damage(node, "k");
    for _ in 0..3 {
        let error = node.get("k").await.unwrap_err();
        assert!(matches!(error, RangeError::Damaged(_)), "{error}");
        let text = error.to_string();
        assert!(text.contains("000007.sst") && text.contains("r7 has no other replica"), "{text}");
        assert_eq!(node.get("l").await, Ok(Some(bytes("w"))));
    }
    assert!(damage_of(node).is_some());
    // It still leads after a start, as nobody else could.
    let mut cluster = cluster;
    cluster.kill(NodeId(1)).await;
    cluster.restart(NodeId(1)).await;
    assert_eq!(cluster.get("l").await, Some(bytes("w")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_leader_serves_what_it_can_while_no_other_can_lead() {
    let mut cluster = Cluster::start(3).await;
    cluster.put("k", "v").await;
    cluster.put("l", "w").await;
    cluster.kill(NodeId(2)).await;
    for id in [1, 3] {
        damage(cluster.node(NodeId(id)), "k");
    }
    let is_unavailable = || async {
        let leader = cluster.leader().await;
        matches!(leader.get("k").await, Err(RangeError::Unavailable { .. }))
    };
    let start = cluster.physical.boottime();
    // Both have met it, and hand over to each other ever more seldom.
    while !is_unavailable().await {
        assert!(cluster.physical.boottime() - start < 3 * super::cluster::PATIENCE);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(cluster.get("l").await, Some(bytes("w")));
    cluster.restart(NodeId(2)).await;
    let sound = cluster.leader_among(|id| id == NodeId(2)).await;
    assert_eq!(sound.get("k").await, Ok(Some(bytes("v"))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replica_whose_log_is_damaged_takes_no_part_after_a_start() {
    let mut cluster = Cluster::start(3).await;
    cluster.put("k", "v").await;
    cluster.kill(NodeId(1)).await;
    let (start, end) = group_bounds(RANGE);
    cluster.node(NodeId(1)).damage.add(Family::Raft, Bytes::from(start), Bytes::from(end));
    cluster.restart(NodeId(1)).await;
    let status = cluster.node(NodeId(1)).store.status(RANGE).unwrap();
    assert_eq!(status.role, GroupRole::Stopped);
    assert!(status.damage.is_some_and(|detail| detail.contains("000007.sst")));
    assert_eq!(cluster.get("k").await, Some(bytes("v")));
}
