//! Fixtures of snapshots: the marker of an installation, the messages of a transfer, and what damage does to them.

use bytes::Bytes;
use quorate_engine::store::Family;
use quorate_engine::testing::fixture;
use quorate_placement::topology::{RangeId, ReplicaId};

use super::harness::descriptor;
use crate::raft::applied_format::AppliedMembership;
use crate::raft::snapshot::head_format::{
    Marker, decode_marker, encode_marker, marker_key, range_of_marker_key,
};
use crate::raft::snapshot::message_format::{
    SnapshotBody, SnapshotMessage, SnapshotOffer, SnapshotRefusal, SnapshotReply,
};
use crate::raft::snapshot::{KeySpan, SnapshotHead};
use crate::raft::types::{GroupMembership, LogPosition, VoteState};

const RANGE: RangeId = RangeId(3);
const POSITION: LogPosition = LogPosition { term: 4, index: 17 };
const VOTE: VoteState = VoteState { term: 4, candidate: ReplicaId(2), is_committed: true };

fn check(name: &str, bytes: &[u8]) -> Bytes {
    fixture::check(env!("CARGO_MANIFEST_DIR"), name, bytes).into()
}

fn span(family: Family) -> KeySpan {
    KeySpan { family, start: Bytes::from_static(b"a"), end: Bytes::from_static(b"m") }
}

fn head() -> SnapshotHead {
    SnapshotHead {
        position: POSITION,
        membership: AppliedMembership {
            position: Some(POSITION),
            membership: GroupMembership::of(&descriptor(RANGE, 2)),
        },
        spans: vec![span(Family::Data), span(Family::Lock), span(Family::Txn)],
        shared: vec![(Bytes::from_static(b"key"), Bytes::from_static(b"value"))],
        shared_bounds: (Bytes::from_static(b"k"), Bytes::from_static(b"l")),
    }
}

fn marker() -> Marker {
    Marker { area: 9, head: head(), replaced: vec![span(Family::Data)] }
}

fn messages() -> Vec<(&'static str, SnapshotBody)> {
    let offer = SnapshotOffer {
        from_replica: ReplicaId(2),
        to_replica: ReplicaId(5),
        vote: VOTE,
        bytes_expected: 1_000,
        head: head(),
    };
    let pairs = vec![(Bytes::from_static(b"b"), Bytes::from_static(b"value"))];
    vec![
        ("raft_snapshot_begin", SnapshotBody::Begin(Box::new(offer))),
        ("raft_snapshot_chunk", SnapshotBody::Chunk { sequence: 6, span: 1, pairs }),
        ("raft_snapshot_end", SnapshotBody::End { chunks: 7 }),
        ("raft_snapshot_abort", SnapshotBody::Abort),
    ]
}

#[test]
fn snapshot_marker_has_a_fixture() {
    let found = check("raft_snapshot_marker", &encode_marker(&marker()));
    assert_eq!(decode_marker(found).unwrap(), marker());
    assert_eq!(range_of_marker_key(&marker_key(RANGE)), Some(RANGE));
    assert_eq!(range_of_marker_key(b"short"), None);
}

#[test]
fn snapshot_messages_have_fixtures() {
    for (name, body) in messages() {
        let message = SnapshotMessage { range_id: RANGE, transfer: 8, body };
        let found = check(name, &message.encode());
        assert_eq!(SnapshotMessage::decode(found).unwrap(), message);
    }
}

#[test]
fn snapshot_replies_have_fixtures() {
    let replies = [
        ("raft_snapshot_ready", SnapshotReply::Ready),
        ("raft_snapshot_installed", SnapshotReply::Installed(VOTE)),
        ("raft_snapshot_refused", SnapshotReply::Refused(SnapshotRefusal::Overlap)),
    ];
    for (name, reply) in replies {
        let found = check(name, &reply.encode());
        assert_eq!(SnapshotReply::decode(found).unwrap(), reply);
    }
}

#[test]
fn snapshot_damage_is_an_error() {
    let marker = encode_marker(&marker());
    for length in 0..marker.len() {
        assert!(decode_marker(marker.slice(..length)).is_err(), "the first {length} bytes");
    }
    for (name, body) in messages() {
        let whole = SnapshotMessage { range_id: RANGE, transfer: 8, body }.encode();
        for length in 0..whole.len() {
            assert!(SnapshotMessage::decode(whole.slice(..length)).is_err(), "{name}: {length} bytes");
        }
        let longer = Bytes::from([&whole[..], &[0]].concat());
        assert!(SnapshotMessage::decode(longer).is_err(), "{name}");
    }
    for bytes in [&[][..], &[1], &[1, 9], &[1, 3, 99], &[2, 1]] {
        assert!(SnapshotReply::decode(Bytes::copy_from_slice(bytes)).is_err(), "{bytes:?}");
    }
}
