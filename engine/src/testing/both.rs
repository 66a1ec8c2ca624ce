//! [`BothStore`]: the store of this crate's own tests: memory, and beside it RocksDB where that is built in.

use std::sync::Arc;

use crate::memory::MemoryStore;
use crate::store::{Batch, Change, Durability, Family, Store};
#[cfg(feature = "rocksdb")]
use crate::{
    rocks::{RocksOptions, RocksStore},
    testing::MirrorStore,
};

#[cfg(feature = "rocksdb")]
type Inner = MirrorStore<MemoryStore, RocksStore>;
#[cfg(not(feature = "rocksdb"))]
type Inner = MemoryStore;

/// Both implementations, which must agree on every answer.
pub struct BothStore {
    store: Arc<Inner>,
    #[cfg(feature = "rocksdb")]
    _dir: tempfile::TempDir,
}

impl BothStore {
    /// An empty store.
    #[cfg(feature = "rocksdb")]
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let rocks = RocksStore::open(dir.path(), RocksOptions::default()).expect("a fresh store opens");
        Self { store: Arc::new(MirrorStore::new(MemoryStore::new(), rocks)), _dir: dir }
    }

    /// An empty store.
    #[cfg(not(feature = "rocksdb"))]
    pub fn new() -> Self {
        Self { store: Arc::new(MemoryStore::new()) }
    }

    /// Both as one store.
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// Both as one store that can be shared. It must not outlive this.
    pub fn shared(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// Moves all that RocksDB has in memory to files, so that reads meet its filters.
    pub fn flush(&self) {
        #[cfg(feature = "rocksdb")]
        self.store.right().flush().expect("a healthy store flushes");
    }

    /// Removes everything.
    pub fn clear(&self) {
        let mut batch = Batch::new();
        let snapshot = self.store.snapshot();
        for family in Family::ALL {
            let mut cursor = snapshot.cursor(family, &[], &[]);
            cursor.next().expect("a healthy store reads");
            while let Some(key) = cursor.key() {
                batch.delete(family, key.to_vec());
                cursor.next().expect("a healthy store reads");
            }
        }
        self.write(batch);
    }

    /// Writes a batch.
    pub fn write(&self, batch: Batch) {
        self.store.write(batch, Durability::Buffered).expect("a healthy store writes");
    }
}

/// What a batch does, one line for each change.
pub fn show_batch(batch: &Batch) -> String {
    let line = |change: &Change| match change {
        Change::Put(family, key, _) => format!("put {} {}\n", family.name(), key.escape_ascii()),
        Change::Delete(family, key) => format!("delete {} {}\n", family.name(), key.escape_ascii()),
        Change::DeleteRange(family, start, end) => {
            format!("delete {} from {} to {}\n", family.name(), start.escape_ascii(), end.escape_ascii())
        }
    };
    batch.changes().iter().map(line).collect()
}
