//! [`PowerCutStore`]: a store that forgets what was not synced when its power is cut.
//!
//! Readers see everything written at once; a second store holds only what a sync has reached. What a real disk keeps
//! after a cut is some prefix of the unsynced batches: [`PowerCutStore::cut_keeping`] leaves that choice to the test.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::memory::MemoryStore;
use crate::staging::{PinnedView, StagedPart, Staging};
use crate::store::{Batch, Durability, Family, Positions, Snapshot, Store, StoreError, waits};

/// A store in memory with a disk that can lose power.
#[derive(Default)]
pub struct PowerCutStore {
    /// What readers see.
    live: MemoryStore,
    disk: Mutex<Disk>,
}

#[derive(Default)]
struct Disk {
    /// What survives.
    durable: MemoryStore,
    /// Batches that no sync has reached yet, oldest first.
    unsynced: VecDeque<Batch>,
    /// Batches that a sync has reached, over all starts.
    synced: u64,
    /// Those of them that were there when the store was opened.
    opened: u64,
    syncs: u64,
    is_cut: bool,
    /// Operations until the power goes by itself.
    left: Option<u64>,
    /// Ingestions until it does.
    ingestions_left: Option<u64>,
}

impl Disk {
    /// Counts an operation, and says whether there still is power for it.
    fn check(&mut self, operation: &'static str) -> Result<(), StoreError> {
        match &mut self.left {
            Some(0) => self.is_cut = true,
            Some(left) => *left -= 1,
            None => {}
        }
        if self.is_cut {
            return Err(StoreError::Device { operation, detail: "the power was cut".to_owned() });
        }
        Ok(())
    }

    /// Counts an ingestion: after the last of those that have power, nothing is done any more.
    fn ingested(&mut self) {
        self.ingestions_left = self.ingestions_left.map(|left| left.saturating_sub(1));
        if self.ingestions_left == Some(0) {
            self.left = Some(0);
        }
    }

    fn positions(&self) -> Positions {
        Positions { opened: self.opened, synced: self.synced }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        waits::check();
        self.syncs += 1;
        self.synced += self.unsynced.len() as u64;
        let durable = &self.durable;
        self.unsynced.drain(..).try_for_each(|batch| durable.write(batch, Durability::Buffered))
    }
}

impl PowerCutStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Syncs since the start.
    pub fn syncs(&self) -> u64 {
        self.disk.lock().syncs
    }

    /// Batches that a cut would lose now.
    pub fn unsynced(&self) -> usize {
        self.disk.lock().unsynced.len()
    }

    /// Whether the power is gone.
    pub fn is_cut(&self) -> bool {
        self.disk.lock().is_cut
    }

    /// Lets the power go by itself after so many more writes, syncs and doings with staged parts: none of those after
    /// is done. What is on the disk is asked for by [`PowerCutStore::cut`].
    pub fn cut_after(&self, operations: u64) {
        self.disk.lock().left = Some(operations);
    }

    /// Lets the power go by itself in the middle of an installation: after so many more ingestions of staged parts, or
    /// before the next one.
    pub fn cut_at_ingestion(&self, ingestions: u64) {
        self.disk.lock().ingestions_left = Some(ingestions);
    }

    /// Cuts the power: this store fails every write from now on, and the store returned holds what had been synced.
    pub fn cut(&self) -> Self {
        self.cut_keeping(0)
    }

    /// As [`PowerCutStore::cut`], with the oldest `batches` of the unsynced ones on the disk by luck.
    pub fn cut_keeping(&self, batches: usize) -> Self {
        let mut disk = self.disk.lock();
        disk.is_cut = true;
        let lucky = batches.min(disk.unsynced.len());
        let kept: Vec<Batch> = disk.unsynced.drain(..lucky).collect();
        disk.unsynced.clear();
        let durable = disk.durable.fork();
        for batch in kept {
            durable.write(batch, Durability::Buffered).expect("a store in memory does not fail");
        }
        Self::holding(durable, disk.synced + lucky as u64)
    }

    /// A store of its own that holds what is synced in this one: a copy of the directory, or what a disk that lies will
    /// have kept.
    pub fn copy(&self) -> Self {
        let disk = self.disk.lock();
        Self::holding(disk.durable.fork(), disk.synced)
    }

    fn holding(durable: MemoryStore, synced: u64) -> Self {
        let live = durable.fork();
        Self { live, disk: Mutex::new(Disk { durable, synced, opened: synced, ..Disk::default() }) }
    }
}

impl Store for PowerCutStore {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.live.get(family, key)
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        // One lock around both, so that the order of batches on the disk is that which readers saw.
        let mut disk = self.disk.lock();
        disk.check("write")?;
        self.live.write(batch.clone(), Durability::Buffered)?;
        disk.unsynced.push_back(batch);
        match durability {
            Durability::Synced => disk.sync(),
            Durability::Buffered => Ok(()),
        }
    }

    fn sync(&self) -> Result<(), StoreError> {
        let mut disk = self.disk.lock();
        disk.check("sync")?;
        disk.sync()
    }

    fn snapshot(&self) -> Box<dyn Snapshot + '_> {
        self.live.snapshot()
    }

    fn pin(&self) -> Result<Box<dyn PinnedView>, StoreError> {
        self.live.pin()
    }

    fn staging(&self) -> &dyn Staging {
        self
    }

    fn approximate_bytes(&self, family: Family, start: &[u8], end: &[u8]) -> Result<u64, StoreError> {
        self.live.approximate_bytes(family, start, end)
    }

    fn positions(&self) -> Positions {
        self.disk.lock().positions()
    }
}

/// Staged parts and what was taken in are on the disk at once; parts live beside the durable store.
impl Staging for PowerCutStore {
    fn stage(&self, area: u64, part: &StagedPart) -> Result<(), StoreError> {
        let mut disk = self.disk.lock();
        disk.check("stage")?;
        self.live.stage(area, part)?;
        disk.durable.stage(area, part)
    }

    fn ingest(&self, area: u64, family: Family) -> Result<(), StoreError> {
        let mut disk = self.disk.lock();
        if disk.ingestions_left == Some(0) {
            disk.left = Some(0);
        }
        disk.check("ingest")?;
        disk.sync()?;
        self.live.ingest(area, family)?;
        disk.durable.ingest(area, family)?;
        disk.ingested();
        Ok(())
    }

    fn unstage(&self, area: u64) -> Result<(), StoreError> {
        let mut disk = self.disk.lock();
        disk.check("unstage")?;
        self.live.unstage(area)?;
        disk.durable.unstage(area)
    }

    fn areas(&self) -> Result<Vec<u64>, StoreError> {
        self.live.areas()
    }
}
