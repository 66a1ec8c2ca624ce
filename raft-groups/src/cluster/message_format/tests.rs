//! Messages between members survive their bytes, damaged ones are refused, and the bytes are those of the fixtures.

use bytes::Bytes;
use proptest::prelude::*;
use quorate_engine::kv::Key;
use quorate_engine::testing::fixture;
use quorate_placement::topology::StoreId;
use quorate_placement::view::Liveness;
use uuid::Uuid;

use super::*;
use crate::cluster::admin::{AdminCommand, AdminRequest, Token};
use crate::cluster::bootstrap_format::{
    BootstrapAnswer, BootstrapRequest, decode_bootstrap_answer, decode_bootstrap_request,
    encode_bootstrap_answer, encode_bootstrap_request,
};
use crate::cluster::node_format::NodeRecord;
use crate::cluster::range_command::{LookAt, RangeCommand};
use crate::cluster::status::{MemberStatus, NodeStatus, PeerClock, Presence, RangeStatus};

fn span() -> Span {
    Span::new(Key::from(b"a".as_slice()), Key::default())
}

fn fence() -> Fence {
    Fence { key: Key::from(b"job".as_slice()), prefix: Bytes::from_static(&[1, 0, 2]) }
}

fn record() -> NodeRecord {
    NodeRecord {
        node_id: NodeId(3),
        store_id: StoreId(9),
        address: "c:1".to_owned(),
        sql_address: "c:2".to_owned(),
        http_address: "c:3".to_owned(),
        locality: "zone=c".parse().unwrap(),
        incarnation: 2,
        started: Timestamp::from_micros(4),
    }
}

fn requests() -> Vec<ClusterRequest> {
    let replica = ReplicaReport {
        range_id: RangeId(7),
        replica_id: ReplicaId(3),
        applied: 400,
        has_lease: true,
        leader: Some(NodeId(3)),
        size_bytes: 300,
        complaint: Some("n2 is silent".to_owned()),
        damage: Some("file 000012.sst of the store is damaged".to_owned()),
    };
    vec![
        ClusterRequest::Report(NodeReport {
            catalog_version: Some(5),
            disk_used_bytes: 1,
            disk_total_bytes: 1 << 40,
            system_generation: 4,
            replicas: vec![replica],
            changes: vec![change()],
            syncs: DiskSyncs { p99_ms: 12, longest_ms: 400, running_ms: 2_000 },
            peers: vec![
                PeerReport { node_id: NodeId(1), silence_ms: 20, clock_ahead_ms: Some(-180) },
                PeerReport { node_id: NodeId(2), silence_ms: 9_000, clock_ahead_ms: None },
            ],
            clock_doubt: Some("210 ms behind n1's".to_owned()),
            damaged_files: vec!["000012.sst".to_owned()],
        }),
        ClusterRequest::CatalogChanged { version: 6 },
        ClusterRequest::CreateReplica {
            descriptor: RangeDescriptor::new(RangeId(7), span(), &[NodeId(1), NodeId(3)]),
            campaign: true,
        },
        ClusterRequest::DestroyReplica { range_id: RangeId(7), next_replica_id: ReplicaId(4) },
        ClusterRequest::ChangeReplicas {
            range_id: RangeId(7),
            generation: 300,
            add: Some(NodeId(4)),
            remove: None,
        },
        ClusterRequest::CreateLearner {
            descriptor: RangeDescriptor::new(RangeId(7), span(), &[NodeId(1), NodeId(3)]),
        },
        ClusterRequest::Describe { range_id: RangeId(7) },
        ClusterRequest::CreateRangeFenced { span: span(), fence: fence() },
        ClusterRequest::DropRangesFenced { span: span(), fence: fence() },
        ClusterRequest::Progress { range_id: RangeId(7), replica_id: ReplicaId(4) },
        ClusterRequest::Collect { descriptor: RangeDescriptor::new(RangeId(7), span(), &[NodeId(1)]) },
        ClusterRequest::TransferLease { range_id: RangeId(7), to: NodeId(2) },
        ClusterRequest::CreateRange { span: span() },
        ClusterRequest::DropRanges { span: span() },
        ClusterRequest::AwaitCatalog { version: 6 },
        ClusterRequest::Status,
        ClusterRequest::PublishRanges {
            descriptors: vec![RangeDescriptor::new(RangeId(8), span(), &[NodeId(2)])],
        },
        ClusterRequest::SplitRange { range_id: RangeId(7), at: Some(Key::from(&b"m"[..])) },
        ClusterRequest::SplitRange { range_id: RangeId(7), at: None },
        ClusterRequest::RemoveNode { node: NodeId(300) },
    ]
}

fn change() -> ChangeStatus {
    ChangeStatus {
        range_id: RangeId(7),
        add: Some(NodeId(4)),
        remove: None,
        stage: "copying".to_owned(),
        elapsed_ms: 2_000,
        bytes: 300,
        bytes_expected: 900,
        copying_ms: 1_000,
        failure: Some("n4 is full".to_owned()),
    }
}

fn status() -> ClusterStatus {
    let node = |liveness| NodeStatus {
        record: record(),
        liveness,
        heard_ms: Some(20),
        leaders: 1,
        replicas: 2,
        disk_used_bytes: 3,
        disk_total_bytes: 4,
        catalog_version: None,
        clock_offset_ms: match liveness {
            Liveness::Live => None,
            Liveness::Suspect => Some(-1_004),
            Liveness::Dead => Some(i64::MAX),
            Liveness::Draining => Some(i64::MIN),
        },
        absence: (liveness == Liveness::Dead).then(|| "its store has forgotten something".to_owned()),
        presence: match liveness {
            Liveness::Live => Presence::Reports,
            Liveness::Suspect => Presence::Unheard { is_awaited: false },
            Liveness::Dead => Presence::Missing,
            Liveness::Draining => Presence::Unreachable { heard_by: Some(NodeId(2)) },
        },
        syncs: DiskSyncs { p99_ms: 12, longest_ms: 400, running_ms: 2_000 },
        clocks: vec![PeerClock { node_id: NodeId(1), ahead_ms: -180 }],
        clock_doubt: (liveness == Liveness::Live).then(|| "210 ms behind n1's".to_owned()),
        damaged_files: vec!["000012.sst".to_owned(), "000017.sst".to_owned()],
    };
    ClusterStatus {
        cluster_id: Uuid::from_u128(1),
        told_by: NodeId(1),
        told_at: Timestamp::from_micros(1),
        partial: Some("range 1 is away".to_owned()),
        nodes: [Liveness::Live, Liveness::Suspect, Liveness::Dead, Liveness::Draining].map(node).to_vec(),
        ranges: vec![RangeStatus {
            range_id: RangeId(7),
            span: span(),
            replicas: vec![NodeId(1), NodeId(3)],
            missing: vec![NodeId(3)],
            leader: None,
            size_bytes: 9,
            complaint: None,
            generation: 3,
            members: vec![MemberStatus {
                replica_id: ReplicaId(2),
                node_id: NodeId(3),
                is_voter: true,
                applied: Some(500),
                damage: Some("file 000012.sst of the store is damaged".to_owned()),
            }],
            change: Some(change()),
            outlook: Some("no node can take a replica".to_owned()),
            leaderless_ms: Some(4_000),
        }],
    }
}

fn answers() -> Vec<ClusterAnswer> {
    vec![
        ClusterAnswer::Done,
        ClusterAnswer::Lease {
            until: Some(Timestamp::from_micros(1)),
            required_version: 2,
            system: Some(RangeDescriptor::new(RangeId(1), span(), &[NodeId(1)])),
        },
        ClusterAnswer::Lease { until: None, required_version: 3, system: None },
        ClusterAnswer::Described(None),
        ClusterAnswer::Described(Some(RangeDescriptor::new(RangeId(7), span(), &[NodeId(1)]))),
        ClusterAnswer::Progress(None),
        ClusterAnswer::Progress(Some(ReplicaProgress { applied: 900, bytes: 5, bytes_expected: 6 })),
        ClusterAnswer::Catalog { version: Some(4) },
        ClusterAnswer::Status(Box::new(status())),
        ClusterAnswer::NotLeader { leader: Some(NodeId(2)) },
        ClusterAnswer::Unavailable("no".to_owned()),
        ClusterAnswer::Refused("never".to_owned()),
        ClusterAnswer::Published(vec![Verdict::Stands, Verdict::Waits, Verdict::Gone]),
        ClusterAnswer::Range(Box::new(RangeDescriptor::new(RangeId(8), span(), &[NodeId(2)]))),
    ]
}

fn admin(command: AdminCommand) -> BootstrapRequest {
    let (token, store_id) = (Some(Token::new("secret")), Some(StoreId(u64::MAX)));
    BootstrapRequest::Admin(AdminRequest { token, store_id, command })
}

fn check<T: PartialEq + std::fmt::Debug>(
    messages: &[T],
    encode: impl Fn(&T) -> Vec<u8>,
    decode: impl Fn(&[u8]) -> Result<T, CodecError>,
) {
    for message in messages {
        let bytes = encode(message);
        assert_eq!(decode(&bytes).as_ref(), Ok(message));
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).is_err(), "{message:?} cut at {cut}");
        }
    }
}

#[test]
fn messages_survive_their_bytes() {
    check(&requests(), encode_request, decode_request);
    check(&answers(), encode_answer, decode_answer);
    let bootstrap = [
        BootstrapRequest::Probe { asker: StoreId(5) },
        BootstrapRequest::Join(record()),
        BootstrapRequest::Status,
        BootstrapRequest::Serves,
        admin(AdminCommand::Init),
        admin(AdminCommand::RemoveNode(NodeId(300))),
        admin(AdminCommand::NewToken),
        admin(AdminCommand::Range(RangeCommand::Move {
            range_id: RangeId(7),
            from: NodeId(2),
            to: NodeId(4),
            share_tier: true,
        })),
        admin(AdminCommand::Range(RangeCommand::Split {
            range_id: RangeId(7),
            at: Some(Key::from(&b"m"[..])),
        })),
        admin(AdminCommand::Range(RangeCommand::Split { range_id: RangeId(7), at: None })),
        admin(AdminCommand::Range(RangeCommand::TransferLeader { range_id: RangeId(7), to: NodeId(4) })),
        BootstrapRequest::Admin(AdminRequest { token: None, store_id: None, command: AdminCommand::Init }),
    ];
    check(&bootstrap, encode_bootstrap_request, decode_bootstrap_request);
    let cluster_id = Uuid::from_u128(5);
    let answers = [
        BootstrapAnswer::Free(record()),
        BootstrapAnswer::Initialising,
        BootstrapAnswer::Exists { cluster_id },
        BootstrapAnswer::Uninitialised { hint: "run init".to_owned() },
        BootstrapAnswer::Created {
            cluster_id,
            nodes: vec![record()],
            token: Some(Token::new("secret")),
            not_serving: vec!["n2 sleeps".to_owned()],
        },
        BootstrapAnswer::Created { cluster_id, nodes: Vec::new(), token: None, not_serving: Vec::new() },
        BootstrapAnswer::Serving,
        BootstrapAnswer::NotServing { reason: "no lease".to_owned() },
        BootstrapAnswer::NotEntitled { store_id: StoreId(9), socket: "/d/commands.sock".to_owned() },
        BootstrapAnswer::TokenMade { token: Token::new("secret") },
        BootstrapAnswer::NodeRemoved,
        BootstrapAnswer::RemovalWaits { waits_for: "r7".to_owned() },
        BootstrapAnswer::Status(status()),
        BootstrapAnswer::RangeDone("begun".to_owned()),
        BootstrapAnswer::RangeRefused { reason: "no".to_owned(), look_at: LookAt::Range },
        BootstrapAnswer::Refused("no".to_owned()),
    ];
    check(&answers, encode_bootstrap_answer, decode_bootstrap_answer);
}

#[test]
fn presences_survive_their_bytes() {
    let all = [
        Presence::Reports,
        Presence::Unheard { is_awaited: true },
        Presence::Unheard { is_awaited: false },
        Presence::Missing,
        Presence::Unreachable { heard_by: None },
        Presence::Unreachable { heard_by: Some(NodeId(300)) },
    ];
    let told = all.map(|presence| {
        let mut told = status();
        told.nodes[0].presence = presence;
        ClusterAnswer::Status(Box::new(told))
    });
    check(&told, encode_answer, decode_answer);
}

#[test]
fn message_bytes_are_as_in_the_fixtures() {
    let bytes: Vec<u8> = requests().iter().flat_map(encode_request).collect();
    fixture::check(env!("CARGO_MANIFEST_DIR"), "cluster_requests", &bytes);
    let bytes: Vec<u8> = answers().iter().flat_map(encode_answer).collect();
    fixture::check(env!("CARGO_MANIFEST_DIR"), "cluster_answers", &bytes);
    let bytes = encode_bootstrap_answer(&BootstrapAnswer::Status(status()));
    let stored = fixture::check(env!("CARGO_MANIFEST_DIR"), "bootstrap_status", &bytes);
    assert_eq!(decode_bootstrap_answer(&stored), Ok(BootstrapAnswer::Status(status())));
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(noise in prop::collection::vec(any::<u8>(), 0..80)) {
        for version in 0..3 {
            let bytes = [&[version][..], &noise].concat();
            let _ = (decode_request(&bytes), decode_answer(&bytes));
            let _ = (decode_bootstrap_request(&bytes), decode_bootstrap_answer(&bytes));
        }
    }
}
