//! What `quorate status` prints: the verdict, who is missing, and what to do.

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::keyspace;
use quorate_placement::topology::{RangeId, StoreId};
use quorate_raft_groups::cluster::node_format::NodeRecord;
use quorate_raft_groups::cluster::status::DiskSyncs;
use uuid::Uuid;

use super::*;

fn node(id: u64, liveness: Liveness) -> NodeStatus {
    let record = NodeRecord {
        node_id: NodeId(id),
        store_id: StoreId(id),
        address: format!("127.0.0.1:700{id}"),
        sql_address: format!("127.0.0.1:540{id}"),
        http_address: String::new(),
        locality: "region=eu,zone=a".parse().unwrap(),
        incarnation: 1,
        started: Timestamp::MIN,
        versions: quorate_raft_groups::versions::Versions::OWN,
    };
    let heard_ms = Some(if liveness.answers() { 100 } else { 252_000 });
    let (disk_used_bytes, disk_total_bytes) = (25 << 30, 100 << 30);
    let catalog_version = Some(1);
    NodeStatus {
        record,
        liveness,
        heard_ms,
        leaders: 1,
        replicas: 2,
        disk_used_bytes,
        disk_total_bytes,
        catalog_version,
        clock_offset_ms: Some(if id == 1 { 0 } else { -3 }),
        absence: None,
        presence: if liveness.answers() { Presence::Reports } else { Presence::Missing },
        syncs: DiskSyncs { p99_ms: 3, longest_ms: 9, running_ms: 0 },
        clocks: Vec::new(),
        clock_doubt: None,
        damaged_files: Vec::new(),
    }
}

fn range(id: u64, missing: &[u64]) -> RangeStatus {
    RangeStatus {
        range_id: RangeId(id),
        span: keyspace::table_span(100 + id),
        replicas: vec![NodeId(1), NodeId(2), NodeId(3)],
        missing: missing.iter().copied().map(NodeId).collect(),
        leader: Some(NodeId(1)),
        size_bytes: 1,
        complaint: None,
        generation: 1,
        members: Vec::new(),
        change: None,
        outlook: None,
        leaderless_ms: None,
    }
}

fn status(down: &[u64], ranges: Vec<RangeStatus>) -> ClusterStatus {
    let liveness = |id| if down.contains(&id) { Liveness::Suspect } else { Liveness::Live };
    ClusterStatus {
        cluster_id: Uuid::nil(),
        told_by: NodeId(1),
        told_at: Timestamp::MIN,
        partial: None,
        nodes: (1..=3).map(|id| node(id, liveness(id))).collect(),
        ranges,
    }
}

#[test]
fn verdict_is_the_worst_of_what_is_known() {
    assert_eq!(Verdict::of(&status(&[], vec![range(2, &[])])), Verdict::Healthy);
    assert_eq!(Verdict::of(&status(&[2], vec![range(2, &[])])), Verdict::Degraded);
    assert_eq!(Verdict::of(&status(&[], vec![range(2, &[3])])), Verdict::Degraded);
    assert_eq!(Verdict::of(&status(&[2, 3], vec![range(2, &[]), range(3, &[2, 3])])), Verdict::Critical);
    let alone = ClusterStatus { partial: Some("nobody answers".to_owned()), ..status(&[], Vec::new()) };
    assert_eq!(Verdict::of(&alone), Verdict::Unknown);
    assert!(!is_healthy(&alone));
}

#[test]
fn text_of_a_lost_node_names_it_and_what_to_run() {
    let text = render_text(&status(&[2], vec![range(2, &[]), range(3, &[2])]), "127.0.0.1:7001");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "DEGRADED  1 of 3 nodes down · 2 ranges: 0 without quorum, 1 short of replicas");
    let wanted = [
        " n2    region=eu,zone=a  missing  1        2         25 % of 100 GiB  4 min ago   127.0.0.1:5402",
        " n2  missing: heard 4 min ago, and by nobody since",
        " r3  /Table/103../Table/104  replicas n1, n2, n3, missing n2",
        "  look whether n2 runs: it does not answer at 127.0.0.1:7002; if it runs, look at its log and its disk; if its process has ended, start it again on its data \
         directory: quorate start --listen 127.0.0.1:7002 --locality region=eu,zone=a …",
    ];
    for line in wanted {
        assert!(lines.contains(&line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn text_of_health_has_nothing_to_do_and_json_the_same_verdict() {
    let healthy = status(&[], vec![range(2, &[])]);
    assert!(render_text(&healthy, "host").ends_with("\nnothing to do\n"));
    let json = render_json(&healthy);
    assert_eq!((json["verdict"].as_str(), json["nodes"][2]["id"].as_u64()), (Some("HEALTHY"), Some(3)));
    let short = render_text(&status(&[], vec![range(2, &[3])]), "host");
    assert!(short.contains("ask again: quorate status --host host"), "{short}");
}

fn change(failure: Option<&str>) -> ChangeStatus {
    ChangeStatus {
        range_id: RangeId(3),
        add: Some(NodeId(4)),
        remove: Some(NodeId(2)),
        stage: "copying".to_owned(),
        elapsed_ms: 5_400,
        bytes: 3 << 20,
        bytes_expected: 12 << 20,
        copying_ms: 2_000,
        failure: failure.map(str::to_owned),
    }
}

/// Three nodes of which the second is dead.
fn dead(ranges: Vec<RangeStatus>) -> ClusterStatus {
    let mut status = status(&[2], ranges);
    status.nodes[1].liveness = Liveness::Dead;
    status
}

#[test]
fn text_of_a_repair_says_how_far_it_is_and_how_long_it_takes() {
    let mut range = range(3, &[2]);
    range.change = Some(change(None));
    let text = render_text(&dead(vec![range.clone()]), "host");
    assert!(
        text.contains("      n4 replaces n2: copying, 3.0 of 12.0 MiB, about 6 s left, for 5 s\n"),
        "{text}"
    );
    assert!(
        text.contains("  wait: the replicas of n2 are being replaced, 1 ranges still name it\n"),
        "{text}"
    );
    let json = render_json(&dead(vec![range.clone()]));
    let told = &json["ranges"][0]["change"];
    assert_eq!((told["left_ms"].as_u64(), told["bytes"].as_u64()), (Some(6_000), Some(3 << 20)));

    range.change = Some(change(Some("n4 is full")));
    let text = render_text(&dead(vec![range.clone()]), "host");
    assert!(text.contains("      n4 replaces n2: failed: n4 is full\n"), "{text}");
    (range.change, range.outlook) = (None, Some("no node can take a replica (n1: has a replica)".to_owned()));
    let text = render_text(&dead(vec![range]), "host");
    assert!(text.contains("      no node can take a replica (n1: has a replica)\n"), "{text}");
    assert!(text.contains("start another node where none can\n"), "{text}");
}

#[test]
fn text_of_a_dead_node_that_no_range_needs_is_healthy() {
    let mut whole = range(2, &[]);
    whole.replicas = vec![NodeId(1), NodeId(3), NodeId(4)];
    let status = dead(vec![whole.clone()]);
    assert!(is_healthy(&status));
    let text = render_text(&status, "host");
    assert!(text.starts_with("HEALTHY  0 of 3 nodes down"), "{text}");
    assert!(text.contains("dead, and no range needs them any more: n2."), "{text}");
    // A move of a range that lacks nothing is told too.
    whole.change = Some(change(None));
    let text = render_text(&dead(vec![whole]), "host");
    assert!(
        text.contains(
            "replicas on the move:
 r2  n4 replaces n2: copying"
        ),
        "{text}"
    );
    // While a range still names it, it is missed.
    assert!(!is_healthy(&dead(vec![range(2, &[2])])));
}

#[test]
fn ranges_are_listed_and_described_with_readable_keys() {
    let mut seventh = range(7, &[3]);
    seventh.leader = None;
    seventh.members = [(1, 1, true, Some(500)), (4, 3, false, None)]
        .map(|(replica, node, is_voter, applied)| MemberStatus {
            replica_id: quorate_placement::topology::ReplicaId(replica),
            node_id: NodeId(node),
            is_voter,
            applied,
            damage: None,
        })
        .to_vec();
    let listed = ranges::list(&status(&[], vec![range(2, &[]), seventh.clone()]));
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines[0], " range  start       end         leader  replicas    size");
    assert_eq!(lines[2], " r7     /Table/107  /Table/108  -       n1, n2, n3  1 B");
    let described = ranges::describe(&seventh);
    let lines: Vec<&str> = described.lines().collect();
    assert_eq!(lines[0], "r7  /Table/107../Table/108");
    assert_eq!(lines[1], "  generation 1, 1 B, led by nobody");
    assert!(lines[2].contains("from 0x02000000000000006b to 0x02000000000000006c"), "{described}");
    assert!(lines.contains(&" p1       n1    voter    500      there"), "{described}");
    assert!(lines.contains(&" p4       n3    learner  -        missing"), "{described}");
}

#[test]
fn text_of_wrong_clocks_names_the_machine_to_mend() {
    let with = |offsets: [i64; 2]| {
        let mut status = status(&[], vec![range(2, &[])]);
        for (node, offset) in status.nodes.iter_mut().skip(1).zip(offsets) {
            node.clock_offset_ms = Some(offset);
        }
        status
    };
    let one = with([-1_004, 12]);
    let text = render_text(&one, "host");
    assert!(text.starts_with("DEGRADED"), "{text}");
    assert!(text.contains("these nodes serve no clients:\n n2  1004 ms behind\n"), "{text}");
    assert!(text.contains("  mend the time synchronisation of n2's machine"), "{text}");
    assert!(!is_healthy(&one));
    // Both others are off by the same: it is the teller.
    let text = render_text(&with([400, 410]), "host");
    assert!(text.contains("these nodes serve no clients:\n n1  400 ms behind\n"), "{text}");
    assert!(is_healthy(&with([200, -200])));
}

#[test]
fn json_of_what_is_found_says_how_bad_it_is_and_what_to_do() {
    let mut status = status(&[2], vec![range(2, &[])]);
    status.nodes[0].disk_used_bytes = 99 << 30;
    let json = render_json(&status);
    let kinds: Vec<_> = json["findings"].as_array().unwrap().iter().map(|found| &found["kind"]).collect();
    assert_eq!(kinds, ["nodes_silent", "disks_full"]);
    let full = &json["findings"][1];
    assert_eq!((full["severity"].as_str(), json["verdict"].as_str()), (Some("critical"), Some("CRITICAL")));
    assert!(full["do"][0].as_str().unwrap().contains("quorate range move"), "{full}");
    assert_eq!(json["nodes"][1]["state"], "missing");
}

mod scripts;
