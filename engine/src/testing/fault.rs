//! [`FaultStore`]: a store whose n-th write fails, and every one after it.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::staging::{PinnedView, StagedPart, Staging};
use crate::store::{Batch, Durability, Family, Positions, Snapshot, Store, StoreError};

/// A store around another one that fails from a certain write on, as a device does: what failed was not done.
pub struct FaultStore<S> {
    inner: S,
    fail_at: u64,
    writes: AtomicU64,
}

impl<S: Store> FaultStore<S> {
    /// Fails the write with this number, counted from 1, and all after it. Syncs, and all that is done with
    /// staged parts, count as writes.
    pub fn failing_at(inner: S, fail_at: u64) -> Self {
        Self { inner, fail_at, writes: AtomicU64::new(0) }
    }

    /// Writes and syncs asked for so far.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// The store inside.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn count(&self, operation: &'static str) -> Result<(), StoreError> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        if number >= self.fail_at {
            return Err(StoreError::Device { operation, detail: format!("injected at write {number}") });
        }
        Ok(())
    }
}

impl<S: Store> Store for FaultStore<S> {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.inner.get(family, key)
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        self.count("write")?;
        self.inner.write(batch, durability)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.count("sync")?;
        self.inner.sync()
    }

    fn snapshot(&self) -> Box<dyn Snapshot + '_> {
        self.inner.snapshot()
    }

    fn pin(&self) -> Result<Box<dyn PinnedView>, StoreError> {
        self.inner.pin()
    }

    fn staging(&self) -> &dyn Staging {
        self
    }

    fn approximate_bytes(&self, family: Family, start: &[u8], end: &[u8]) -> Result<u64, StoreError> {
        self.inner.approximate_bytes(family, start, end)
    }

    fn positions(&self) -> Positions {
        self.inner.positions()
    }

    fn forgotten(&self) -> Option<String> {
        self.inner.forgotten()
    }
}

impl<S: Store> Staging for FaultStore<S> {
    fn stage(&self, area: u64, part: &StagedPart) -> Result<(), StoreError> {
        self.count("stage")?;
        self.inner.staging().stage(area, part)
    }

    fn ingest(&self, area: u64, family: Family) -> Result<(), StoreError> {
        self.count("ingest")?;
        self.inner.staging().ingest(area, family)
    }

    fn unstage(&self, area: u64) -> Result<(), StoreError> {
        self.count("unstage")?;
        self.inner.staging().unstage(area)
    }

    fn areas(&self) -> Result<Vec<u64>, StoreError> {
        self.inner.staging().areas()
    }
}
