//! The marker of an installation: its fixture, and what damage does to it.

use bytes::Bytes;
use quorate_engine::store::Family;
use quorate_engine::testing::fixture;
use quorate_placement::topology::RangeId;

use super::harness::descriptor;
use crate::log_position::LogPosition;
use crate::raft::applied_format::AppliedMembership;
use crate::raft::snapshot::head_format::{
    Marker, decode_marker, encode_marker, marker_key, range_of_marker_key,
};
use crate::raft::snapshot::{KeySpan, SnapshotHead};

const RANGE: RangeId = RangeId(3);
const POSITION: LogPosition = LogPosition { term: 4, index: 17 };

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
            membership: descriptor(RANGE, 2).membership(),
        },
        spans: vec![span(Family::Data), span(Family::Lock), span(Family::Txn)],
        shared: vec![(Bytes::from_static(b"key"), Bytes::from_static(b"value"))],
        shared_bounds: (Bytes::from_static(b"k"), Bytes::from_static(b"l")),
    }
}

fn marker() -> Marker {
    Marker { area: 9, head: head(), replaced: vec![span(Family::Data)] }
}

#[test]
fn snapshot_marker_has_a_fixture() {
    let found = check("raft_snapshot_marker", &encode_marker(&marker()));
    assert_eq!(decode_marker(found).unwrap(), marker());
    assert_eq!(range_of_marker_key(&marker_key(RANGE)), Some(RANGE));
    assert_eq!(range_of_marker_key(b"short"), None);
}

#[test]
fn snapshot_marker_damage_is_an_error() {
    let marker = encode_marker(&marker());
    for length in 0..marker.len() {
        assert!(decode_marker(marker.slice(..length)).is_err(), "the first {length} bytes");
    }
}

#[test]
fn snapshot_heads_are_sound_or_break_a_rule() {
    let sound = head();
    assert_eq!((sound.validate(), marker().validate()), (Ok(()), Ok(())));
    let pair = |key: &'static str| (Bytes::from_static(key.as_bytes()), Bytes::new());
    let later = Some(LogPosition { term: 4, index: 18 });
    let membership = AppliedMembership { position: later, ..sound.membership.clone() };
    let empty = KeySpan { end: Bytes::from_static(b"a"), ..span(Family::Data) };
    let broken = [
        SnapshotHead { shared: vec![pair("m")], ..sound.clone() },
        SnapshotHead { shared: vec![pair("key"), pair("kex")], ..sound.clone() },
        SnapshotHead { membership, ..sound.clone() },
        SnapshotHead { spans: vec![span(Family::Range)], ..sound.clone() },
        SnapshotHead { spans: vec![span(Family::Data), span(Family::Data)], ..sound.clone() },
        SnapshotHead { spans: vec![empty.clone()], ..sound.clone() },
    ];
    for head in broken {
        assert!(head.validate().is_err(), "{head:?}");
    }
    assert!(Marker { replaced: vec![empty], ..marker() }.validate().is_err());
}

#[test]
fn snapshot_head_replaces_its_own_range_alone() {
    let (own, other) =
        (crate::range_format::shared_bounds(RANGE), crate::range_format::shared_bounds(RangeId(1)));
    let head = SnapshotHead { shared: Vec::new(), shared_bounds: own.clone(), ..head() };
    assert_eq!(head.is_of(&own), Ok(()));
    assert!(head.is_of(&other).is_err());
}
