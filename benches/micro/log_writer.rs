//! The log of a Raft group, from entries to the synced write: encoding, the queue to the writer's thread, RocksDB with its
//! sync, and the way back. One entry an append is what a lone client makes, many are those of many clients at once.

use std::sync::Arc;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use quorate_engine::rocks::{RocksOptions, RocksStore};
use quorate_raft_groups::raft::LoneLog;

/// Bytes of a command: a put of 256 bytes with its key and heads.
const COMMAND_BYTES: usize = 400;

/// All of this file.
pub fn benches(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let store = RocksStore::open(folder.path(), RocksOptions::default()).expect("a store");
    let mut log = LoneLog::open(Arc::new(store)).expect("a log");
    let command = Bytes::from(vec![0x5a; COMMAND_BYTES]);
    let mut group = criterion.benchmark_group("log writer");
    for entries in [1_usize, 64] {
        group.throughput(Throughput::Elements(entries as u64));
        group.bench_function(BenchmarkId::new("append, synced", entries), |bench| {
            bench.iter(|| {
                let commands = std::iter::repeat_n(command.clone(), entries);
                runtime.block_on(log.append(commands)).expect("a write");
            });
        });
    }
    group.finish();
    // RocksDB is closed before its folder is removed.
    runtime.block_on(log.close());
}
