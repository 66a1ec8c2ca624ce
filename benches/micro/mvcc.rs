//! Versions on a real store: point reads and scans, a few versions a key, all of it in memory.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Direction, Key, Span};
use quorate_engine::mvcc::{self, MvccScan, ReadAt};
use quorate_engine::rocks::{RocksOptions, RocksStore};
use quorate_engine::store::{Batch, Durability, Store};

const KEYS: u64 = 10_000;
const VERSIONS: u64 = 3;
const SCAN_ROWS: u64 = 100;

fn key_of(number: u64) -> Key {
    Key::from(number.to_be_bytes().to_vec())
}

fn filled(folder: &std::path::Path) -> RocksStore {
    let store = RocksStore::open(folder, RocksOptions::default()).expect("a store");
    let value = bytes::Bytes::from(vec![0x5a; 256]);
    for version in 1..=VERSIONS {
        let mut batch = Batch::new();
        for number in 0..KEYS {
            mvcc::put(&mut batch, &key_of(number), Timestamp::from_raw(version << 12), Some(&value));
        }
        store.write(batch, Durability::Buffered).expect("a write");
    }
    store.flush().expect("a flush");
    store
}

/// All of this file.
pub fn benches(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = filled(folder.path());
    let at = ReadAt::exactly(Timestamp::from_raw(VERSIONS << 12));
    let mut group = criterion.benchmark_group("mvcc");
    let mut next = 0;
    group.bench_function("get", |bench| {
        bench.iter(|| {
            next = (next + 7_919) % KEYS;
            let snapshot = store.snapshot();
            black_box(mvcc::get(snapshot.as_ref(), &key_of(next), at).expect("a read")).expect("a value")
        });
    });
    group.throughput(Throughput::Elements(SCAN_ROWS));
    group.bench_function("scan of 100", |bench| {
        bench.iter(|| {
            next = (next + 7_919) % (KEYS - SCAN_ROWS);
            let snapshot = store.snapshot();
            let span = Span::new(key_of(next), key_of(next + SCAN_ROWS));
            let mut scan = MvccScan::new(snapshot.as_ref(), &span, Direction::Forward, at);
            let mut rows = 0;
            while scan.next().expect("a read").is_some() {
                rows += 1;
            }
            assert_eq!(rows, SCAN_ROWS);
        });
    });
    group.finish();
}
