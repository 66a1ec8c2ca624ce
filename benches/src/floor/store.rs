//! What RocksDB does with the options of a node and nothing above it: synced puts of many threads, which it groups into
//! common syncs by itself, and gets of as many threads as there are cores.

use std::path::Path;
use std::time::Duration;

use quorate_engine::rocks::{RocksOptions, RocksStore};
use quorate_engine::store::{Batch, Durability, Family, Store, StoreError};
use rand::RngExt;
use tokio::time::Instant;

use super::{Measured, STORE_WRITERS};
use crate::error::BenchError;
use crate::keys::client_rng;
use crate::latency::Latencies;
use crate::values;

/// Keys: enough that they do not all lie in one block, few enough to be written in a moment.
const KEYS: u64 = 100_000;
/// Keys of one batch while loading.
const LOAD_ROWS: u64 = 1_000;
/// Raw keys, without the version suffix of [`Family::Data`] and its filters.
const FAMILY: Family = Family::Txn;

/// Both, in a store of their own that is removed afterwards.
pub fn puts_and_gets(
    folder: &Path,
    value_bytes: usize,
    time: Duration,
) -> Result<(Measured, Measured), BenchError> {
    let place = folder.join("floor-store");
    let error = |error: StoreError| BenchError::System {
        system: "floor".to_owned(),
        what: "its store".to_owned(),
        detail: error.to_string(),
    };
    let measured = in_store(&place, value_bytes, time).map_err(error);
    std::fs::remove_dir_all(&place).map_err(BenchError::io(format!("removing {}", place.display())))?;
    measured
}

fn in_store(place: &Path, value_bytes: usize, time: Duration) -> Result<(Measured, Measured), StoreError> {
    let store = RocksStore::open(place, RocksOptions::default())?;
    for first in (0..KEYS).step_by(usize::try_from(LOAD_ROWS).unwrap_or(1)) {
        let mut batch = Batch::new();
        for key in first..first + LOAD_ROWS {
            batch.put(FAMILY, key.to_be_bytes().to_vec(), values::make(key, 0, value_bytes).into_bytes());
        }
        store.write(batch, Durability::Buffered)?;
    }
    store.sync()?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let puts = threads(STORE_WRITERS, time, |key| {
        let mut batch = Batch::new();
        batch.put(FAMILY, key.to_be_bytes().to_vec(), values::make(key, 1, value_bytes).into_bytes());
        store.write(batch, Durability::Synced)
    })?;
    let gets = threads(cores, time, |key| {
        let found = store.get(FAMILY, &key.to_be_bytes())?;
        found.map(drop).ok_or_else(|| StoreError::Corruption(format!("key {key} of the floor is not there")))
    })?;
    Ok((puts, gets))
}

/// Does the same with random keys on so many threads, for this long.
fn threads(
    count: usize,
    time: Duration,
    work: impl Fn(u64) -> Result<(), StoreError> + Sync,
) -> Result<Measured, StoreError> {
    let begun = Instant::now();
    let one = |number: usize| {
        let (mut rng, mut latencies) = (client_rng(1, number), Latencies::default());
        while begun.elapsed() < time {
            let before = Instant::now();
            work(rng.random_range(0..KEYS))?;
            latencies.record(before.elapsed());
        }
        Ok::<Latencies, StoreError>(latencies)
    };
    let mut all = Latencies::default();
    std::thread::scope(|scope| {
        let one = &one;
        let running: Vec<_> = (0..count).map(|number| scope.spawn(move || one(number))).collect();
        for thread in running {
            let died = |_| StoreError::Corruption("a thread of the floor died".to_owned());
            all.add(&thread.join().map_err(died)??);
        }
        Ok::<(), StoreError>(())
    })?;
    Ok(Measured { latencies: all, seconds: begun.elapsed().as_secs_f64() })
}
