//! Heartbeats past the Raft tasks: all that idle ranges send, and what keeps the lease of a busy one whose Raft tasks are late.

use std::cell::Cell;
use std::time::Duration;

use quorate_engine::kv::Write;
use quorate_placement::topology::NodeId;

use super::cluster::{Cluster, RANGE, bytes, key};
use crate::heartbeat::Beat;
use crate::local_ranges::LocalRanges;
use crate::log_position::LogPosition;

/// Heartbeats past the Raft tasks that are counted where nothing else may happen.
const ROUNDS: usize = 6;

impl Cluster {
    /// Waits until the range rests: a follower was sent heartbeats past its Raft task.
    async fn until_it_rests(&self, node: NodeId) {
        let taps = &self.node(node).taps;
        let before = taps.beats();
        self.wait("resting range", || (taps.beats() > before + 1).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_range_is_kept_without_its_raft_tasks() {
    let cluster = Cluster::start(3).await;
    cluster.put("k", "v").await;
    let term = cluster.node(NodeId(1)).store.status(RANGE).unwrap().term;
    for follower in [NodeId(2), NodeId(3)] {
        let taps = &cluster.node(follower).taps;
        // A machine that stands still for a moment ends the rest: counted anew from then on.
        let since = Cell::new((taps.appends(), taps.taken()));
        cluster
            .wait("rounds of heartbeats without an append", || {
                let (appends, taken) = since.get();
                if taps.appends() != appends {
                    since.set((taps.appends(), taps.taken()));
                }
                (taps.appends() == appends && taps.taken() >= taken + ROUNDS).then_some(())
            })
            .await;
    }
    let leader = cluster.leader().await;
    assert_eq!(
        (leader.id, leader.store.status(RANGE).unwrap().term),
        (NodeId(1), term),
        "nobody was elected"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn write_ends_the_rest_and_all_followers_apply_it() {
    let cluster = Cluster::start(3).await;
    cluster.put("k", "1").await;
    cluster.until_it_rests(NodeId(2)).await;
    let leader = cluster.node(NodeId(1));
    let rested = leader.store.status(RANGE).unwrap();
    let request = leader.commit_request(vec![Write::put(key("k"), bytes("2"))]);
    leader.commit(request).await.unwrap();
    let applied = leader.store.status(RANGE).unwrap().applied;
    assert!(applied > rested.applied);
    for node in &cluster.nodes {
        let has_it = || (node.store.status(RANGE)?.applied >= applied).then_some(());
        cluster.wait("applied write", has_it).await;
        assert_eq!(node.store.status(RANGE).unwrap().term, rested.term, "nobody was elected");
    }
    cluster.until_it_rests(NodeId(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn follower_that_was_away_is_told_by_the_raft_task_and_rests_again() {
    let mut cluster = Cluster::start(3).await;
    cluster.put("k", "1").await;
    cluster.until_it_rests(NodeId(2)).await;
    cluster.kill(NodeId(3)).await;
    cluster.put("k", "2").await;
    cluster.restart(NodeId(3)).await;
    let has_all = || {
        let leader = cluster.node(NodeId(1)).store.status(RANGE)?.applied;
        (cluster.node(NodeId(3)).store.status(RANGE)?.applied == leader).then_some(())
    };
    cluster.wait("follower with all entries", has_all).await;
    cluster.until_it_rests(NodeId(3)).await;
    let taken = || (cluster.node(NodeId(3)).taps.taken() > 0).then_some(());
    cluster.wait("heartbeat taken by the follower that came back", taken).await;
    assert_eq!(cluster.leader().await.id, NodeId(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resting_leader_that_was_replaced_learns_of_it() {
    let cluster = Cluster::start(3).await;
    cluster.put("k", "1").await;
    cluster.until_it_rests(NodeId(2)).await;
    let before = cluster.node(NodeId(1)).store.status(RANGE).unwrap().term;
    cluster.network.isolate(NodeId(1));
    let next = cluster.leader_among(|node| node != NodeId(1)).await.id;
    cluster.network.heal();
    let follows = || {
        let status = cluster.node(NodeId(1)).store.status(RANGE)?;
        (status.term > before && status.leader_node == Some(next) && !status.has_lease).then_some(())
    };
    cluster.wait("end of the old leader", follows).await;
    cluster.until_it_rests(NodeId(1)).await;
}

/// Each reason for which a follower leaves a heartbeat to its Raft task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn follower_takes_only_what_tells_nothing_new() {
    let cluster = Cluster::start(3).await;
    cluster.put("k", "1").await;
    cluster.until_it_rests(NodeId(2)).await;
    let leader = cluster.node(NodeId(1)).store.replica(RANGE).unwrap();
    let follower = cluster.node(NodeId(2)).store.replica(RANGE).unwrap();
    let group = leader.running().unwrap();
    let last = group.last_log().unwrap();
    let beat = Beat {
        range_id: RANGE,
        from: leader.replica_id(),
        to: follower.replica_id(),
        term: group.leading_term().unwrap(),
        last: Some(last),
    };
    let beside = Beat { last: None, ..beat };
    let cases = [
        ("an entry that it has not", Beat { last: Some(later(last, 1)), ..beat }),
        ("an entry of before", Beat { last: Some(later(last, -1)), ..beat }),
        ("a later term", Beat { term: beat.term + 1, ..beat }),
        ("an earlier term", Beat { term: beat.term - 1, ..beat }),
        ("another leader", Beat { from: follower.replica_id(), ..beat }),
        ("another replica", Beat { to: leader.replica_id(), ..beat }),
        ("a later term of a busy group", Beat { term: beat.term + 1, ..beside }),
        ("an earlier term of a busy group", Beat { term: beat.term - 1, ..beside }),
        ("another leader of a busy group", Beat { from: follower.replica_id(), ..beside }),
    ];
    for (what, beat) in cases {
        assert!(!follower.take_beat(&beat), "{what}");
    }
    for beat in [beat, beside] {
        cluster.wait("heartbeat taken as it is", || follower.take_beat(&beat).then_some(())).await;
    }
    follower.kill_raft_task().await;
    for beat in [beat, beside] {
        let refused = || (!follower.take_beat(&beat)).then_some(());
        cluster.wait("refusal by a replica whose Raft task ended", refused).await;
    }
}

/// On a machine that is busy many times over Raft tasks have their turn after seconds: that costs latency, not the lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_range_whose_raft_tasks_are_late_keeps_its_lease() {
    let cluster = Cluster::start(3).await;
    cluster.put("k", "1").await;
    let leader = cluster.node(NodeId(1));
    let before = leader.store.status(RANGE).unwrap().term;
    let hold = |is_holding| {
        for node in &cluster.nodes {
            node.taps.is_holding.send_replace(is_holding);
        }
    };
    hold(true);
    let reads = async {
        let start = cluster.physical.boottime();
        // Beyond the lease, and the promise with all that may be added to it (1.45 s); the write is given up after 3 s, so that
        // one is left for the Raft tasks to go on.
        while cluster.physical.boottime() - start < Duration::from_millis(2_000) {
            assert_eq!(leader.get("k").await.unwrap(), Some(bytes("1")));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        hold(false);
    };
    let write = leader.commit(leader.commit_request(vec![Write::put(key("other"), bytes("2"))]));
    let ((), written) = tokio::join!(reads, write);
    written.unwrap();
    for node in &cluster.nodes {
        assert_eq!(node.store.status(RANGE).unwrap().term, before, "nobody was elected");
    }
}

/// The position so many entries later.
fn later(last: LogPosition, by: i64) -> LogPosition {
    LogPosition { index: last.index.checked_add_signed(by).unwrap(), ..last }
}
