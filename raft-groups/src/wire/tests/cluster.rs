//! Messages between members, and what is said to addresses.

use bytes::Bytes;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Fence, Key, Span};
use quorate_placement::topology::{NodeId, RangeId, ReplicaId, StoreId};
use quorate_placement::view::Liveness;
use uuid::Uuid;

use super::*;
use crate::cluster::admin::{AdminCommand, AdminRequest, Token};
use crate::cluster::bootstrap_message::{BootstrapAnswer, BootstrapRequest, Identity};
use crate::cluster::directory::publication::Verdict;
use crate::cluster::hello::Hello;
use crate::cluster::local_state::Membership;
use crate::cluster::message::{ClusterAnswer, ClusterRequest, NodeReport, PeerReport, ReplicaReport};
use crate::cluster::node_format::NodeRecord;
use crate::cluster::range_command::{LookAt, RangeCommand};
use crate::cluster::status::{
    ChangeStatus, ClusterStatus, DiskSyncs, MemberStatus, NodeStatus, PeerClock, Presence, RangeStatus,
};
use crate::descriptor::RangeDescriptor;
use crate::local_ranges::ReplicaProgress;
use crate::versions::{VersionRange, Versions};

const REQUESTS: Kind<ClusterRequest> = Kind {
    fixture: "cluster_requests",
    write: super::super::cluster::write_request,
    read: super::super::cluster::read_request,
};
const ANSWERS: Kind<ClusterAnswer> = Kind {
    fixture: "cluster_answers",
    write: super::super::cluster::write_answer,
    read: super::super::cluster::read_answer,
};
const QUESTIONS: Kind<BootstrapRequest> = Kind {
    fixture: "bootstrap_requests",
    write: super::super::bootstrap::write_request,
    read: super::super::bootstrap::read_request,
};
const REPLIES: Kind<BootstrapAnswer> = Kind {
    fixture: "bootstrap_answers",
    write: super::super::bootstrap::write_answer,
    read: super::super::bootstrap::read_answer,
};

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
        versions: Versions { protocols: range(1, 2), cluster: range(3, 4) },
    }
}

fn range(oldest: u32, newest: u32) -> VersionRange {
    VersionRange { oldest, newest }
}

fn hello() -> Hello {
    Hello {
        cluster_id: Uuid::from_u128(1 << 100 | 7),
        node_id: NodeId(2),
        store_id: StoreId(9),
        incarnation: 300,
        mark: 0x1122_3344_5566_7788,
        opened: 70_000,
        address: "b:7001".to_owned(),
        protocols: range(1, 2),
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
        ClusterRequest::Time,
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

fn questions() -> Vec<BootstrapRequest> {
    vec![
        BootstrapRequest::Probe { asker: StoreId(5) },
        BootstrapRequest::Join(record()),
        BootstrapRequest::Status,
        BootstrapRequest::Serves,
        BootstrapRequest::Announce(hello()),
        BootstrapRequest::Identify,
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
    ]
}

fn replies() -> Vec<BootstrapAnswer> {
    let cluster_id = Uuid::from_u128(5);
    vec![
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
        BootstrapAnswer::Joined(Membership {
            cluster_id,
            node_id: NodeId(2),
            founders: 3,
            cluster_version: 2,
            system: RangeDescriptor::new(RangeId(1), span(), &[NodeId(1)]),
            nodes: vec![record()],
        }),
        BootstrapAnswer::Welcome,
        BootstrapAnswer::Unwelcome { reason: "old".to_owned(), is_final: true },
        BootstrapAnswer::Identity(Box::new(Identity {
            store_id: StoreId(9),
            node_id: Some(NodeId(2)),
            hello: Some(hello()),
            refusal: Some("a copy".to_owned()),
        })),
    ]
}

/// Answers with a status of each presence.
fn presences() -> Vec<ClusterAnswer> {
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
    told.to_vec()
}

#[test]
fn cluster_messages_survive_their_bytes() {
    REQUESTS.check(&requests());
    ANSWERS.check(&[answers(), presences()].concat());
    QUESTIONS.check(&questions());
    REPLIES.check(&replies());
}

#[test]
fn cluster_messages_of_unknown_kinds_are_refused() {
    REQUESTS.refuses_the_unknown();
    ANSWERS.refuses_the_unknown();
    QUESTIONS.refuses_the_unknown();
    REPLIES.refuses_the_unknown();
}

#[test]
fn cluster_messages_with_unknown_values_are_refused() {
    // A node's status whose liveness is of a newer release: answer 4, node 5, liveness 2.
    let mut told = status();
    told.ranges.clear();
    told.nodes.truncate(1);
    let bytes = (ANSWERS.write)(&ClusterAnswer::Status(Box::new(told))).to_vec();
    let liveness = bytes.windows(3).position(|found| found == [0x10, 1, 0x18]).expect("it is there");
    let mut newer = bytes;
    newer[liveness + 1] = 77;
    let error = (ANSWERS.read)(newer.into()).unwrap_err();
    assert_eq!(error, WireError::Missing { message: "a node's status", field: "liveness" });
}

proptest! {
    #[test]
    fn cluster_messages_of_anybody_never_panic(
        noise in prop::collection::vec(any::<u8>(), 0..80),
        which: prop::sample::Index,
        at: prop::sample::Index,
        byte: u8,
    ) {
        REQUESTS.survives(&noise, which.get(&requests()), at, byte);
        ANSWERS.survives(&noise, which.get(&answers()), at, byte);
        QUESTIONS.survives(&noise, which.get(&questions()), at, byte);
        REPLIES.survives(&noise, which.get(&replies()), at, byte);
    }
}
