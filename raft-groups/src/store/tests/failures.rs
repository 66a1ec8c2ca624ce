//! Nodes that die, are cut off, and come back.

use std::time::Duration;

use quorate_engine::kv::Write;
use quorate_placement::topology::NodeId;

use super::cluster::{Cluster, PATIENCE, RANGE, bytes, key};
use crate::api::RangeError;
use crate::local_ranges::LocalRanges;

/// How long writes may stand still when a leader dies (design.md section 1).
const FAILOVER_MAX: Duration = Duration::from_secs(2);
/// How long a request may wait without a quorum.
const ANSWER_MAX: Duration = Duration::from_millis(4_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_leader_is_followed_by_another_in_time() {
    let mut cluster = Cluster::start(3).await;
    let mut fastest = PATIENCE;
    // A machine with other work to do may be late once, but not each time.
    for round in 0..3 {
        let (name, value) = (format!("k{round}"), round.to_string());
        cluster.put(&name, &value).await;
        let leader = cluster.leader().await.id;
        let start = cluster.physical.boottime();
        cluster.kill(leader).await;
        cluster.put("after", &value).await;
        fastest = fastest.min(cluster.physical.boottime() - start);
        assert_eq!(cluster.get(&name).await, Some(bytes(&value)));
        cluster.restart(leader).await;
        if fastest < FAILOVER_MAX {
            return;
        }
    }
    panic!("the fastest failover took {fastest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_cut_of_all_nodes_keeps_every_acknowledged_row() {
    let mut cluster = Cluster::start(3).await;
    for round in 0..3 {
        for number in 0..20 {
            cluster.put(&format!("k{round}-{number}"), &number.to_string()).await;
        }
        for id in [1, 2, 3] {
            cluster.kill(NodeId(id)).await;
        }
        for id in [1, 2, 3] {
            cluster.restart(NodeId(id)).await;
        }
        for earlier in 0..=round {
            for number in 0..20 {
                let found = cluster.get(&format!("k{earlier}-{number}")).await;
                assert_eq!(found, Some(bytes(&number.to_string())), "round {round}: k{earlier}-{number}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn isolated_old_leader_serves_no_stale_read() {
    let cluster = Cluster::start(3).await;
    cluster.put("k", "old").await;
    let old = cluster.leader().await.id;
    cluster.network.isolate(old);
    let overwritten = std::sync::atomic::AtomicBool::new(false);
    let reads = async {
        let (mut served, mut refused_after) = (0, 0);
        while refused_after < 20 {
            let was_overwritten = overwritten.load(std::sync::atomic::Ordering::SeqCst);
            let read = tokio::time::timeout(Duration::from_millis(50), cluster.node(old).get("k")).await;
            match read {
                Ok(Ok(value)) => {
                    assert!(!was_overwritten, "served {value:?} after another was acknowledged");
                    assert_eq!(value, Some(bytes("old")));
                    served += 1;
                }
                Ok(Err(_)) | Err(_) if was_overwritten => refused_after += 1,
                Ok(Err(_)) | Err(_) => {}
            }
        }
        served
    };
    let writes = async {
        let new = cluster.leader_among(|id| id != old).await;
        new.commit(new.commit_request(vec![Write::put(key("k"), bytes("new"))])).await.unwrap();
        overwritten.store(true, std::sync::atomic::Ordering::SeqCst);
    };
    let (served, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(reads, writes) }).await.unwrap();
    assert!(served > 0, "its lease was good for a while");
    cluster.network.heal();
    assert_eq!(cluster.get("k").await, Some(bytes("new")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_that_goes_away_frees_no_latch() {
    let cluster = Cluster::start(3).await;
    cluster.put("k", "old").await;
    let leader = cluster.leader().await;
    let replica = leader.store.replica(RANGE).unwrap();
    assert_eq!(replica.latched(), 0);
    cluster.network.isolate(leader.id);
    let request = leader.commit_request(vec![Write::put(key("k"), bytes("new"))]);
    let gone = tokio::time::timeout(Duration::from_millis(100), leader.commit(request)).await;
    assert!(gone.is_err(), "no quorum could confirm it");
    assert_eq!(replica.latched(), 1, "the entry may still be committed");
    cluster.network.heal();
    cluster.wait("end of the entry", || (replica.latched() == 0).then_some(())).await;
    let value = cluster.get("k").await;
    assert!(value == Some(bytes("new")) || value == Some(bytes("old")), "{value:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_quorum_is_told_in_time_by_a_leader() {
    let cluster = Cluster::start(3).await;
    cluster.put("k", "v").await;
    cluster.network.isolate(NodeId(2));
    cluster.network.isolate(NodeId(3));
    lost_quorum_is_told_by(&cluster, NodeId(1), &["n2", "n3"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_quorum_is_told_in_time_by_a_follower() {
    let cluster = Cluster::start(3).await;
    cluster.put("k", "v").await;
    cluster.network.isolate(NodeId(1));
    cluster.network.isolate(NodeId(2));
    lost_quorum_is_told_by(&cluster, NodeId(3), &["n1", "n2"]).await;
}

/// Asks `id` right after its peers were cut off, and again later; then heals.
async fn lost_quorum_is_told_by(cluster: &Cluster, id: NodeId, missing: &[&str]) {
    let node = cluster.node(id);
    let start = cluster.physical.boottime();
    let write = || node.commit(node.commit_request(vec![Write::put(key("k"), bytes("w"))]));
    // The first write may have reached the log: then its fate is open. Followers send elsewhere until they know better.
    let first = loop {
        let error = write().await.unwrap_err();
        if !matches!(error, RangeError::NotLeaseholder { .. }) {
            break error;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(cluster.physical.boottime() - start < PATIENCE);
    };
    let waited = cluster.physical.boottime() - start;
    assert!(waited < ANSWER_MAX, "answered after {waited:?}");
    let (RangeError::Ambiguous { detail, .. } | RangeError::Unavailable { detail, .. }) = &first else {
        panic!("{first:?}")
    };
    for part in missing.iter().chain(&["keys from 'a' to 'z'", "start these nodes again"]) {
        assert!(detail.contains(part), "{detail}");
    }

    // From now on at once, reads too, and naming the range.
    let start = cluster.physical.boottime();
    let error = node.get("k").await.unwrap_err();
    assert!(matches!(error, RangeError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains(&RANGE.to_string()), "{error}");
    assert!(cluster.physical.boottime() - start < Duration::from_secs(1));
    assert!(node.store.status(RANGE).unwrap().breaker.is_some());

    cluster.network.heal();
    cluster.put("k", "after").await;
    assert_eq!(cluster.get("k").await, Some(bytes("after")));
    let closed = || node.store.status(RANGE).unwrap().breaker.is_none().then_some(());
    cluster.wait("closed breaker", closed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leader_whose_answers_are_lost_gives_way() {
    let cluster = Cluster::start(3).await;
    cluster.put("k", "v").await;
    // Its messages arrive, so that the others keep their promise; the answers do not.
    cluster.network.cut_one_way(NodeId(2), NodeId(1));
    cluster.network.cut_one_way(NodeId(3), NodeId(1));
    let new = cluster.leader_among(|id| id != NodeId(1)).await;
    new.commit(new.commit_request(vec![Write::put(key("k"), bytes("new"))])).await.unwrap();
    cluster.network.heal();
    assert_eq!(cluster.get("k").await, Some(bytes("new")));
}
