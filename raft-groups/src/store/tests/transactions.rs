//! What a healthy range promises to transactions.

use quorate_engine::kv::{Direction, ScanRequest, ScanRows, Span, Write};
use quorate_engine::kv_reads::ReadSpan;
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};
use uuid::Uuid;

use super::cluster::{Cluster, RANGE, bytes, key};
use crate::api::{RangeError, RangeRequest, ReadAt, Request, Response, TransactionOutcome};
use crate::local_ranges::{LocalRangeError, LocalRanges};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn write_is_read_back_through_the_leader() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let before = leader.now();
    let writes = vec![Write::put(key("k1"), bytes("one")), Write::insert(key("k2"), bytes("two"))];
    let committed = leader.commit(leader.commit_request(writes)).await.unwrap();
    assert!(committed > before);
    assert!(committed.micros() < cluster.physical.now_micros(), "commit wait: the clock has passed it");
    assert_eq!(leader.get("k1").await.unwrap(), Some(bytes("one")));
    assert_eq!(leader.get("k3").await.unwrap(), None);

    let scan = ScanRequest {
        span: Span::new(key("a"), key("z")),
        direction: Direction::Forward,
        program: None,
        rows_max: 10,
        bytes_max: 1 << 20,
    };
    let at = |timestamp| ReadAt { timestamp, uncertainty_limit: timestamp };
    let page = leader.ask(Request::Scan { scan: scan.clone(), read: at(committed) }).await.unwrap();
    let Response::Page(page) = page else { panic!("{page:?}") };
    let pairs = vec![(key("k1"), bytes("one")), (key("k2"), bytes("two"))];
    assert_eq!(page.rows, ScanRows::Pairs(pairs));
    assert_eq!((page.served.range_id, page.served.node_id, page.served.rows_read), (7, leader.id.0, 2));
    let page = leader.ask(Request::Scan { scan, read: at(committed.prev()) }).await.unwrap();
    let Response::Page(page) = page else { panic!("{page:?}") };
    assert_eq!(page.rows, ScanRows::Pairs(Vec::new()));
    assert!(leader.store.status(RANGE).unwrap().size_bytes > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_and_strangers_say_where_to_go() {
    let cluster = Cluster::start(3).await;
    cluster.put("k", "v").await;
    let follower = cluster.node(NodeId(2));
    let hint = Some(NodeId(1));
    assert_eq!(
        follower.get("k").await.unwrap_err(),
        RangeError::NotLeaseholder { range_id: RANGE, leaseholder: hint }
    );
    let leader = cluster.leader().await;
    let known = vec![cluster.descriptor()];
    assert_eq!(
        leader.get("zz").await.unwrap_err(),
        RangeError::Mismatch { range_id: RANGE, known: known.clone() }
    );
    let other = RangeId(8);
    let read = ReadAt { timestamp: leader.now(), uncertainty_limit: leader.now() };
    let request = Request::Get { keys: vec![key("k")], read };
    let asked = leader.store.execute(RangeRequest { range_id: other, generation: 1, request }).await;
    assert_eq!(asked.unwrap_err(), RangeError::Mismatch { range_id: other, known });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_sent_again_does_nothing() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let request = leader.commit_request(vec![Write::put(key("k"), bytes("first"))]);
    let first = leader.commit(request.clone()).await.unwrap();
    let second =
        leader.commit(leader.commit_request(vec![Write::put(key("k"), bytes("second"))])).await.unwrap();
    assert!(second > first);
    assert_eq!(leader.commit(request.clone()).await.unwrap(), first);
    assert_eq!(leader.get("k").await.unwrap(), Some(bytes("second")));

    let query = Request::QueryTransaction {
        transaction: request.transaction,
        anchor: key("k"),
        started: request.started,
    };
    assert_eq!(leader.ask(query).await.unwrap(), Response::Outcome(TransactionOutcome::Committed(first)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_that_was_asked_for_before_it_came_is_refused() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let request = leader.commit_request(vec![Write::put(key("k"), bytes("late"))]);
    let query = Request::QueryTransaction {
        transaction: request.transaction,
        anchor: key("k"),
        started: request.started,
    };
    assert_eq!(leader.ask(query).await.unwrap(), Response::Outcome(TransactionOutcome::Aborted));
    assert!(matches!(leader.commit(request).await.unwrap_err(), RangeError::Refused(_)));
    assert_eq!(leader.get("k").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_update_is_refused() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    cluster.put("counter", "0").await;
    // Both read the same value and write it back, one after the other.
    let mut tasks = Vec::new();
    for number in 0..8 {
        let mut request = leader.commit_request(vec![Write::put(key("counter"), bytes(&number.to_string()))]);
        request.read_spans = vec![ReadSpan::whole(Span::point(key("counter")))];
        tasks.push(leader.commit(request));
    }
    let answers = futures::future::join_all(tasks).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.is_ok()).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.is_err()) {
        assert!(matches!(answer, Err(RangeError::Conflict { .. })), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn write_comes_after_every_read_of_its_key() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    // A reader ahead of this node's clock, within what clocks may differ.
    let ahead = quorate_engine::hlc::Timestamp::from_micros(cluster.physical.now_micros() + 200_000);
    let read = ReadAt { timestamp: ahead, uncertainty_limit: ahead };
    leader.ask(Request::Get { keys: vec![key("k")], read }).await.unwrap();
    let committed =
        leader.commit(leader.commit_request(vec![Write::put(key("k"), bytes("v"))])).await.unwrap();
    assert!(committed > ahead);
    let far = quorate_engine::hlc::Timestamp::from_micros(cluster.physical.now_micros() + 5_000_000);
    let read = ReadAt { timestamp: far, uncertainty_limit: far };
    let refused = leader.ask(Request::Get { keys: vec![key("k")], read }).await;
    assert!(matches!(refused, Err(RangeError::Refused(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_come_once_and_do_not_come_back() {
    let cluster = Cluster::start(3).await;
    cluster.put("k", "v").await;
    let descriptor = cluster.descriptor();
    let leader = cluster.leader().await;
    leader.store.create_replica(&descriptor, false).await.unwrap();
    assert_eq!(leader.get("k").await.unwrap(), Some(bytes("v")), "creating it again changes nothing");

    let mut overlapping = descriptor.clone();
    overlapping.range_id = RangeId(8);
    let error = leader.store.create_replica(&overlapping, false).await.unwrap_err();
    assert!(matches!(error, LocalRangeError::Misplaced { .. }), "{error}");

    for node in &cluster.nodes {
        node.store.destroy_replica(RANGE, ReplicaId(4)).await.unwrap();
        node.store.destroy_replica(RANGE, ReplicaId(4)).await.unwrap();
        let error = node.store.create_replica(&descriptor, false).await.unwrap_err();
        assert_eq!(error, LocalRangeError::Tombstone { range_id: RANGE });
        assert!(node.store.statuses().is_empty());
    }
    // A later incarnation of these keys starts empty.
    overlapping.range_id = RangeId(9);
    for node in cluster.nodes.iter().rev() {
        node.store.create_replica(&overlapping, node.id == NodeId(1)).await.unwrap();
    }
    let found = cluster
        .wait("the new range", || cluster.nodes[0].store.status(RangeId(9)).filter(|status| status.has_lease))
        .await;
    assert_eq!(found.size_bytes, 0);
    let now = leader.now();
    let read = ReadAt { timestamp: now, uncertainty_limit: now };
    let request = Request::Get { keys: vec![key("k")], read };
    let answer = cluster.nodes[0]
        .store
        .execute(RangeRequest { range_id: RangeId(9), generation: 1, request })
        .await
        .unwrap();
    assert_eq!(answer, Response::Values(vec![None]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_voter_serves_without_peers() {
    let mut cluster = Cluster::start(1).await;
    for round in 0..3 {
        cluster.put("k", &round.to_string()).await;
        cluster.kill(NodeId(1)).await;
        cluster.restart(NodeId(1)).await;
        assert_eq!(cluster.get("k").await, Some(bytes(&round.to_string())));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_transactions_are_refused() {
    let cluster = Cluster::start(1).await;
    let leader = cluster.leader().await;
    let mut request = leader.commit_request(vec![Write::put(key("k"), bytes("v"))]);
    let long_ago = cluster.physical.now_micros() - 11 * 60 * 1_000_000;
    request.started = quorate_engine::hlc::Timestamp::from_micros(long_ago);
    let query =
        Request::QueryTransaction { transaction: Uuid::new_v4(), anchor: key("k"), started: request.started };
    assert!(matches!(leader.commit(request).await, Err(RangeError::TooOld)));
    assert_eq!(leader.ask(query).await.unwrap(), Response::Outcome(TransactionOutcome::Unknown));
}
