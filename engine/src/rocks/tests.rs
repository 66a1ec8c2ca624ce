//! The store over the library: durability, crashes, locks, filters.

mod damage;
mod forgetting;
mod killing;
mod logs_used_again;

use std::path::PathBuf;
use std::process::Command;

use rocksdb::perf::{PerfContext, PerfMetric, PerfStatsLevel, set_perf_stats};

use super::*;
use crate::hlc::Timestamp;
use crate::kv::Key;
use crate::mvcc::{self, ReadAt, key_format};

fn open(path: &Path) -> Result<RocksStore, StoreError> {
    RocksStore::open(path, RocksOptions::default())
}

/// A batch over two families, so that half of one would be noticed.
fn numbered(number: u64) -> Batch {
    let mut batch = Batch::new();
    batch.put(Family::Raft, number.to_be_bytes().to_vec(), vec![0; 50]);
    batch.put(Family::Range, "last", number.to_be_bytes().to_vec());
    batch
}

/// The number of the newest batch, after checking that all before it are there and none behind it.
fn last(store: &RocksStore) -> u64 {
    let found = store.get(Family::Range, b"last").unwrap();
    let last = found.map_or(0, |bytes| u64::from_be_bytes(bytes.as_ref().try_into().unwrap()));
    let snapshot = store.snapshot();
    let mut cursor = snapshot.cursor(Family::Raft, &[], &[]);
    for number in 1..=last {
        cursor.next().unwrap();
        assert_eq!(cursor.key(), Some(number.to_be_bytes().as_slice()));
    }
    cursor.next().unwrap();
    assert_eq!(cursor.key(), None);
    last
}

/// The files of an open store, as a killed process would leave them.
fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if path.is_file() && name != "LOCK" {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

fn write_ahead_log(dir: &Path) -> PathBuf {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let logs = entries.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.max_by_key(|path| path.metadata().unwrap().len()).unwrap()
}

#[test]
fn rocks_counts_syncs_and_keeps_all_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store.write(numbered(1), Durability::Buffered).unwrap();
    assert_eq!(store.syncs(), 0);
    store.write(numbered(2), Durability::Synced).unwrap();
    store.write(numbered(3), Durability::Buffered).unwrap();
    store.sync().unwrap();
    assert_eq!(store.syncs(), 2);
    assert!(store.memory_bytes() > 0);
    drop(store);
    assert_eq!(last(&open(dir.path()).unwrap()), 3);
}

#[test]
fn rocks_crash_leaves_a_prefix_of_the_batches() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    (1..=20).for_each(|number| store.write(numbered(number), Durability::Buffered).unwrap());
    store.sync().unwrap();
    let whole = write_ahead_log(dir.path()).metadata().unwrap().len();
    let mut counts = Vec::new();
    for part in 0..=8 {
        let crashed = tempfile::tempdir().unwrap();
        copy(dir.path(), crashed.path());
        let log = std::fs::OpenOptions::new().write(true).open(write_ahead_log(crashed.path())).unwrap();
        log.set_len(whole * part / 8).unwrap();
        counts.push(last(&open(crashed.path()).unwrap()));
    }
    assert_eq!((counts[0], counts[8]), (0, 20));
    assert!(counts.is_sorted_by(|a, b| a < b), "{counts:?}");
}

fn newest_log(dir: &Path) -> PathBuf {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "log")).max().unwrap()
}

/// A log that is written over holds old records behind the new ones, and after a power cut also among them.
#[test]
fn rocks_crash_in_a_log_used_again_leaves_a_prefix_of_the_batches() {
    const BEFORE: u64 = 200;
    const AFTER: u64 = 20;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    for number in 1..=BEFORE {
        store.write(numbered(number), Durability::Buffered).unwrap();
        if number % (BEFORE / 4) == 0 {
            store.flush().unwrap();
        }
    }
    let old = std::fs::read(newest_log(dir.path())).unwrap();
    (1..=AFTER).for_each(|more| store.write(numbered(BEFORE + more), Durability::Buffered).unwrap());
    store.sync().unwrap();
    let new = std::fs::read(newest_log(dir.path())).unwrap();
    assert_eq!(old.len(), new.len(), "the log is no used one");
    let written = (0..new.len()).rev().find(|at| new[*at] != old[*at]).unwrap() + 1;
    let mut counts = Vec::new();
    for part in 0..=8 {
        let crashed = tempfile::tempdir().unwrap();
        copy(dir.path(), crashed.path());
        let end = written * part / 8;
        let torn = [&new[..end], &old[end..]].concat();
        std::fs::write(newest_log(crashed.path()), torn).unwrap();
        counts.push(last(&open(crashed.path()).unwrap()));
    }
    assert_eq!((counts[0], counts[8]), (BEFORE, BEFORE + AFTER));
    assert!(counts.is_sorted_by(|a, b| a < b), "{counts:?}");
}

#[test]
fn rocks_opens_again_once_its_views_are_gone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store.write(numbered(1), Durability::Synced).unwrap();
    let view = store.pin().unwrap();
    drop(store);
    assert!(matches!(open(dir.path()).err(), Some(StoreError::Locked { .. })));
    assert_eq!(view.page(Family::Range, b"", b"", 1).unwrap().len(), 1);
    drop(view);
    assert_eq!(last(&open(dir.path()).unwrap()), 1);
}

#[test]
fn rocks_directory_opened_twice_is_locked() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let locked = StoreError::Locked { path: dir.path().display().to_string() };
    assert_eq!(open(dir.path()).err(), Some(locked));
    drop(store);
    assert_eq!(open(dir.path()).err(), None);
}

/// Set for the second process, which finds the directory in it locked.
const LOCKED_DIR: &str = "QUORATE_TEST_LOCKED_DIR";

#[test]
fn rocks_directory_of_another_process_is_locked() {
    if let Ok(path) = std::env::var(LOCKED_DIR) {
        println!("second process: {:?}", open(Path::new(&path)).err());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path()).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["rocks::tests::rocks_directory_of_another_process_is_locked", "--exact", "--nocapture"])
        .env(LOCKED_DIR, dir.path())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("second process: Some(Locked {"), "{printed}");
}

#[test]
fn rocks_open_says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "no directory").unwrap();
    let error = open(&file).err().unwrap();
    assert!(matches!(&error, StoreError::Device { operation: "open", .. }), "{error}");
}

#[test]
fn rocks_prefix_is_the_user_key() {
    let key = Key::from(b"a\0b".as_slice());
    let prefix = key_format::data_prefix(&key);
    let version = key_format::data_key(&key, Timestamp::from_raw(0x0102));
    for encoded in [&prefix, &version] {
        assert!(has_data_prefix(encoded));
        assert_eq!(data_prefix(encoded), prefix);
    }
    assert!(is_one_prefix(&prefix, &key_format::data_prefix_end(&prefix)));
    let (start, end) = key_format::data_span(&crate::kv::Span::point(key));
    assert!(!is_one_prefix(&start, &end), "a span of keys is read in total order");
    assert!(!is_one_prefix(&prefix, &[]));
    assert!(!has_data_prefix(&[]));
    assert!(!has_data_prefix(&[9, 9]));
}

/// Reads of keys that are not there are answered by the filters; without them each would read a block.
#[test]
fn rocks_filters_answer_for_user_keys() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let key = |number: u32| Key::from(number.to_be_bytes().as_slice());
    let mut batch = Batch::new();
    for number in (0..2000).step_by(2) {
        mvcc::put(&mut batch, &key(number), Timestamp::from_raw(5), Some(&Bytes::from_static(b"v")));
    }
    store.write(batch, Durability::Buffered).unwrap();
    store.flush().unwrap();
    let snapshot = store.snapshot();
    set_perf_stats(PerfStatsLevel::EnableCount);
    let mut perf = PerfContext::default();
    perf.reset();
    for number in 0..2000 {
        let found = mvcc::get(snapshot.as_ref(), &key(number), ReadAt::exactly(Timestamp::from_raw(7)));
        assert_eq!(found.unwrap().is_some(), number % 2 == 0);
    }
    let missed = perf.metric(PerfMetric::BloomSstMissCount);
    set_perf_stats(PerfStatsLevel::Disable);
    assert!(missed > 900, "filters turned away {missed} of 1000 absent keys");
}

/// A look for any key passes some removed ones, and gives up beyond them: neither is ever wrong.
#[test]
fn rocks_vacant_spans_are_those_without_keys() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let key = |number: u64| number.to_be_bytes();
    let is_vacant = |start: u64, end: u64| store.snapshot().is_vacant(Family::Lock, &key(start), &key(end));
    let change = |numbers: std::ops::Range<u64>, value: Option<&str>| {
        let mut batch = Batch::new();
        numbers.for_each(|number| match value {
            Some(value) => batch.put(Family::Lock, key(number).to_vec(), value.as_bytes().to_vec()),
            None => batch.delete(Family::Lock, key(number).to_vec()),
        });
        store.write(batch, Durability::Buffered).unwrap();
    };
    change(10..20, Some("there"));
    assert!(is_vacant(0, 10) && is_vacant(20, 30) && is_vacant(5, 5) && is_vacant(7, 3));
    assert!(!is_vacant(0, 11) && !is_vacant(19, 30) && !is_vacant(10, 20) && !is_vacant(15, 16));
    assert!(store.snapshot().is_vacant(Family::Lock, &key(20), b""));
    assert!(!store.snapshot().is_vacant(Family::Lock, &key(19), b""));
    let before = store.snapshot();
    change(10..20, None);
    assert!(is_vacant(0, 30), "few removed keys are passed");
    assert!(!before.is_vacant(Family::Lock, &key(0), &key(30)), "a snapshot stays as it is");
    change(1_000..2_000, Some("there"));
    change(1_000..2_000, None);
    assert!(!is_vacant(0, 3_000), "what costs more than a look is not known");
    assert!(is_vacant(2_000, 3_000));
}
