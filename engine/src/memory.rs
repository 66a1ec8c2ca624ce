//! [`MemoryStore`]: the [`Store`] contract over ordered maps, for tests and nodes without a disk.
//!
//! One map per family behind an `Arc`: a snapshot clones five pointers, and a write copies a map only while a snapshot
//! of it is alive. Nothing outlives the process, so that a sync is only counted; the feature `testing` has a store
//! on top of this one that loses what was not synced.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use crate::codec::check::must_hold;
use crate::staging::{Pair, PinnedView, StagedPart, Staging, page_of};
use crate::store::{
    Batch, Change, Cursor, Durability, Family, Positions, Snapshot, Store, StoreError, waits,
};

/// Keys of one family.
type Map = BTreeMap<Bytes, Bytes>;

/// One map per family; cloning shares them.
#[derive(Clone, Default)]
struct Families {
    raft: Arc<Map>,
    range: Arc<Map>,
    txn: Arc<Map>,
    lock: Arc<Map>,
    data: Arc<Map>,
}

impl Families {
    fn of(&self, family: Family) -> &Arc<Map> {
        match family {
            Family::Raft => &self.raft,
            Family::Range => &self.range,
            Family::Txn => &self.txn,
            Family::Lock => &self.lock,
            Family::Data => &self.data,
        }
    }

    fn of_mut(&mut self, family: Family) -> &mut Map {
        Arc::make_mut(match family {
            Family::Raft => &mut self.raft,
            Family::Range => &mut self.range,
            Family::Txn => &mut self.txn,
            Family::Lock => &mut self.lock,
            Family::Data => &mut self.data,
        })
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Put(family, key, value) => {
                self.of_mut(family).insert(key, value);
            }
            Change::Delete(family, key) => {
                self.of_mut(family).remove(&key);
            }
            Change::DeleteRange(family, start, end) if start < end => {
                let map = self.of_mut(family);
                let mut removed = map.split_off(&start);
                map.append(&mut removed.split_off(&end));
            }
            Change::DeleteRange(..) => {}
        }
    }
}

/// A store in memory.
#[derive(Default)]
pub struct MemoryStore {
    families: RwLock<Families>,
    syncs: AtomicU64,
    /// Batches written, those of a store that this one is a fork of included.
    writes: AtomicU64,
    /// Those of them that were there when it was opened.
    opened: AtomicU64,
    staged: Mutex<Areas>,
}

/// Staged parts by area and number.
type Areas = BTreeMap<u64, BTreeMap<u32, StagedPart>>;

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Syncs asked for since the start: synced writes and [`Store::sync`].
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// As if the store had been closed and opened again.
    pub fn reopen(&self) {
        self.opened.store(self.writes.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// A store of its own with the same contents, as if this one had been opened again.
    pub fn fork(&self) -> Self {
        let families = self.families.read();
        let writes = self.writes.load(Ordering::Relaxed);
        Self {
            families: RwLock::new(families.clone()),
            syncs: AtomicU64::new(0),
            writes: AtomicU64::new(writes),
            opened: AtomicU64::new(writes),
            staged: Mutex::new(self.staged.lock().clone()),
        }
    }
}

impl Store for MemoryStore {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.families.read().of(family).get(key).cloned())
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let mut families = self.families.write();
        batch.into_changes().into_iter().for_each(|change| families.apply(change));
        self.writes.fetch_add(1, Ordering::Relaxed);
        drop(families);
        match durability {
            Durability::Synced => self.sync(),
            Durability::Buffered => Ok(()),
        }
    }

    fn sync(&self) -> Result<(), StoreError> {
        waits::check();
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn snapshot(&self) -> Box<dyn Snapshot + '_> {
        Box::new(MemorySnapshot { families: self.families.read().clone() })
    }

    fn pin(&self) -> Result<Box<dyn PinnedView>, StoreError> {
        Ok(Box::new(MemorySnapshot { families: self.families.read().clone() }))
    }

    fn staging(&self) -> &dyn Staging {
        self
    }

    fn approximate_bytes(&self, family: Family, start: &[u8], end: &[u8]) -> Result<u64, StoreError> {
        let map = self.families.read().of(family).clone();
        let Some(bounds) = bounds(start, end) else { return Ok(0) };
        Ok(map.range::<[u8], _>(bounds).map(|(key, value)| (key.len() + value.len()) as u64).sum())
    }

    /// Nothing outlives the process: all that was written counts as synced.
    fn positions(&self) -> Positions {
        // In this order: what was there when it was opened was written before.
        let (opened, synced) = (self.opened.load(Ordering::Relaxed), self.writes.load(Ordering::Relaxed));
        let positions = Positions { opened, synced };
        must_hold("a store's positions", positions.validate());
        positions
    }
}

impl Staging for MemoryStore {
    fn stage(&self, area: u64, part: &StagedPart) -> Result<(), StoreError> {
        must_hold("a staged part", part.validate());
        self.staged.lock().entry(area).or_default().insert(part.number, part.clone());
        Ok(())
    }

    fn ingest(&self, area: u64, family: Family) -> Result<(), StoreError> {
        let staged = self.staged.lock();
        let parts = staged.get(&area).into_iter().flat_map(BTreeMap::values);
        let mut families = self.families.write();
        for part in parts.filter(|part| part.family == family) {
            families.apply(Change::DeleteRange(family, part.start.clone(), part.end.clone()));
            families.of_mut(family).extend(part.pairs.iter().cloned());
        }
        Ok(())
    }

    fn unstage(&self, area: u64) -> Result<(), StoreError> {
        self.staged.lock().remove(&area);
        Ok(())
    }

    fn areas(&self) -> Result<Vec<u64>, StoreError> {
        Ok(self.staged.lock().keys().copied().collect())
    }
}

impl PinnedView for MemorySnapshot {
    fn page(
        &self,
        family: Family,
        start: &[u8],
        end: &[u8],
        bytes_max: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        page_of(self, family, (start, end), bytes_max)
    }
}

/// The maps as they were when the snapshot was taken.
struct MemorySnapshot {
    families: Families,
}

impl Snapshot for MemorySnapshot {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.families.of(family).get(key).cloned())
    }

    fn cursor(&self, family: Family, start: &[u8], end: &[u8]) -> Box<dyn Cursor + '_> {
        Box::new(MemoryCursor {
            map: self.families.of(family),
            start: start.to_vec(),
            end: end.to_vec(),
            here: Here::Before,
        })
    }
}

/// Where a cursor stands.
enum Here<'a> {
    Before,
    At(&'a Bytes, &'a Bytes),
    Beyond,
}

/// A cursor that looks its neighbours up in the shared map.
struct MemoryCursor<'a> {
    map: &'a Map,
    start: Vec<u8>,
    end: Vec<u8>,
    here: Here<'a>,
}

impl<'a> MemoryCursor<'a> {
    fn first_in(&self, from: Bound<&[u8]>) -> Here<'a> {
        let upper = if self.end.is_empty() { Bound::Unbounded } else { Bound::Excluded(self.end.as_slice()) };
        if is_empty_range(from, upper) {
            return Here::Beyond;
        }
        self.map
            .range::<[u8], _>((from, upper))
            .next()
            .map_or(Here::Beyond, |(key, value)| Here::At(key, value))
    }

    fn last_in(&self, upto: Bound<&[u8]>) -> Here<'a> {
        let lower = Bound::Included(self.start.as_slice());
        if is_empty_range(lower, upto) {
            return Here::Beyond;
        }
        self.map
            .range::<[u8], _>((lower, upto))
            .next_back()
            .map_or(Here::Beyond, |(key, value)| Here::At(key, value))
    }
}

impl Cursor for MemoryCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError> {
        let from = key.max(self.start.as_slice());
        self.here = self.first_in(Bound::Included(from));
        Ok(())
    }

    fn seek_before(&mut self, key: &[u8]) -> Result<(), StoreError> {
        let end = self.end.as_slice();
        let upto = match (key.is_empty(), end.is_empty()) {
            (true, true) => Bound::Unbounded,
            (true, false) => Bound::Excluded(end),
            (false, true) => Bound::Excluded(key),
            (false, false) => Bound::Excluded(key.min(end)),
        };
        self.here = self.last_in(upto);
        Ok(())
    }

    fn next(&mut self) -> Result<(), StoreError> {
        self.here = match self.here {
            Here::Before => self.first_in(Bound::Included(&self.start)),
            Here::At(key, _) => self.first_in(Bound::Excluded(key)),
            Here::Beyond => Here::Beyond,
        };
        Ok(())
    }

    fn prev(&mut self) -> Result<(), StoreError> {
        self.here = match self.here {
            Here::At(key, _) => self.last_in(Bound::Excluded(key)),
            Here::Before | Here::Beyond => Here::Beyond,
        };
        Ok(())
    }

    fn key(&self) -> Option<&[u8]> {
        match self.here {
            Here::At(key, _) => Some(key),
            Here::Before | Here::Beyond => None,
        }
    }

    fn value(&self) -> Option<&[u8]> {
        match self.here {
            Here::At(_, value) => Some(value),
            Here::Before | Here::Beyond => None,
        }
    }
}

/// Where a range of keys starts and ends.
type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// The bounds of a span of keys, or `None` where it can hold none.
fn bounds<'a>(start: &'a [u8], end: &'a [u8]) -> Option<Bounds<'a>> {
    let lower = Bound::Included(start);
    let upper = if end.is_empty() { Bound::Unbounded } else { Bound::Excluded(end) };
    (!is_empty_range(lower, upper)).then_some((lower, upper))
}

/// Whether no key lies between the bounds. Ordered maps panic on bounds in the wrong order.
fn is_empty_range(lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> bool {
    match (lower, upper) {
        (Bound::Included(lower), Bound::Excluded(upper))
        | (Bound::Excluded(lower), Bound::Excluded(upper) | Bound::Included(upper)) => lower >= upper,
        (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}
