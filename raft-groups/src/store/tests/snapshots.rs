//! Replicas that become whole by snapshots, next to others on the same store.

use std::sync::atomic::Ordering;
use std::time::Duration;

use quorate_engine::kv::{Span, Write};
use quorate_engine::store::Store;
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use super::cluster::{Cluster, Node, PATIENCE, RANGE, bytes, key};
use crate::descriptor::{RangeDescriptor, ReplicaRole};
use crate::holdings::holdings;
use crate::local_ranges::{GroupRole, LocalRangeError, LocalRanges};
use crate::log_position::{LogPosition, VoteState};
use crate::raft::{MemberChange, SnapshotHead, SnapshotHost, SnapshotOffer, SnapshotRefusal};
use crate::range_format::{descriptor_key, encode_descriptor};

/// The node without a replica, and the id of the one that it gets.
const THIRD: NodeId = NodeId(3);
const NEW: ReplicaId = ReplicaId(9);

/// Three nodes, of which the first two have the range.
async fn two_of_three() -> Cluster {
    let cluster = Cluster::empty(3).await;
    let span = Span::new(key("a"), key("m"));
    let descriptor = RangeDescriptor::new(RANGE, span, &[NodeId(1), NodeId(2)]);
    for node in [2, 1] {
        let store = &cluster.node(NodeId(node)).store;
        store.create_replica(&descriptor, node == 1).await.unwrap();
    }
    assert_eq!(cluster.leader().await.id, NodeId(1));
    cluster
}

/// Adds a learner to the range's members, through its leader.
async fn add_learner(leader: &Node) {
    let group = leader.store.replica(RANGE).unwrap().running().unwrap();
    let change = MemberChange::AddLearner { replica: NEW, node: THIRD };
    let added = async {
        loop {
            let members = group.led_members().expect("it leads");
            match group.change_members(members.stamp, change.clone(), Duration::from_secs(5)).await {
                Ok(()) => return,
                Err(error) => tracing::info!(%error, "again"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, added).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_replica_becomes_whole_by_a_snapshot() {
    let mut cluster = two_of_three().await;
    let large = "x".repeat(100_000);
    // Once by one batch, once with staged parts.
    for count in [3, 20] {
        for number in 0..count {
            cluster.put(&format!("k{number}"), &large).await;
        }
    }
    cluster.node(THIRD).store.create_learner(RANGE, NEW).await.unwrap();
    add_learner(cluster.node(NodeId(1))).await;
    cluster.put("last", "1").await;
    let whole = |cluster: &Cluster| {
        let status = cluster.node(THIRD).store.status(RANGE).unwrap();
        let leader = cluster.node(NodeId(1)).store.status(RANGE).unwrap();
        let is_there = status.applied == leader.applied && status.leader_node == Some(NodeId(1));
        (status.is_whole && is_there).then_some((status, leader))
    };
    for _ in 0..2 {
        let (status, leader) = cluster.wait("whole learner", || whole(&cluster)).await;
        assert_eq!((status.role, status.replica_id), (GroupRole::Learner, NEW));
        assert_eq!(status.descriptor, leader.descriptor);
        assert_eq!(status.descriptor.replica_on(THIRD).unwrap().role, ReplicaRole::Learner);
        assert_eq!(status.size_bytes, leader.size_bytes);
        assert!(!status.has_lease);
        // And it stays so over a restart.
        cluster.kill(THIRD).await;
        cluster.restart(THIRD).await;
    }
}

/// Its sender asks again, instead of waiting as long as the largest one may take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshot_whose_end_or_answer_is_lost_is_installed_within_seconds() {
    for (ends, answers) in [(1, 0), (0, 1)] {
        let cluster = two_of_three().await;
        cluster.put("k", "v").await;
        let taps = &cluster.node(THIRD).taps;
        taps.lost_ends.store(ends, Ordering::SeqCst);
        taps.lost_answers.store(answers, Ordering::SeqCst);
        cluster.node(THIRD).store.create_learner(RANGE, NEW).await.unwrap();
        add_learner(cluster.node(NodeId(1))).await;
        // It rests once its leader knows that the learner has all.
        cluster.wait("range that rests, with its learner", || (taps.beats() > 0).then_some(())).await;
        let left = [&taps.lost_ends, &taps.lost_answers].map(|left| left.load(Ordering::SeqCst));
        assert_eq!(left, [0, 0], "something was lost");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshot_waits_while_another_range_holds_its_keys() {
    let cluster = two_of_three().await;
    cluster.put("k", "v").await;
    // On the third node a range still holds these keys, as one does that has not applied its split yet.
    let other = RangeId(70);
    let neighbour = RangeDescriptor::new(other, Span::new(key("c"), key("x")), &[THIRD]);
    let store = &cluster.node(THIRD).store;
    store.create_replica(&neighbour, true).await.unwrap();
    store.create_learner(RANGE, NEW).await.unwrap();
    add_learner(cluster.node(NodeId(1))).await;
    let sender = cluster.node(NodeId(1)).store.replica(RANGE).unwrap().running().unwrap();
    cluster.wait("two snapshots", || (sender.snapshots_begun() >= 2).then_some(())).await;
    assert!(!store.status(RANGE).unwrap().is_whole, "its keys are another's here");
    store.destroy_replica(other, ReplicaId(2)).await.unwrap();
    cluster.wait("whole learner", || store.status(RANGE).unwrap().is_whole.then_some(())).await;
    // Now it is this range that holds them.
    let again = RangeDescriptor::new(RangeId(71), Span::new(key("c"), key("d")), &[THIRD]);
    let refused = store.create_replica(&again, false).await.unwrap_err();
    assert!(matches!(refused, LocalRangeError::Misplaced { .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn raft_task_that_died_is_rebuilt_and_serves_again() {
    let cluster = Cluster::start(3).await;
    cluster.put("k", "1").await;
    for id in [2, 1] {
        let node = cluster.node(NodeId(id));
        let replica = node.store.replica(RANGE).unwrap();
        let before = replica.running().unwrap();
        node.store.kill_raft_task(RANGE).await;
        cluster.put("k", &format!("while {id}")).await;
        let is_rebuilt = || {
            let now = replica.running()?;
            (!std::sync::Arc::ptr_eq(&now, &before) && now.fatal().is_none()).then_some(())
        };
        cluster.wait("rebuilt Raft task", is_rebuilt).await;
        cluster.put("k", &format!("after {id}")).await;
        let leader = cluster.leader().await.store.status(RANGE).unwrap().applied;
        let has_all = |node: &Node| node.store.status(RANGE).unwrap().applied >= leader;
        let caught_up = || cluster.nodes.iter().all(has_all).then_some(());
        cluster.wait("all of it applied everywhere", caught_up).await;
        let sizes: Vec<_> =
            cluster.nodes.iter().map(|node| node.store.status(RANGE).unwrap().size_bytes).collect();
        assert!(sizes.iter().all(|size| *size == sizes[0]), "nothing was applied twice: {sizes:?}");
    }
    assert_eq!(cluster.get("k").await, Some(bytes("after 1")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_cut_off_by_themselves() {
    let mut cluster = Cluster::start(3).await;
    let large = "x".repeat(500_000);
    for number in 0..12 {
        cluster.put(&format!("k{number}"), &large).await;
    }
    let leader = cluster.leader().await.id;
    let bytes_of = |cluster: &Cluster, id| cluster.node(id).store.log_counts().log_bytes;
    cluster.wait("short log", || (bytes_of(&cluster, leader) < 1 << 20).then_some(())).await;
    for id in [1, 2, 3].map(NodeId).into_iter().filter(|id| *id != leader) {
        cluster.wait("shorter log", || (bytes_of(&cluster, id) < 5 << 20).then_some(())).await;
    }
    for id in [1, 2, 3] {
        cluster.kill(NodeId(id)).await;
    }
    for id in [1, 2, 3] {
        cluster.restart(NodeId(id)).await;
    }
    for number in 0..12 {
        assert_eq!(cluster.get(&format!("k{number}")).await, Some(bytes(&large)), "k{number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn member_that_never_came_into_being_is_made_by_a_snapshot() {
    let cluster = Cluster::empty(3).await;
    let descriptor = cluster.descriptor();
    // In the way for a while, as the left side is before it has applied the split.
    let left = RangeDescriptor::new(RangeId(70), Span::new(key("a"), key("z")), &[THIRD]);
    let store = &cluster.node(THIRD).store;
    store.create_replica(&left, true).await.unwrap();
    for node in [2, 1] {
        let store = &cluster.node(NodeId(node)).store;
        store.create_replica(&descriptor, node == 1).await.unwrap();
    }
    cluster.put("k", "v").await;
    let sender = cluster.leader().await.store.replica(RANGE).unwrap().running().unwrap();
    cluster.wait("two snapshots", || (sender.snapshots_begun() >= 2).then_some(())).await;
    assert_eq!(store.status(RANGE), None, "nothing is made while another range holds its keys");
    store.destroy_replica(left.range_id, ReplicaId(2)).await.unwrap();
    let whole = || store.status(RANGE).filter(|status| status.is_whole);
    let status = cluster.wait("whole replica", whole).await;
    assert_eq!((status.replica_id, &*status.descriptor), (ReplicaId(3), &descriptor));
    // It votes: without it there is no quorum.
    cluster.network.isolate(NodeId(2));
    cluster.put("k", "w").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removed_member_is_not_made_again_by_a_snapshot() {
    let cluster = Cluster::empty(3).await;
    let descriptor = cluster.descriptor();
    let store = &cluster.node(THIRD).store;
    store.destroy_replica(RANGE, ReplicaId(4)).await.unwrap();
    for node in [2, 1] {
        let store = &cluster.node(NodeId(node)).store;
        store.create_replica(&descriptor, node == 1).await.unwrap();
    }
    cluster.put("k", "v").await;
    let sender = cluster.leader().await.store.replica(RANGE).unwrap().running().unwrap();
    // The second one shows that the first has failed.
    cluster.wait("two snapshots", || (sender.snapshots_begun() >= 2).then_some(())).await;
    assert_eq!(store.status(RANGE), None);
}

/// What is expected is what `quorate status` reckons the time left with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_a_snapshot_will_carry_are_expected() {
    let cluster = Cluster::start(1).await;
    for number in 0..40 {
        cluster.put(&format!("k{number}"), &"v".repeat(20_000)).await;
    }
    let node = cluster.node(NodeId(1));
    let held = node.store.replica(RANGE).unwrap().machine().holdings();
    let view = node.disk.pin().unwrap();
    let mut carried = 0;
    for span in &held.spans {
        let pairs = view.page(span.family, &span.start, &span.end, usize::MAX).unwrap();
        carried += pairs.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() as u64;
    }
    assert!((carried * 9 / 10..=carried * 11 / 10).contains(&held.bytes), "{} of {carried}", held.bytes);
}

/// Story 16 of design.md section 14: two snapshots' ranges overlap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_a_snapshot_that_comes_in_are_nobody_elses() {
    let cluster = Cluster::empty(1).await;
    let store = &cluster.node(NodeId(1)).store;
    let offer = |range_id, start: &str, end: &str| {
        let mut descriptor = RangeDescriptor::new(range_id, Span::new(key(start), key(end)), &[NodeId(1)]);
        descriptor.generation = 3;
        let held = holdings(&descriptor);
        let shared = vec![(descriptor_key(range_id), encode_descriptor(&descriptor).into())];
        let position = LogPosition { term: 5, index: 50 };
        let head = SnapshotHead::for_test(position, held, shared);
        let vote = VoteState { term: 5, candidate: ReplicaId(7), is_committed: true };
        SnapshotOffer { from_replica: ReplicaId(7), to_replica: ReplicaId(1), vote, bytes_expected: 0, head }
    };
    let (left, right) = (RangeId(70), RangeId(71));
    let first = store.admit(left, &offer(left, "c", "m")).await.ok().unwrap();
    assert!(!store.status(left).unwrap().is_whole, "a named member is made, and is empty");
    let second = store.admit(right, &offer(right, "k", "p")).await.err();
    assert_eq!(second, Some(SnapshotRefusal::Overlap));
    let fresh = RangeDescriptor::new(RangeId(72), Span::new(key("l"), key("x")), &[NodeId(1)]);
    let refused = store.create_replica(&fresh, false).await.unwrap_err();
    assert!(matches!(refused, LocalRangeError::Misplaced { .. }), "{refused}");
    assert!(store.admit(right, &offer(right, "m", "p")).await.is_ok(), "side by side they may");
    drop(first);
    assert!(store.admit(right, &offer(right, "k", "p")).await.is_ok(), "the first was given up");
    // What its descriptor says is what a snapshot must carry.
    let mut false_offer = offer(left, "c", "d");
    false_offer.head.spans.pop();
    assert_eq!(store.admit(left, &false_offer).await.err(), Some(SnapshotRefusal::Unreadable));
}

/// The left side gets a snapshot of after the split, and so never applies it: the right side comes by its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_that_was_away_during_a_split_gets_both_sides_by_snapshots() {
    let cluster = Cluster::start(3).await;
    for name in ["b", "x"] {
        cluster.put_somewhere(name, "old").await;
    }
    cluster.network.isolate(THIRD);
    let leader = cluster.leader_among(|id| id != THIRD).await;
    let right = leader.store.split(RANGE, Some(key("m"))).await.unwrap();
    cluster.leader_of(right.range_id).await;
    let large = bytes(&"x".repeat(500_000));
    for number in 0..48 {
        let write = Write::put(key(&format!("c{number}")), large.clone());
        leader.commit(leader.commit_request(vec![write])).await.unwrap();
    }
    let is_cut = || leader.store.log_counts().log_bytes < 18 << 20;
    cluster.wait("cut log", || is_cut().then_some(())).await;
    let behind = &cluster.node(THIRD).store;
    assert_eq!(behind.status(right.range_id), None);
    cluster.network.heal();
    for range_id in [RANGE, right.range_id] {
        let there = || {
            let (theirs, ours) = (leader.store.status(range_id)?, behind.status(range_id)?);
            let is_same = ours.applied == theirs.applied && ours.size_bytes == theirs.size_bytes;
            (ours.is_whole && ours.descriptor == theirs.descriptor && is_same).then_some(())
        };
        cluster.wait("same replica", there).await;
    }
    // Both sides count on it now.
    let other = if leader.id == NodeId(1) { NodeId(2) } else { NodeId(1) };
    cluster.network.isolate(other);
    for name in ["b", "x"] {
        assert_eq!(cluster.get_somewhere(name).await, Some(bytes("old")));
        cluster.put_somewhere(name, "new").await;
    }
}
