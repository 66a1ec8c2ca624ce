//! Logs that are written over, where recovery has to tell old records from damage.

use super::*;
use crate::staging::StagedPart;

/// A store whose log was used before.
fn with_a_log_used_again(dir: &Path) -> (RocksStore, u64) {
    let store = open(dir).unwrap();
    let mut number = 0;
    for _ in 0..4 {
        for _ in 0..50 {
            number += 1;
            store.write(numbered(number), Durability::Buffered).unwrap();
        }
        store.flush().unwrap();
    }
    (store, number)
}

/// A log that is behind another one, and empty, is no reason not to open.
#[test]
fn logs_used_again_open_with_an_empty_one_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (store, before) = with_a_log_used_again(dir.path());
    (1..=10).for_each(|more| store.write(numbered(before + more), Durability::Synced).unwrap());
    store.db.flush_cf(store.handle(Family::Raft)).unwrap();
    let crashed = tempfile::tempdir().unwrap();
    copy(dir.path(), crashed.path());
    let opened = open(crashed.path()).unwrap();
    assert_eq!((last(&opened), opened.forgotten()), (before + 10, None));
}

/// An ingestion takes a sequence number that is in no log.
#[test]
fn logs_used_again_keep_what_was_written_after_an_ingestion() {
    let dir = tempfile::tempdir().unwrap();
    let (store, before) = with_a_log_used_again(dir.path());
    (1..=10).for_each(|more| store.write(numbered(before + more), Durability::Synced).unwrap());
    let sequence = store.db.latest_sequence_number();
    let key = |number: u64| Bytes::copy_from_slice(&number.to_be_bytes());
    let pairs = vec![(key(1), Bytes::from_static(b"new"))];
    let part = StagedPart { number: 1, family: Family::Raft, start: key(1), end: key(2), pairs };
    store.staging().stage(1, &part).unwrap();
    store.staging().ingest(1, Family::Raft).unwrap();
    assert!(store.db.latest_sequence_number() > sequence, "the ingestion took no sequence number");
    (11..=20).for_each(|more| store.write(numbered(before + more), Durability::Synced).unwrap());
    let crashed = tempfile::tempdir().unwrap();
    copy(dir.path(), crashed.path());
    let opened = open(crashed.path()).unwrap();
    assert_eq!((last(&opened), opened.forgotten()), (before + 20, None));
    assert_eq!(opened.get(Family::Raft, &key(1)).unwrap(), Some(Bytes::from_static(b"new")));
}
