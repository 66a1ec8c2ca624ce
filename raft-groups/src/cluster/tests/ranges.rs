//! Ranges are made, found, listed and removed; leaders end spread; nodes that were away catch up.

use super::*;
use crate::client::router::SYSTEM_RANGE;
use quorate_engine::kv::Fence;
use quorate_placement::topology::RangeId;
use quorate_placement::view::Liveness;

#[tokio::test(start_paused = true)]
async fn range_is_made_once_and_served_from_every_node() {
    let Three { net, members, .. } = three().await;
    let span = table(100);
    members[2].create_table_range(span.clone()).await.unwrap();
    members[1].create_table_range(span.clone()).await.unwrap();
    let ranges = members[0].ranges(span.clone()).await.unwrap();
    let [range] = ranges.as_slice() else { panic!("{ranges:?}") };
    assert_eq!(range.descriptor.span, span);
    assert_eq!(range.descriptor.nodes(), [NodeId(1), NodeId(2), NodeId(3)]);
    assert_eq!(range.leader, net.world.leader(range.descriptor.range_id));
    let zone = match range.leader.unwrap().0 {
        1 => "a",
        2 => "b",
        _ => "c",
    };
    assert_eq!(range.leader_zone.as_deref(), Some(zone));
    for member in &members {
        put(member, &span.start, "x").await;
        assert_eq!(get(member, &span.start).await.unwrap(), Some(Bytes::from_static(b"x")));
    }
    let counts: Vec<_> = members.iter().map(|member| member.router().counts()).collect();
    let remote =
        |count: fn(&crate::client::router::RouterCounts) -> u64| counts.iter().map(count).sum::<u64>();
    assert!(
        remote(|count| count.remote_reads) >= 2 && remote(|count| count.remote_writes) >= 2,
        "{counts:?}"
    );

    let inside = Span::point(span.start.clone());
    let error = members[0].create_table_range(inside).await.unwrap_err();
    assert!(matches!(&error, ClusterError::Refused(text) if text.contains("overlap")), "{error}");
    let log = directory::rows::read_part(members[0].database(), keyspace::SYSTEM_PLACEMENT).await.unwrap();
    assert_eq!(log.len(), 1, "one range, one row with the reason");
    assert!(String::from_utf8_lossy(&log[0].1).contains("leader:"));
}

#[tokio::test(start_paused = true)]
async fn range_leaders_are_spread_also_after_one_node_had_all() {
    let Three { net, members, .. } = three().await;
    for id in 100..108 {
        members[0].create_table_range(table(id)).await.unwrap();
    }
    let counts = |net: &Net| {
        let mut counts = [0_u64; 3];
        for id in 1..=9 {
            let leader = net.world.leader(RangeId(id)).unwrap();
            counts[usize::try_from(leader.0 - 1).unwrap()] += 1;
        }
        counts
    };
    let spread = |counts: [u64; 3]| counts.iter().max().unwrap() - counts.iter().min().unwrap();
    assert!(spread(counts(&net)) <= 1, "{:?}", counts(&net));
    for id in 2..=9 {
        net.world.lead(RangeId(id), Some(NodeId(2)));
    }
    wait("leaders are spread", || spread(counts(&net)) <= 1).await;
}

#[tokio::test(start_paused = true)]
async fn range_replicas_missed_while_away_are_made_and_dropped_later() {
    let Three { net, members, .. } = three().await;
    let away = NodeId(3);
    net.world.set_down(away, true);
    members[0].create_table_range(table(100)).await.unwrap();
    let range_id = RangeId(2);
    assert_eq!(net.world.created(range_id).len(), 2);
    net.world.set_down(away, false);
    wait("the third replica", || net.world.created(range_id).contains(&away)).await;

    net.world.set_down(away, true);
    members[1].drop_table_ranges(table(100)).await.unwrap();
    assert_eq!(net.world.created(range_id), [away]);
    net.world.set_down(away, false);
    wait("the last replica is gone", || net.world.created(range_id).is_empty()).await;
    let error = get(&members[0], &table(100).start).await.unwrap_err();
    assert!(matches!(error, quorate_engine::kv::KvError::NoRange { .. }), "{error}");
    assert_eq!(members[2].ranges(table(100)).await.unwrap(), []);
    members[2].drop_table_ranges(table(100)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn range_needs_a_majority_of_its_replicas() {
    let Three { net, members, .. } = three().await;
    net.world.set_down(NodeId(2), true);
    net.world.set_down(NodeId(3), true);
    let error = members[0].create_table_range(table(100)).await.unwrap_err();
    assert!(matches!(&error, ClusterError::Unavailable(text) if text.contains("only 1 of 3")), "{error}");
    // It was entered all the same: when the nodes return, asking again finds it.
    net.world.set_down(NodeId(2), false);
    net.world.set_down(NodeId(3), false);
    members[0].create_table_range(table(100)).await.unwrap();
    assert_eq!(net.world.created(RangeId(2)).len(), 3);
    assert_eq!(members[0].ranges(table(100)).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn status_is_told_by_the_leaseholder_and_else_from_what_one_node_knows() {
    let Three { net, members, .. } = three().await;
    members[0].create_table_range(table(100)).await.unwrap();
    // No node has reported the new range yet, and nobody says that it has no quorum.
    let status = members[2].status().await;
    assert_eq!((status.partial.as_deref(), status.told_by), (None, NodeId(1)));
    assert!(status.nodes.iter().all(|node| node.liveness == Liveness::Live && node.disk_total_bytes == 100));
    assert_eq!(status.nodes.iter().map(|node| node.leaders).sum::<u64>(), 2);
    assert_eq!(
        (status.ranges.len(), status.without_quorum().count(), status.short_of_replicas().count()),
        (2, 0, 0)
    );

    net.network.isolate(NodeId(3));
    tokio::time::sleep(crate::limits::SUSPECT_AFTER).await;
    wait("node 3 is suspect", || {
        let liveness = members[0].leader.with_board(|board, now| board.liveness(NodeId(3), now.boot));
        liveness == Some(Liveness::Suspect)
    })
    .await;
    let status = members[1].status().await;
    assert!(status.ranges.iter().all(|range| range.missing == [NodeId(3)]), "{:?}", status.ranges);
    assert_eq!((status.without_quorum().count(), status.short_of_replicas().count()), (0, 2));

    let status = members[2].status().await;
    assert!(status.partial.is_some() && status.told_by == NodeId(3));
    assert!(status.ranges.iter().all(|range| !range.has_quorum()), "{:?}", status.ranges);
    assert!(
        status.nodes.iter().any(|node| node.heard_ms.is_some_and(|age| age >= 3_000)),
        "{:?}",
        status.nodes
    );
}

#[tokio::test(start_paused = true)]
async fn settings_are_checked_stored_and_seen_by_all() {
    let Three { members, .. } = three().await;
    let error = members[0].set_setting("range_max", "1GiB").await.unwrap_err();
    assert!(matches!(error, ClusterError::Setting(_)), "{error}");
    members[0].set_setting("statement_quorum_wait", "300ms").await.unwrap();
    let seen = || {
        let settings = members[2].settings();
        settings.iter().any(|value| value.setting.name == "statement_quorum_wait" && value.value == "300ms")
    };
    wait("node 3 sees the setting", seen).await;
    assert_eq!(members[2].database().budget().full(), Duration::from_millis(300), "and goes by it");
    assert!(members[1].router().system_range().range_id == SYSTEM_RANGE);
}

/// Whoever drives a job says what its row begins with: the call of one that was replaced changes nothing.
#[tokio::test(start_paused = true)]
async fn ranges_are_made_and_removed_for_whom_the_fence_lets() {
    let Three { members, .. } = three().await;
    let key = Key::from([keyspace::system_prefix(keyspace::SYSTEM_CATALOG).as_ref(), b"job"].concat());
    let fence =
        |prefix: &'static str| Fence { key: key.clone(), prefix: Bytes::from_static(prefix.as_bytes()) };
    let refused = |result: Result<(), ClusterError>| matches!(result, Err(ClusterError::Refused(_)));
    assert!(refused(members[1].create_fenced_range(table(100), fence("one")).await), "there is no row");
    put(&members[0], &key, "one driver").await;
    members[1].create_fenced_range(table(100), fence("one")).await.unwrap();
    put(&members[0], &key, "two drivers").await;
    assert!(refused(members[1].create_fenced_range(table(101), fence("one")).await));
    assert!(refused(members[1].drop_fenced_ranges(table(100), fence("one")).await));
    let ranges = members[2].ranges(directory::rows::table_keys()).await.unwrap();
    assert_eq!(ranges.len(), 1, "nothing was made and nothing removed");
    members[2].drop_fenced_ranges(table(100), fence("two")).await.unwrap();
    assert!(members[2].ranges(directory::rows::table_keys()).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn directory_that_rests_is_read_once_by_each_node() {
    let Three { members, .. } = three().await;
    for id in 100..110 {
        members[0].create_table_range(table(id)).await.unwrap();
    }
    let rows_read = || members.iter().map(|member| member.directory.rows_read()).collect::<Vec<_>>();
    // Leaders come to rest.
    tokio::time::sleep(Duration::from_secs(30)).await;
    let before = rows_read();
    assert!(before.iter().all(|rows| *rows >= 10), "each node knows each row: {before:?}");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rows_read(), before, "nothing was written, and yet rows were read");
    members[0].create_table_range(table(110)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    for (after, before) in rows_read().into_iter().zip(before) {
        assert!((1..=2).contains(&(after - before)), "one row is new: {} were read", after - before);
    }
}
