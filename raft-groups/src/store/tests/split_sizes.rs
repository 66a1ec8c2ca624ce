//! Ranges that are split because they are too large.

use std::time::Duration;

use super::cluster::{Cluster, RANGE, bytes};
use crate::api::RangeError;
use crate::local_ranges::LocalRanges;

/// Smallest size that can be set.
const RANGE_MAX_BYTES: u64 = 64 << 10;

async fn load(cluster: &Cluster, rows: std::ops::Range<usize>, value: &str) {
    for start in rows.clone().step_by(16) {
        let puts = (start..(start + 16).min(rows.end)).map(|row| {
            let letter = char::from(b'b' + u8::try_from(row % 24).unwrap());
            async move { cluster.put_somewhere(&format!("{letter}{row:05}"), value).await }
        });
        futures::future::join_all(puts).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn size_splits_a_range_as_often_as_needed() {
    let cluster = Cluster::start(3).await;
    for node in &cluster.nodes {
        node.store.set_range_max_bytes(RANGE_MAX_BYTES);
    }
    let value = "v".repeat(1_000);
    load(&cluster, 0..600, &value).await;
    let largest = || {
        let statuses = cluster.nodes.iter().flat_map(|node| node.store.statuses());
        let led = statuses.filter(|status| status.has_lease).map(|status| status.size_bytes);
        led.max().filter(|&largest| largest <= RANGE_MAX_BYTES)
    };
    cluster.wait("ranges within their size", largest).await;
    let tiles = cluster.tiles().await;
    println!("{} ranges", tiles.len());
    assert!(tiles.len() >= 8, "{} ranges", tiles.len());
    for row in (0..600).step_by(37) {
        let letter = char::from(b'b' + u8::try_from(row % 24).unwrap());
        assert_eq!(cluster.get_somewhere(&format!("{letter}{row:05}")).await, Some(bytes(&value)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn size_of_one_key_is_left_alone() {
    let cluster = Cluster::start(3).await;
    for node in &cluster.nodes {
        node.store.set_range_max_bytes(RANGE_MAX_BYTES);
    }
    let value = "v".repeat(20_000);
    for _ in 0..20 {
        cluster.put_somewhere("hot", &value).await;
    }
    assert_eq!(cluster.tiles().await.len(), 1);
    assert!(cluster.leader().await.store.status(RANGE).unwrap().size_bytes > 4 * RANGE_MAX_BYTES);
    // As soon as there is another key it can be split.
    cluster.put_somewhere("other", &value).await;
    let value = "v".repeat(50_000);
    for number in 0..8 {
        cluster.put_somewhere(&format!("other{number}"), &value).await;
    }
    cluster.wait("a split", || (cluster.nodes[0].store.statuses().len() > 1).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn size_beyond_twice_the_limit_holds_writers_until_the_split() {
    let cluster = Cluster::start(3).await;
    let value = "v".repeat(1_000);
    load(&cluster, 0..200, &value).await;
    let leader = cluster.leader().await;
    // No ids, no split: as if range 1 were away.
    while leader.store.ids.take().is_some() {}
    leader.store.set_range_max_bytes(RANGE_MAX_BYTES);
    let start = cluster.physical.boottime();
    let error = leader.try_put("b1", "v").await.unwrap_err();
    assert!(matches!(error, RangeError::Busy { range_id: RANGE, .. }), "{error:?}");
    assert!(cluster.physical.boottime() - start >= Duration::from_millis(900), "it was waited for");
    assert_eq!(leader.try_get("b00000").await.unwrap(), Some(bytes(&value)), "reads go on");
    leader.store.offer_range_ids(500..600);
    cluster.put_somewhere("b1", "v").await;
    assert!(cluster.tiles().await.len() > 1);
}
