//! Ranges that become two, while all goes well.

use std::sync::Arc;
use std::time::Duration;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Direction, ScanRequest, Span};
use quorate_placement::topology::{NodeId, RangeId};

use super::cluster::{Cluster, RANGE, bytes, key};
use crate::api::{RangeError, ReadAt, Request};
use crate::local_ranges::{LocalRangeError, LocalRanges};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_leaves_two_ranges_that_serve() {
    let cluster = Cluster::start(3).await;
    for name in ["b", "f", "m", "n", "x"] {
        cluster.put_somewhere(name, name).await;
    }
    let leader = cluster.leader().await;
    let start = cluster.physical.boottime();
    let right = leader.store.split(RANGE, Some(key("m"))).await.unwrap();
    let split = cluster.physical.boottime();
    let first = cluster.leader_of(right.range_id).await;
    println!("split in {:?}, right side led after {:?}", split - start, cluster.physical.boottime() - split);
    assert_eq!(first.id, leader.id, "the left leader's node is elected at once");
    let ranges = cluster.tiles().await;
    let [left, known] = ranges.as_slice() else { panic!("{ranges:?}") };
    assert_eq!((left.range_id, left.generation, &left.span), (RANGE, 2, &Span::new(key("a"), key("m"))));
    assert_eq!(*known, right);
    assert_eq!((right.generation, &right.span), (2, &Span::new(key("m"), key("z"))));
    for name in ["b", "f", "m", "n", "x"] {
        assert_eq!(cluster.get_somewhere(name).await, Some(bytes(name)));
        cluster.put_somewhere(name, "new").await;
        assert_eq!(cluster.get_somewhere(name).await, Some(bytes("new")));
    }
    let sizes: Vec<_> = leader.store.statuses().into_iter().map(|status| status.size_bytes).collect();
    assert!(sizes.iter().all(|&size| size > 0), "{sizes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_side_is_told_to_whoever_asks_the_other() {
    let cluster = Cluster::start(3).await;
    cluster.put("b", "v").await;
    let right = cluster.split_at("m").await;
    let leader = cluster.leader().await;
    let scan = ScanRequest {
        span: Span::new(key("a"), key("z")),
        direction: Direction::Forward,
        program: None,
        rows_max: 10,
        bytes_max: 1 << 20,
    };
    let read = ReadAt { timestamp: leader.now(), uncertainty_limit: leader.now() };
    let both = leader.ask(Request::Scan { scan, read }).await.unwrap_err();
    let RangeError::Mismatch { range_id, known } = both else { panic!("{both:?}") };
    let ids: Vec<_> = known.iter().map(|known| known.range_id).collect();
    assert_eq!((range_id, ids), (RANGE, vec![RANGE, right.range_id]));
    let gone = leader.ask(Request::Get { keys: vec![key("n")], read }).await.unwrap_err();
    let RangeError::Mismatch { known, .. } = gone else { panic!("{gone:?}") };
    assert!(known.contains(&right), "{known:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_takes_reads_over_to_the_right_side() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    // A reader ahead of all clocks, within what clocks may differ.
    let ahead = Timestamp::from_micros(cluster.physical.now_micros() + 240_000);
    let read = ReadAt { timestamp: ahead, uncertainty_limit: ahead };
    leader.ask(Request::Get { keys: vec![key("x")], read }).await.unwrap();
    let right = cluster.split_at("m").await;
    cluster.leader_of(right.range_id).await;
    let committed = cluster.put_somewhere("x", "v").await;
    assert!(committed > ahead, "{committed} is below a read at {ahead}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_is_refused_where_it_cannot_be() {
    let cluster = Cluster::start(3).await;
    cluster.put("b", "v").await;
    let leader = cluster.leader().await;
    for outside in ["a", "z", "zz"] {
        let error = leader.store.split(RANGE, Some(key(outside))).await.unwrap_err();
        assert!(matches!(error, LocalRangeError::Refused { .. }), "{outside}: {error}");
    }
    let error = leader.store.split(RANGE, None).await.unwrap_err();
    assert!(matches!(error, LocalRangeError::Refused { .. }), "one key has all bytes: {error}");
    let follower = cluster.nodes.iter().find(|node| node.id != leader.id).unwrap();
    let error = follower.store.split(RANGE, Some(key("m"))).await.unwrap_err();
    assert_eq!(error, LocalRangeError::NotLeader { range_id: RANGE });
    let error = leader.store.split(RangeId(99), Some(key("m"))).await.unwrap_err();
    assert_eq!(error, LocalRangeError::NotLeader { range_id: RangeId(99) });
    assert_eq!(cluster.tiles().await.len(), 1);
}

/// Prints how long writers wait at most while their range splits again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_stalls_writers_shortly() {
    const WRITERS: usize = 8;
    let cluster = Arc::new(Cluster::start(3).await);
    let is_over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (cluster, is_over) = (Arc::clone(&cluster), Arc::clone(&is_over));
        writers.push(tokio::spawn(async move {
            let mut waits = Vec::new();
            for round in 0_u64.. {
                if is_over.load(std::sync::atomic::Ordering::SeqCst) {
                    break;
                }
                // Keys all over the range, from b to y.
                let letter = char::from(b'b' + u8::try_from((round * 7 + writer as u64 * 5) % 24).unwrap());
                let start = cluster.physical.boottime();
                cluster.put_somewhere(&format!("{letter}-{writer}-{round}"), "v").await;
                waits.push((start, cluster.physical.boottime()));
            }
            waits
        }));
    }
    let mut moments = Vec::new();
    for at in ["m", "f", "s", "c", "p", "v", "i"] {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let start = cluster.physical.boottime();
        let right = cluster.split_at(at).await;
        cluster.leader_of(right.range_id).await;
        moments.push((start, cluster.physical.boottime()));
    }
    is_over.store(true, std::sync::atomic::Ordering::SeqCst);
    let mut waits = Vec::new();
    for writer in writers {
        waits.extend(writer.await.unwrap());
    }
    let during =
        |(from, upto): &(Duration, Duration)| moments.iter().any(|(start, end)| from < end && upto > start);
    let percentiles = |mut waits: Vec<Duration>| {
        waits.sort_unstable();
        let at = |percent: usize| waits.get((waits.len() * percent / 100).min(waits.len() - 1)).copied();
        format!("{} writes: p50 {:?} p99 {:?} max {:?}", waits.len(), at(50), at(99), waits.last())
    };
    let (within, without): (Vec<_>, Vec<_>) = waits.into_iter().partition(during);
    let lengths =
        |waits: Vec<(Duration, Duration)>| waits.into_iter().map(|(from, upto)| upto - from).collect();
    println!("splits took {:?}", moments.iter().map(|(from, upto)| *upto - *from).collect::<Vec<_>>());
    println!("while a split was under way: {}", percentiles(lengths(within)));
    println!("otherwise: {}", percentiles(lengths(without)));
    assert_eq!(cluster.tiles().await.len(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_sides_move_on_their_own() {
    let cluster = Cluster::start(3).await;
    cluster.put_somewhere("b", "left").await;
    cluster.put_somewhere("x", "right").await;
    let right = cluster.split_at("m").await;
    let leader = cluster.leader_of(right.range_id).await;
    leader.store.end_lease_and_transfer(right.range_id, NodeId(3)).await.unwrap();
    assert_eq!(cluster.leader_of(right.range_id).await.id, NodeId(3));
    assert_eq!(cluster.leader().await.id, NodeId(1), "the left side stays");
    assert_eq!(cluster.get_somewhere("x").await, Some(bytes("right")));
    assert_eq!(cluster.get_somewhere("b").await, Some(bytes("left")));
}
