//! Groups whose logs are cut off, and replicas that come back, or begin, by a snapshot.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_engine::memory::MemoryStore;
use quorate_engine::rocks::{RocksOptions, RocksStore};
use quorate_engine::store::{Family, Store};
use quorate_engine::testing::PowerCutStore;
use quorate_placement::topology::{NodeId, ReplicaId};

use super::harness::{Cluster, RANGE, TestNode, descriptor, put, until, within};
use crate::limits::KEPT_FOR_DEAD_MAX;
use crate::raft::convert::RaftNode;

use crate::raft::{RaftGroup, Snapshots};

/// Bytes of a large value: a log that is left with one of them is worth a cut.
const LARGE: usize = 1_100_000;

fn memory(count: usize) -> Vec<Arc<dyn Store>> {
    (0..count).map(|_| Arc::new(MemoryStore::new()) as Arc<dyn Store>).collect()
}

/// Writes large values `name-0`, `name-1`, and so on.
async fn put_large(group: &RaftGroup, name: &str, count: usize) {
    for number in 0..count {
        let value = "x".repeat(LARGE);
        put(group, &format!("{name}-{number}={value}")).await.unwrap();
    }
}

fn data(node: &TestNode) -> Vec<(Bytes, Bytes)> {
    node.store.pin().unwrap().page(Family::Data, b"", b"", usize::MAX).unwrap()
}

async fn cut_once(group: &RaftGroup, is_live: &(dyn Fn(ReplicaId) -> bool + Sync)) {
    if let Some(cut) = group.next_cut(is_live) {
        group.cut_log(cut).await.unwrap();
    }
}

/// Cuts the log, as if nobody but `live` had answered, until entries are really gone.
async fn cut_log(group: &RaftGroup, live: &[u64]) -> u64 {
    let is_live = |replica: ReplicaId| live.contains(&replica.0);
    let before = group.log().purged().unwrap().index;
    within("a cut of the log", async {
        loop {
            cut_once(group, &is_live).await;
            let purged = group.log().purged().unwrap().index;
            if purged > before {
                return purged;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn follower_that_was_away_for_long_comes_back_by_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let mut stores = memory(2);
    stores.push(Arc::new(RocksStore::open(dir.path(), RocksOptions::default()).unwrap()));
    let cluster = Cluster::start(stores).await;
    cluster.elect(1).await;
    cluster.put(1, "k=old").await.unwrap();
    cluster.put(1, "gone=1").await.unwrap();
    cluster.until_everywhere("gone", "1").await;
    cluster.network.isolate(NodeId(3));
    let leader = cluster.group(1);
    let last_seen = cluster.group(3).last_log().unwrap().index;
    cluster.put(1, "k=new").await.unwrap();
    put_large(&leader, "m", 20).await;
    let cut = cut_log(&leader, &[2]).await;
    assert!(cut > last_seen, "the dead follower's entries are cut off");
    let kept = leader.log_bytes();
    assert!(kept <= KEPT_FOR_DEAD_MAX && kept > KEPT_FOR_DEAD_MAX / 2, "{kept} bytes are kept for it");
    assert_eq!(cluster.node(1).writer.counts().log_bytes, kept);

    cluster.network.heal();
    cluster.until_everywhere("k", "new").await;
    put(&leader, "after=1").await.unwrap();
    cluster.until_everywhere("after", "1").await;
    assert!(cluster.group(3).log().purged().unwrap().index >= cut, "it did not come back by the log");
    let all = data(cluster.node(1));
    assert_eq!(all.len(), 23);
    for id in [2, 3] {
        assert!(data(cluster.node(id)) == all, "node {id} has the same bytes");
    }
    for node in &cluster.nodes {
        node.stop(&cluster.network).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_that_was_cut_off_survives_a_power_cut_of_all() {
    let disks: Vec<_> = (0..3).map(|_| Arc::new(PowerCutStore::new())).collect();
    let as_stores =
        |disks: &[Arc<PowerCutStore>]| disks.iter().map(|disk| Arc::clone(disk) as Arc<dyn Store>).collect();
    let cluster = Cluster::start(as_stores(&disks)).await;
    cluster.elect(1).await;
    cluster.put(1, "first=1").await.unwrap();
    put_large(&cluster.group(1), "m", 3).await;
    cluster.put(1, "last=1").await.unwrap();
    cluster.until_everywhere("last", "1").await;
    for id in [1, 2, 3] {
        let group = cluster.group(id);
        let live = [1, 2, 3];
        if id == 1 {
            // All have it, and the leader hears of that in its time, perhaps of one entry after the other: next to nothing
            // is kept.
            cut_log(&group, &live).await;
            within("a cut of all large entries", async {
                while group.log_bytes() >= LARGE as u64 {
                    cut_once(&group, &|replica| live.contains(&replica.0)).await;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
            .await;
            assert!(group.log().purged().unwrap().index > 12);
        } else {
            cut_once(&group, &|_| true).await;
            assert!(group.log_bytes() > LARGE as u64, "a follower keeps some for the others");
        }
    }
    let after: Vec<_> = disks.iter().map(|disk| Arc::new(disk.cut())).collect();
    drop(cluster);

    let cluster = Cluster::restart(as_stores(&after)).await;
    let leader = cluster.elect_any().await;
    cluster.put(leader, "again=1").await.unwrap();
    for key in ["first", "last", "again"] {
        cluster.until_everywhere(key, "1").await;
    }
    assert_eq!(data(cluster.node(1)).len(), 6);
}

/// Two voters, and an empty third replica that they do not know yet.
async fn with_empty_replica(store: Arc<dyn Store>) -> (Cluster, Arc<TestNode>) {
    let cluster = Cluster::start(memory(2)).await;
    cluster.elect(1).await;
    let node = TestNode::start(NodeId(3), store, &cluster.network);
    node.start_group(&descriptor(RANGE, 3)).await;
    (cluster, node)
}

async fn add_learner(group: &RaftGroup) {
    within("the learner's entry", group.raft().add_learner(3, RaftNode(3), false)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_learner_gets_a_snapshot_while_writes_go_on() {
    for large in [0, 3] {
        let (cluster, learner) = with_empty_replica(Arc::new(MemoryStore::new())).await;
        let leader = cluster.group(1);
        put_large(&leader, "m", large).await;
        put(&leader, "k=1").await.unwrap();
        assert_eq!(learner.group(RANGE).applied(), None);
        add_learner(&leader).await;
        for number in 0..200 {
            put(&leader, &format!("n{number}=1")).await.unwrap();
        }
        until("the learner's last entry", || learner.value("n199").is_some()).await;
        let snapshot = learner.group(RANGE).log().purged().unwrap();
        assert!(snapshot.index > 10, "it began by a snapshot, at {snapshot}");
        assert!(data(&learner) == data(cluster.node(1)), "the same bytes, with {large} large values");
        assert_eq!(
            (learner.snapshots.receiving(RANGE), cluster.node(1).snapshots.sending(RANGE)),
            (None, None)
        );
        learner.stop(&cluster.network).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn learner_whose_power_goes_while_it_installs_comes_back_whole() {
    // Until the snapshot is installed: its vote, parts, marker, three families, state, removal of the parts.
    for operations in 1..14 {
        let disk = Arc::new(PowerCutStore::new());
        disk.cut_after(operations);
        let (cluster, learner) = with_empty_replica(Arc::clone(&disk) as Arc<dyn Store>).await;
        let leader = cluster.group(1);
        put_large(&leader, "m", 3).await;
        add_learner(&leader).await;
        put(&leader, "k=1").await.unwrap();
        until("the power's end", || disk.is_cut() || learner.value("k").is_some()).await;
        let after = Arc::new(disk.cut());
        learner.stop(&cluster.network).await;
        put(&leader, "l=1").await.unwrap();

        let learner = TestNode::start(NodeId(3), after, &cluster.network);
        learner.start_group(&descriptor(RANGE, 3)).await;
        until("the last entry", || learner.value("l").is_some()).await;
        assert!(data(&learner) == data(cluster.node(1)), "after {operations} operations");
        assert_eq!(learner.store.staging().areas(), Ok(Vec::new()));
        learner.stop(&cluster.network).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn learner_gets_its_snapshot_from_the_next_leader_when_the_first_dies() {
    let mut cluster = Cluster::start(memory(3)).await;
    cluster.elect(1).await;
    let slow = Snapshots::new(1 << 20);
    cluster.replace_snapshots(1, slow).await;
    cluster.elect(1).await;
    let leader = cluster.group(1);
    put_large(&leader, "m", 6).await;
    cluster.until_everywhere("m-5", &"x".repeat(LARGE)).await;
    let learner = TestNode::start(NodeId(4), Arc::new(MemoryStore::new()), &cluster.network);
    learner.start_group(&descriptor(RANGE, 4)).await;
    within("the learner's entry", leader.raft().add_learner(4, RaftNode(4), false)).await.unwrap();
    until("a part of it", || learner.snapshots.receiving(RANGE).is_some_and(|progress| progress.bytes > 0))
        .await;
    let outgoing = cluster.node(1).snapshots.sending(RANGE).unwrap();
    assert_eq!(outgoing.peer, ReplicaId(4));
    cluster.node(1).stop(&cluster.network).await;
    assert!(learner.value("m-5").is_none(), "it had not all of it");

    cluster.elect(2).await;
    put(&cluster.group(2), "k=1").await.unwrap();
    until("the last entry", || learner.value("k").is_some()).await;
    assert!(data(&learner) == data(cluster.node(2)));
    learner.stop(&cluster.network).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshot_that_is_not_wanted_any_more_ends_in_the_middle() {
    let mut cluster = Cluster::start(memory(3)).await;
    cluster.replace_snapshots(1, Snapshots::new(1 << 20)).await;
    cluster.elect(1).await;
    let leader = cluster.group(1);
    put_large(&leader, "m", 6).await;
    let learner = TestNode::start(NodeId(4), Arc::new(MemoryStore::new()), &cluster.network);
    learner.start_group(&descriptor(RANGE, 4)).await;
    within("the learner's entry", leader.raft().add_learner(4, RaftNode(4), false)).await.unwrap();
    until("a part of it", || learner.snapshots.receiving(RANGE).is_some_and(|progress| progress.bytes > 0))
        .await;
    // Another leader: the old one's snapshot is cancelled, and its log is not held any more.
    cluster.until_everywhere("m-5", &"x".repeat(LARGE)).await;
    leader.transfer_leader(ReplicaId(2)).await;
    until("the next leader", || cluster.group(2).leading_term().is_some()).await;
    until("the end of the sending", || cluster.node(1).snapshots.sending(RANGE).is_none()).await;
    until("the end of the hold", || leader.holds.oldest().is_none()).await;
    until("the learner's value", || learner.value("m-5").is_some()).await;
    learner.stop(&cluster.network).await;
}
