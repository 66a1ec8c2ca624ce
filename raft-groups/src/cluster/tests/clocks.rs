//! A node whose clock is off serves while it is within what is allowed, and says how far it is either way.

use super::*;
use crate::client::router::SYSTEM_RANGE;
use crate::cluster::status::PeerClock;

/// Three members, the second of them so many milliseconds ahead, and all that have a lease on the catalog.
async fn with_second_ahead(millis: i64) -> Three {
    let three = three_in(Net { shifts: BTreeMap::from([("b", millis * 1_000)]), ..Net::new() }).await;
    for member in &three.members {
        member.set_catalog_listener(Arc::new(Catalog(Arc::new(AtomicU64::new(1)))));
    }
    three
}

/// What the second one's report says of the first one's clock.
async fn told_of_second(member: &Member) -> (Vec<PeerClock>, Option<String>) {
    let status = member.status().await;
    let second = status.nodes.into_iter().find(|node| node.record.node_id == NodeId(2)).unwrap();
    (second.clocks, second.clock_doubt)
}

#[tokio::test(start_paused = true)]
async fn clock_within_what_is_allowed_serves_reads_and_commits() {
    for millis in [-180, 180] {
        let Three { members, .. } = with_second_ahead(millis).await;
        wait("all serve", || members.iter().all(|member| member.serves().is_ok())).await;
        members[1].create_table_range(table(100)).await.unwrap();
        let keys = [1, 2, 3].map(|row: u8| Key::from([table(100).start.as_ref(), &[row]].concat()));
        for (member, key) in members.iter().zip(&keys) {
            put(member, key, "v").await;
        }
        for key in &keys {
            for member in &members {
                assert_eq!(get(member, key).await.unwrap().as_deref(), Some(&b"v"[..]), "{millis}");
            }
        }
        // Half a minute of it changes nothing.
        tokio::time::sleep(Duration::from_secs(30)).await;
        put(&members[1], &keys[0], "w").await;
        assert_eq!(get(&members[1], &keys[0]).await.unwrap().as_deref(), Some(&b"w"[..]), "{millis}");
        assert!(members[1].serves().is_ok() && members[1].catalog_lease().is_ok());
        let (clocks, doubt) = told_of_second(&members[0]).await;
        assert_eq!(doubt, None);
        let peers: Vec<_> = clocks.iter().map(|clock| clock.node_id).collect();
        assert_eq!(peers, [NodeId(1), NodeId(3)]);
        assert!(clocks.iter().all(|clock| (clock.ahead_ms + millis).abs() <= 5), "{millis}: {clocks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn clock_beyond_what_is_allowed_serves_nothing_and_says_so() {
    let Three { members, .. } = with_second_ahead(-220).await;
    wait("the others serve", || members[0].serves().is_ok() && members[2].serves().is_ok()).await;
    wait("the second knows", || members[1].agent.clock_doubt().is_some()).await;
    let error = members[1].serves().unwrap_err().to_string();
    assert!(error.contains("behind n1's") && error.contains("beyond 200 ms"), "{error}");
    assert!(members[1].catalog_lease().is_err());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (clocks, doubt) = told_of_second(&members[0]).await;
    assert!(doubt.is_some_and(|doubt| doubt.contains("behind n1's")));
    assert!(clocks.iter().all(|clock| (215..=225).contains(&clock.ahead_ms)), "{clocks:?}");
}

#[tokio::test(start_paused = true)]
async fn metadata_leaves_a_node_whose_clock_is_wrong_and_does_not_come_back() {
    let Three { members, .. } = with_second_ahead(-220).await;
    for id in 100..104 {
        members[0].create_table_range(table(id)).await.unwrap();
    }
    wait("the second knows", || members[1].agent.clock_doubt().is_some()).await;
    let leader = members.iter().find(|member| member.calls.is_leader()).unwrap();
    leader.local_ranges().end_lease_and_transfer(SYSTEM_RANGE, NodeId(2)).await.unwrap();
    wait("a right clock leads", || members[0].calls.is_leader() || members[2].calls.is_leader()).await;
    for _ in 0..60 {
        let status = members[0].status().await;
        assert_eq!(status.partial, None);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!members[1].calls.is_leader(), "it leads no range 1");
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_stays_where_no_clock_is_right_and_the_status_says_why_it_is_partial() {
    let shifts = BTreeMap::from([("b", -220_000), ("c", 220_000)]);
    let Three { members, .. } = three_in(Net { shifts, ..Net::new() }).await;
    wait("the first knows", || members[0].agent.clock_doubt().is_some()).await;
    assert!(members[0].calls.is_leader(), "who began leads");
    for _ in 0..10 {
        let partial = members[2].status().await.partial.unwrap();
        assert!(partial.contains("range 1's leaseholder: this node's clock is"), "{partial}");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(members[0].calls.is_leader(), "there is none to hand over to");
    }
}
