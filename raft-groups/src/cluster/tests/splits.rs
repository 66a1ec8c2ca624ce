//! Ranges that split by themselves find their way into the directory, and out of it again with their table.

use super::*;
use quorate_placement::topology::RangeId;

/// Keys inside of a table.
fn inside(span: &Span, at: u8) -> Key {
    Key::from([span.start.as_ref(), &[at]].concat())
}

async fn listed(member: &Member, span: &Span) -> Vec<(u64, u64)> {
    let ranges = member.ranges(span.clone()).await.unwrap();
    for (left, right) in ranges.iter().zip(ranges.iter().skip(1)) {
        assert_eq!(left.descriptor.span.end, right.descriptor.span.start, "rows tile");
    }
    ranges.iter().map(|range| (range.descriptor.range_id.0, range.descriptor.generation)).collect()
}

async fn wait_listed(member: &Member, span: &Span, wanted: &[(u64, u64)]) {
    let begun = tokio::time::Instant::now();
    loop {
        let found = listed(member, span).await;
        if found == wanted {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "{found:?} instead of {wanted:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn split_ranges_are_published_by_their_leaders_in_any_order() {
    let Three { net, members, .. } = three().await;
    let span = table(100);
    members[0].create_table_range(span.clone()).await.unwrap();
    put(&members[1], &inside(&span, 5), "left").await;
    put(&members[1], &inside(&span, 250), "right").await;
    net.world.split_at(RangeId(2), inside(&span, 100), RangeId(50));
    net.world.split_at(RangeId(50), inside(&span, 200), RangeId(51));
    // Led by different nodes: none of them knows of the others.
    net.world.lead(RangeId(50), Some(NodeId(2)));
    net.world.lead(RangeId(51), Some(NodeId(3)));
    wait_listed(&members[2], &span, &[(2, 2), (50, 3), (51, 3)]).await;
    for member in &members {
        assert_eq!(get(member, &inside(&span, 5)).await.unwrap(), Some(Bytes::from_static(b"left")));
        assert_eq!(get(member, &inside(&span, 250)).await.unwrap(), Some(Bytes::from_static(b"right")));
        assert!(member.local_ranges().unpublished().is_empty());
    }
    let log = directory::rows::read_part(members[0].database(), keyspace::SYSTEM_PLACEMENT).await.unwrap();
    let said = |text: &str| log.iter().filter(|(_, row)| String::from_utf8_lossy(row).contains(text)).count();
    assert_eq!(said("split off at"), 2);
}

#[tokio::test(start_paused = true)]
async fn split_ranges_go_with_their_table_though_they_were_never_published() {
    let Three { net, members, .. } = three().await;
    let span = table(100);
    members[0].create_table_range(span.clone()).await.unwrap();
    members[0].create_table_range(table(101)).await.unwrap();
    // Nobody leads it, so that nobody publishes it.
    net.world.split_at(RangeId(2), inside(&span, 100), RangeId(50));
    net.world.lead(RangeId(50), None);
    members[1].drop_table_ranges(span.clone()).await.unwrap();
    assert!(net.world.created(RangeId(2)).is_empty());
    wait("the right side goes too", || net.world.created(RangeId(50)).is_empty()).await;
    assert_eq!(net.world.created(RangeId(3)).len(), 3, "another table stays");
    // One whose leader publishes it too late is removed as well.
    net.world.split_at(RangeId(3), inside(&table(101), 100), RangeId(51));
    members[1].drop_table_ranges(table(101)).await.unwrap();
    wait("the late one goes", || net.world.created(RangeId(51)).is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn split_replica_is_not_made_anew_from_the_directory() {
    let Three { net, members, .. } = three().await;
    let span = table(100);
    net.world.set_down(NodeId(3), true);
    members[0].create_table_range(span.clone()).await.unwrap();
    net.world.split_at(RangeId(2), inside(&span, 100), RangeId(50));
    wait_listed(&members[0], &span, &[(2, 2), (50, 2)]).await;
    net.world.set_down(NodeId(3), false);
    tokio::time::sleep(Duration::from_secs(10)).await;
    // An empty replica of a new range would have none of what the range held before its split.
    assert_eq!(net.world.created(RangeId(50)), [NodeId(1), NodeId(2)]);
}

#[tokio::test(start_paused = true)]
async fn placement_log_keeps_its_newest_rows() {
    let Three { members, .. } = three().await;
    for id in 100..106 {
        members[0].create_table_range(table(id)).await.unwrap();
    }
    let rows = || async {
        let rows =
            directory::rows::read_part(members[0].database(), keyspace::SYSTEM_PLACEMENT).await.unwrap();
        rows.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    let before = rows().await;
    assert!(before.len() >= 6);
    members[0].directory.trim_placement_log_to(4).await.unwrap();
    assert_eq!(rows().await, before[before.len() - 4..]);
}

#[tokio::test(start_paused = true)]
async fn split_leaders_are_spread_in_time() {
    let Three { net, members, .. } = three().await;
    let span = table(100);
    members[0].create_table_range(span.clone()).await.unwrap();
    let whole = net.world.leader(RangeId(2)).unwrap();
    for at in 1..=30_u8 {
        // Always the rightmost one is split again, and all stay where the first one was led.
        let left = if at == 1 { RangeId(2) } else { RangeId(49 + u64::from(at) - 1) };
        net.world.split_at(left, inside(&span, at * 8), RangeId(49 + u64::from(at)));
    }
    let begun = tokio::time::Instant::now();
    let spread = || {
        let mut counts = [0_u64; 3];
        for id in [1, 2].into_iter().chain(50..80) {
            let leader = net.world.leader(RangeId(id)).unwrap();
            counts[usize::try_from(leader.0 - 1).unwrap()] += 1;
        }
        counts.iter().max().unwrap() - counts.iter().min().unwrap()
    };
    assert!(spread() > 20, "all led by {whole}");
    wait("leaders are spread", || spread() <= 1).await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "took {took:?}");
}
