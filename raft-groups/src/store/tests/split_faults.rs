//! Splits while nodes die, are cut off, come late, and hand over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_engine::mvcc::key_format::data_span;
use quorate_engine::store::{Family, Store};
use quorate_placement::topology::{NodeId, ReplicaId};

use super::cluster::{Cluster, RANGE, bytes, key};
use crate::descriptor::RangeDescriptor;
use crate::local_ranges::LocalRanges;

/// The data keys of a span on a node's disk.
fn data_keys(disk: &dyn Store, start: &str, end: &str) -> usize {
    let snapshot = disk.snapshot();
    let (start, end) = data_span(&quorate_engine::kv::Span::new(key(start), key(end)));
    let mut cursor = snapshot.cursor(Family::Data, &start, &end);
    let mut found = 0;
    cursor.next().unwrap();
    while cursor.key().is_some() {
        found += 1;
        cursor.next().unwrap();
    }
    found
}

/// Cuts the power of all nodes at another moment each time, while the range is being split and written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_survives_a_power_cut_at_any_moment() {
    let mut cluster = Cluster::start(3).await;
    let acknowledged = Mutex::new(BTreeMap::new());
    for (round, at) in ["m", "f", "s", "c", "p", "v", "i", "k"].into_iter().enumerate() {
        let cut_after = Duration::from_millis(round as u64 * 3 / 2);
        {
            let (cluster, acknowledged) = (&cluster, &acknowledged);
            let writer = async move {
                for number in 0.. {
                    let (name, value) = (format!("{at}{round}-{number}"), number.to_string());
                    cluster.put_somewhere(&name, &value).await;
                    acknowledged.lock().insert(name, value);
                }
            };
            let cut = async {
                cluster.leader().await;
                let split = cluster.split_at(at);
                let _ = tokio::time::timeout(cut_after, split).await;
            };
            tokio::select! {
                () = writer => {}
                () = cut => {}
            }
        }
        for id in [1, 2, 3] {
            cluster.kill(NodeId(id)).await;
        }
        for id in [1, 2, 3] {
            cluster.restart(NodeId(id)).await;
        }
        let all = acknowledged.lock().clone();
        for (name, value) in &all {
            assert_eq!(cluster.get_somewhere(name).await, Some(bytes(value)), "round {round}: {name}");
        }
        let tiles = cluster.tiles().await;
        println!("cut after {cut_after:?}: {} ranges, {} rows", tiles.len(), all.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_reaches_a_replica_that_was_away() {
    let cluster = Cluster::start(3).await;
    cluster.put_somewhere("x", "old").await;
    cluster.network.isolate(NodeId(3));
    let right = cluster.split_at("m").await;
    cluster.put_somewhere("x", "new").await;
    cluster.put_somewhere("b", "new").await;
    assert!(cluster.node(NodeId(3)).store.status(right.range_id).is_none());
    cluster.network.heal();
    assert_eq!(cluster.tiles().await.len(), 2);
    // It can lead what it got.
    cluster
        .wait("transfer to the late replica", || {
            let late = cluster.node(NodeId(3)).store.status(right.range_id)?;
            let leader = cluster
                .nodes
                .iter()
                .filter_map(|node| node.store.status(right.range_id))
                .find(|s| s.has_lease)?;
            (late.applied == leader.applied).then_some(())
        })
        .await;
    let leader = cluster.leader_of(right.range_id).await;
    leader.store.end_lease_and_transfer(right.range_id, NodeId(3)).await.unwrap();
    assert_eq!(cluster.get_somewhere("x").await, Some(bytes("new")));
}

/// Splits a range of two rows while the third node, which has both, is cut off; gives the right side.
async fn split_behind_the_third_node() -> (Cluster, RangeDescriptor) {
    let cluster = Cluster::start(3).await;
    cluster.put_somewhere("b", "v").await;
    cluster.put_somewhere("x", "v").await;
    let late = cluster.node(NodeId(3));
    cluster
        .wait("the row on the third node", || (data_keys(late.disk.as_ref(), "m", "z") > 0).then_some(()))
        .await;
    cluster.network.isolate(NodeId(3));
    let right = cluster.split_at("m").await;
    (cluster, right)
}

/// The directory names the right side's replica, and whoever reads it may make an empty one before the split comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_leaves_an_empty_replica_of_its_right_side_to_a_snapshot() {
    let (cluster, right) = split_behind_the_third_node().await;
    let late = cluster.node(NodeId(3));
    let own = right.replica_on(NodeId(3)).unwrap();
    late.store.create_learner(right.range_id, own.replica_id).await.unwrap();
    cluster.network.heal();
    cluster.put_somewhere("y", "v").await;
    cluster
        .wait("both sides on the third node", || {
            let left = late.store.status(RANGE)?;
            let right = late.store.status(right.range_id)?;
            (left.descriptor.generation == 2 && right.is_whole).then_some(())
        })
        .await;
    cluster
        .wait("all rows", || {
            let found = (data_keys(late.disk.as_ref(), "a", "m"), data_keys(late.disk.as_ref(), "m", "z"));
            (found.0 == 1 && found.1 == 2).then_some(())
        })
        .await;
    let leader = cluster.leader_of(right.range_id).await;
    leader.store.end_lease_and_transfer(right.range_id, NodeId(3)).await.unwrap();
    assert_eq!(cluster.get_somewhere("x").await, Some(bytes("v")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_brings_no_replica_that_was_removed_before() {
    let (cluster, right) = split_behind_the_third_node().await;
    let late = cluster.node(NodeId(3));
    late.store.destroy_replica(right.range_id, ReplicaId(4)).await.unwrap();
    cluster.network.heal();
    cluster
        .wait("the split on the third node", || {
            let status = late.store.status(RANGE)?;
            (status.descriptor.generation == 2).then_some(())
        })
        .await;
    assert!(late.store.status(right.range_id).is_none());
    assert_eq!(data_keys(late.disk.as_ref(), "m", "z"), 0, "its keys are gone with it");
    assert!(data_keys(late.disk.as_ref(), "a", "m") > 0, "and the left side's are not");
    assert_eq!(cluster.get_somewhere("x").await, Some(bytes("v")), "two replicas are a quorum");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_of_a_leader_that_lost_its_quorum_happens_once_or_never() {
    let cluster = Cluster::start(3).await;
    cluster.put_somewhere("b", "v").await;
    let old = cluster.leader().await;
    cluster.network.isolate(old.id);
    let error = old.store.split(RANGE, Some(key("m"))).await.unwrap_err();
    println!("{error}");
    let new = cluster.leader_among(|id| id != old.id).await;
    new.store.split(RANGE, Some(key("f"))).await.unwrap();
    cluster.network.heal();
    let tiles = cluster.tiles().await;
    assert_eq!(tiles.len(), 2, "{tiles:?}");
    assert_eq!(tiles[1].span.start, key("f"), "what the old term proposed is gone");
    cluster.put_somewhere("x", "v").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_while_leader_moves() {
    let cluster = Arc::new(Cluster::start(3).await);
    for (round, at) in ["m", "f", "s", "c", "p", "v"].into_iter().enumerate() {
        let name = format!("{at}{round}");
        cluster.put_somewhere(&name, "v").await;
        let leader = cluster.leader().await;
        let to = NodeId(leader.id.0 % 3 + 1);
        let (_, moved) = tokio::join!(cluster.split_at(at), leader.store.end_lease_and_transfer(RANGE, to));
        println!("round {round}: {moved:?}");
        assert_eq!(cluster.get_somewhere(&name).await, Some(bytes("v")));
        cluster.put_somewhere(&name, "w").await;
    }
    assert_eq!(cluster.tiles().await.len(), 7);
}
