//! Leases that are handed over instead of running out.

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::Write;
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use super::cluster::{Cluster, RANGE, bytes, key};
use crate::api::{ReadAt, Request};
use crate::local_ranges::{LocalRangeError, LocalRanges};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lease_moves_on_request_and_back() {
    let cluster = Cluster::start(3).await;
    cluster.put("k", "v").await;
    for (from, to) in [(1, 2), (2, 3), (3, 1), (1, 3)] {
        let leader = cluster.node(NodeId(from));
        let start = cluster.physical.boottime();
        leader.store.end_lease_and_transfer(RANGE, NodeId(to)).await.unwrap();
        assert_eq!(cluster.leader().await.id, NodeId(to), "after {:?}", cluster.physical.boottime() - start);
        assert_eq!(cluster.get("k").await, Some(bytes("v")));
        assert!(!leader.store.status(RANGE).unwrap().has_lease);
        cluster.put("k", "v").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lease_moves_while_a_third_replica_is_away() {
    let cluster = Cluster::start(3).await;
    cluster.put("k", "v").await;
    cluster.network.isolate(NodeId(3));
    cluster.node(NodeId(1)).store.end_lease_and_transfer(RANGE, NodeId(2)).await.unwrap();
    assert_eq!(cluster.leader().await.id, NodeId(2));
    assert_eq!(cluster.get("k").await, Some(bytes("v")));
}

/// What requests are sent by is what a status says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leader_node_is_that_of_the_status() {
    let cluster = Cluster::start(3).await;
    let store = &cluster.node(NodeId(3)).store;
    assert_eq!(store.leader_node(RangeId(70)), None);
    store.create_learner(RangeId(70), ReplicaId(4)).await.unwrap();
    assert_eq!(store.leader_node(RangeId(70)), Some(None), "an empty replica knows nobody");
    for leader in [NodeId(1), NodeId(2)] {
        if leader != NodeId(1) {
            cluster.node(NodeId(1)).store.end_lease_and_transfer(RANGE, leader).await.unwrap();
        }
        let told = || (store.leader_node(RANGE) == Some(Some(leader))).then_some(());
        cluster.wait("the leader known elsewhere", told).await;
        assert_eq!(store.status(RANGE).unwrap().leader_node, Some(leader));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lease_moves_only_to_a_replica_that_answers() {
    let cluster = Cluster::start(3).await;
    cluster.put("k", "v").await;
    let leader = cluster.node(NodeId(1));
    let error = leader.store.end_lease_and_transfer(RANGE, NodeId(9)).await.unwrap_err();
    assert!(matches!(error, LocalRangeError::Misplaced { .. }), "{error}");
    let error = cluster.node(NodeId(2)).store.end_lease_and_transfer(RANGE, NodeId(3)).await.unwrap_err();
    assert_eq!(error, LocalRangeError::NotLeader { range_id: RANGE });
    cluster.network.isolate(NodeId(3));
    let silent = || {
        let silent = leader.store.status(RANGE).unwrap().silent_peers;
        silent.iter().any(|peer| peer.node_id == NodeId(3)).then_some(())
    };
    cluster.wait("a silent peer", silent).await;
    let error = leader.store.end_lease_and_transfer(RANGE, NodeId(3)).await.unwrap_err();
    assert!(matches!(error, LocalRangeError::Misplaced { .. }), "{error}");
    assert!(leader.store.status(RANGE).unwrap().has_lease, "nothing was given away");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn next_leader_writes_above_what_the_old_one_served() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.node(NodeId(1));
    // A reader ahead of both nodes' clocks, within what clocks may differ.
    let ahead = Timestamp::from_micros(cluster.physical.now_micros() + 240_000);
    let read = ReadAt { timestamp: ahead, uncertainty_limit: ahead };
    leader.ask(Request::Get { keys: vec![key("k")], read }).await.unwrap();
    leader.store.end_lease_and_transfer(RANGE, NodeId(2)).await.unwrap();
    let next = cluster.leader().await;
    assert_eq!(next.id, NodeId(2));
    let committed = next.commit(next.commit_request(vec![Write::put(key("k"), bytes("v"))])).await.unwrap();
    assert!(committed > ahead, "{committed} is below a read at {ahead}");
}

/// The quorum goes away between the proposal of the end and its commit, and comes back when nobody waits for that any more.
/// What the leader goes on trying to send to a node that is gone keeps it from no vote.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lease_whose_end_came_too_late_is_given_away_all_the_same() {
    let mut cluster = Cluster::start(3).await;
    cluster.put("k", "v").await;
    cluster.kill(NodeId(3)).await;
    cluster.network.refuse(NodeId(3));
    cluster.network.isolate(NodeId(2));
    let leader = cluster.node(NodeId(1));
    let error = leader.store.end_lease_and_transfer(RANGE, NodeId(2)).await.unwrap_err();
    assert!(matches!(error, LocalRangeError::Timeout { .. }), "{error}");
    cluster.network.heal();
    assert_eq!(cluster.leader_among(|node| node != NodeId(3)).await.id, NodeId(2));
    assert_eq!(cluster.get("k").await, Some(bytes("v")));
}
