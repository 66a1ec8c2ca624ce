//! What `quorate status` prints: the verdict, who is missing, and what to do.

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::keyspace;
use quorate_placement::topology::{RangeId, StoreId};
use quorate_raft_groups::cluster::node_format::NodeRecord;
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
        " n2    region=eu,zone=a  suspect  1        2         25 % of 100 GiB  4 min ago   127.0.0.1:5402",
        " r3  /Table/103../Table/104  replicas n1, n2, n3, missing n2",
        "  start n2 again on its data directory: quorate start --listen 127.0.0.1:7002 --locality region=eu,zone=a …",
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
