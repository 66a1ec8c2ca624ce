//! Installations that end in the middle, at every step: afterwards there is the old state or the new one, whole.

use bytes::Bytes;
use quorate_engine::rocks::{RocksOptions, RocksStore};
use quorate_engine::staging::{Pair, StagedPart};
use quorate_engine::store::{Batch, Durability, Family, Store, StoreError};
use quorate_engine::testing::{FaultStore, PowerCutStore};
use quorate_placement::topology::RangeId;

use crate::log_position::LogPosition;
use crate::raft::applied_format::{AppliedMembership, applied_key, decode_applied, encode_applied};
use crate::raft::snapshot::head_format::{Marker, marker_key};
use crate::raft::snapshot::install::{finish_installs, install_small, install_staged};
use crate::raft::snapshot::{KeySpan, SnapshotHead};

const RANGE: RangeId = RangeId(5);
const AREA: u64 = 3;
const OLD: LogPosition = LogPosition { term: 2, index: 20 };
const NEW: LogPosition = LogPosition { term: 3, index: 90 };
/// More operations than an installation has.
const OPERATIONS_MAX: u64 = 30;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn spans(start: &str, end: &str) -> Vec<KeySpan> {
    let span = |family| KeySpan { family, start: bytes(start), end: bytes(end) };
    [Family::Data, Family::Lock, Family::Txn].map(span).to_vec()
}

fn head() -> SnapshotHead {
    SnapshotHead {
        position: NEW,
        membership: AppliedMembership::default(),
        spans: spans("c", "m"),
        shared: vec![(bytes("shared1"), bytes("new"))],
        shared_bounds: (bytes("shared0"), bytes("shared9")),
    }
}

/// What the replica held before: more than the snapshot's span.
fn replaced() -> Vec<KeySpan> {
    spans("a", "t")
}

fn parts() -> Vec<StagedPart> {
    let part = |(number, span): (u32, KeySpan)| {
        let pairs = if span.family == Family::Lock { Vec::new() } else { vec![(bytes("d"), bytes("new"))] };
        StagedPart { number, family: span.family, start: span.start, end: span.end, pairs }
    };
    (1..).zip(head().spans).map(part).collect()
}

/// A replica's state, and a neighbour's.
fn seed(store: &dyn Store) {
    let mut batch = Batch::new();
    for family in [Family::Data, Family::Lock, Family::Txn] {
        for key in ["b", "d", "e", "p", "x"] {
            batch.put(family, bytes(key), bytes("old"));
        }
    }
    batch.put(Family::Range, "shared1", "old");
    batch.put(Family::Range, "shared2", "old");
    batch.put(Family::Range, applied_key(RANGE), encode_applied(OLD));
    store.write(batch, Durability::Synced).unwrap();
    for part in parts() {
        store.staging().stage(AREA, &part).unwrap();
    }
}

fn pairs(store: &dyn Store, family: Family) -> Vec<(String, String)> {
    let page: Vec<Pair> = store.pin().unwrap().page(family, b"", b"", usize::MAX).unwrap();
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let is_plain = |(key, _): &&Pair| key.len() < 8;
    page.iter().filter(is_plain).map(|(key, value)| (text(key), text(value))).collect()
}

fn applied(store: &dyn Store) -> LogPosition {
    let stored = store.get(Family::Range, &applied_key(RANGE)).unwrap().unwrap();
    decode_applied(stored).unwrap()
}

/// Whether the store holds the new state; anything but the whole old one or the whole new one is a failure.
fn is_new(store: &dyn Store, when: &str) -> bool {
    let texts = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
    };
    let is_new = applied(store) == NEW;
    let old = texts(&[("b", "old"), ("d", "old"), ("e", "old"), ("p", "old"), ("x", "old")]);
    let (new, new_lock) = (texts(&[("d", "new"), ("x", "old")]), texts(&[("x", "old")]));
    let shared_old = texts(&[("shared1", "old"), ("shared2", "old")]);
    let expected = if is_new {
        [new.clone(), new_lock, new, texts(&[("shared1", "new")])]
    } else {
        [old.clone(), old.clone(), old, shared_old]
    };
    let found = [Family::Data, Family::Lock, Family::Txn, Family::Range].map(|family| pairs(store, family));
    assert_eq!(found, expected, "{when}");
    assert_eq!(store.get(Family::Range, &marker_key(RANGE)), Ok(None), "{when}: the marker is gone");
    is_new
}

fn install(store: &dyn Store, is_small: bool) -> Result<(), StoreError> {
    if is_small {
        return install_small(store, RANGE, (&head(), &replaced()), parts());
    }
    install_staged(store, RANGE, &Marker { area: AREA, head: head(), replaced: replaced() })
}

#[test]
fn power_cut_at_every_step_leaves_the_old_state_or_the_new_one() {
    for is_small in [true, false] {
        let mut outcomes = Vec::new();
        for operations in 0..OPERATIONS_MAX {
            let store = PowerCutStore::new();
            seed(&store);
            store.cut_after(operations);
            let is_installed = install(&store, is_small).is_ok();
            let after = store.cut();
            finish_installs(&after).unwrap();
            let is_new = is_new(&after, &format!("small: {is_small}, cut after {operations}"));
            assert!(is_new || !is_installed, "what was reported is on the disk");
            assert_eq!(after.staging().areas(), Ok(Vec::new()));
            outcomes.push(is_new);
        }
        assert!(!outcomes[0], "nothing was done without power");
        assert!(outcomes.is_sorted(), "from some step on it is the new one: {outcomes:?}");
        assert_eq!(outcomes.last(), Some(&true));
    }
}

/// The power goes again while the installation is finished.
#[test]
fn power_cut_while_finishing_leaves_the_new_state() {
    for first in 1..5 {
        for second in 0..OPERATIONS_MAX {
            let store = PowerCutStore::new();
            seed(&store);
            store.cut_after(first);
            assert!(install(&store, false).is_err());
            let again = store.cut();
            again.cut_after(second);
            let _ = finish_installs(&again);
            let after = again.cut();
            finish_installs(&after).unwrap();
            assert!(is_new(&after, &format!("cut after {first} and {second}")), "the marker was on the disk");
        }
    }
}

/// With real files: the process ends at every step, and the directory is opened again.
#[test]
fn end_of_the_process_at_every_step_leaves_the_old_state_or_the_new_one() {
    let mut outcomes = Vec::new();
    for step in 1..10 {
        let dir = tempfile::tempdir().unwrap();
        let open = || RocksStore::open(dir.path(), RocksOptions::default()).unwrap();
        let store = open();
        seed(&store);
        let store = FaultStore::failing_at(store, step);
        let is_installed = install(&store, false).is_ok();
        drop(store);
        let store = open();
        finish_installs(&store).unwrap();
        let is_new = is_new(&store, &format!("failed at step {step}"));
        assert!(is_new || !is_installed);
        outcomes.push(is_new);
    }
    assert!(!outcomes[0] && outcomes.is_sorted() && outcomes[1], "{outcomes:?}");
}
