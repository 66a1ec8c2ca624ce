//! What a status says of nodes that do not report, and of ranges that nobody leads.

use super::*;
use crate::cluster::status::Presence;
use quorate_placement::topology::RangeId;

fn presence_of(status: &status::ClusterStatus, node: u64) -> Presence {
    let found = status.nodes.iter().find(|known| known.record.node_id == NodeId(node));
    found.map(|node| node.presence).unwrap()
}

/// Asks until the status is as wanted.
async fn until(member: &Member, what: &str, wanted: impl Fn(&status::ClusterStatus) -> bool) {
    let asking = async {
        while !wanted(&member.status().await) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

#[tokio::test(start_paused = true)]
async fn status_right_after_init_waits_for_reports_and_misses_nobody() {
    let net = Net::new();
    let stores: Vec<_> = (0..3).map(|_| Arc::new(MemoryStore::new())).collect();
    let mut nodes = Vec::new();
    for (name, store) in ["a", "b", "c"].iter().zip(&stores) {
        nodes.push(net.process(name, store).await);
    }
    nodes[0].init().await.unwrap();
    let member = nodes[0].member().unwrap();
    for _ in 0..20 {
        let status = member.status().await;
        assert_eq!((status.without_quorum().count(), status.leaderless().count()), (0, 0));
        let is_missing = |presence| matches!(presence, Presence::Missing | Presence::Unreachable { .. });
        assert!(!(1..=3).any(|node| is_missing(presence_of(&status, node))), "{:?}", status.nodes);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let status = member.status().await;
    assert!((1..=3).all(|node| presence_of(&status, node) == Presence::Reports), "{:?}", status.nodes);
}

#[tokio::test(start_paused = true)]
async fn node_that_others_hear_is_unreachable_and_one_that_nobody_hears_is_missing() {
    let Three { net, members, .. } = three().await;
    for (from, to) in [(1, 3), (3, 1)] {
        net.network.cut_one_way(NodeId(from), NodeId(to));
    }
    let heard = Presence::Unreachable { heard_by: Some(NodeId(2)) };
    until(&members[0], "n2 hears n3", |status| presence_of(status, 3) == heard).await;
    // Nobody hears it any more, and it answers at its address.
    net.network.isolate(NodeId(3));
    let answers = Presence::Unreachable { heard_by: None };
    until(&members[0], "n3 answers at its address", |status| presence_of(status, 3) == answers).await;
    net.kill("c");
    until(&members[0], "n3 is missing", |status| presence_of(status, 3) == Presence::Missing).await;
}

#[tokio::test(start_paused = true)]
async fn node_cut_off_from_all_says_that_the_others_run() {
    let Three { net, members, .. } = three().await;
    net.network.isolate(NodeId(3));
    let runs = Presence::Unreachable { heard_by: None };
    let both_run = |status: &status::ClusterStatus| {
        status.partial.is_some() && [1, 2].into_iter().all(|node| presence_of(status, node) == runs)
    };
    until(&members[2], "the others answer at their addresses", both_run).await;
    net.kill("b");
    until(&members[2], "n2 is missing", |status| presence_of(status, 2) == Presence::Missing).await;
}

#[tokio::test(start_paused = true)]
async fn range_that_nobody_leads_is_told_without_its_last_leader() {
    let Three { net, members, .. } = three().await;
    members[0].create_table_range(table(100)).await.unwrap();
    let range_id = RangeId(2);
    until(&members[0], "it is led", |status| status.leaderless().count() == 0).await;
    assert!(members[1].ranges(table(100)).await.unwrap()[0].leader.is_some());
    tokio::time::sleep(crate::limits::SUSPECT_AFTER).await;
    net.world.lead(range_id, None);
    until(&members[0], "nobody leads it", |status| {
        status.leaderless().map(|range| (range.range_id, range.leader)).eq([(range_id, None)])
    })
    .await;
    assert_eq!(members[1].ranges(table(100)).await.unwrap()[0].leader, None);
    net.world.lead(range_id, Some(NodeId(2)));
    until(&members[0], "it is led again", |status| {
        status.leaderless().count() == 0
            && status.ranges.iter().any(|range| range.range_id == range_id && range.leader == Some(NodeId(2)))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn contact_with_range_1_is_lost_with_its_leaseholder_and_comes_back() {
    let Three { net, members, .. } = three().await;
    wait("it answers", || members[2].metadata_silence() < Duration::from_millis(1_500)).await;
    net.network.isolate(NodeId(1));
    let others = &members[1..];
    wait("nobody answers", || others.iter().all(|member| member.metadata_silence() > Duration::from_secs(4)))
        .await;
    net.network.heal();
    wait("it answers again", || {
        others.iter().all(|member| member.metadata_silence() < Duration::from_millis(1_500))
    })
    .await;
}
