//! What the log writer does to the store for each batch: entries of one command, written and synced.

use criterion::{BenchmarkId, Criterion, Throughput};
use quorate_engine::rocks::{RocksOptions, RocksStore};
use quorate_engine::store::{Batch, Durability, Family, Store};

/// Bytes of an entry: a put of 256 bytes with its key and heads.
const ENTRY_BYTES: usize = 400;

/// All of this file.
pub fn benches(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = RocksStore::open(folder.path(), RocksOptions::default()).expect("a store");
    let mut group = criterion.benchmark_group("log batch");
    let mut index = 0_u64;
    for entries in [1_u64, 64] {
        for (name, durability) in [("synced", Durability::Synced), ("buffered", Durability::Buffered)] {
            group.throughput(Throughput::Elements(entries));
            group.bench_function(BenchmarkId::new(name, entries), |bench| {
                bench.iter(|| {
                    let mut batch = Batch::new();
                    for _ in 0..entries {
                        index += 1;
                        batch.put(Family::Raft, index.to_be_bytes().to_vec(), vec![0x5a; ENTRY_BYTES]);
                    }
                    store.write(batch, durability).expect("a write");
                });
            });
        }
    }
    group.finish();
}
