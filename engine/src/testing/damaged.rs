//! [`DamagedStore`]: a store of which some spans cannot be read, as a table file with a flipped bit has them.
//!
//! What lies in such a span answers [`StoreError::Damaged`] to every reader, whatever is written into it, until the span
//! is removed as a whole or something staged takes its place: a removal above the damage hides it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::staging::{Pair, PinnedView, StagedPart, Staging};
use crate::store::{
    Batch, Change, Cursor, DamagedSpan, Durability, Family, Positions, Snapshot, Store, StoreError,
};

/// Name of the file that is to blame.
const FILE: &str = "000007.sst";

/// The damage of a disk; clones are the same one. It outlives the store that is open on the disk.
#[derive(Clone, Default)]
pub struct Damage {
    state: Arc<Mutex<DamageState>>,
}

#[derive(Default)]
struct DamageState {
    spans: Vec<DamagedSpan>,
    /// Spans of staged parts, by area and number.
    staged: BTreeMap<(u64, u32), DamagedSpan>,
}

fn span(family: Family, start: Bytes, end: Bytes) -> DamagedSpan {
    DamagedSpan { family, start, end, detail: "a test has damaged a block".to_owned() }
}

impl Damage {
    /// From now on the keys from `start` to before `end` cannot be read.
    pub fn add(&self, family: Family, start: Bytes, end: Bytes) {
        self.state.lock().spans.push(span(family, start, end));
    }

    /// Whether there is any that is not hidden.
    pub fn is_there(&self) -> bool {
        !self.state.lock().spans.is_empty()
    }

    /// Whether any of it lies between these keys.
    pub fn meets(&self, family: Family, start: &[u8], end: &[u8]) -> bool {
        self.state.lock().spans.iter().any(|span| span.meets(family, start, end))
    }

    fn hide(&self, family: Family, start: &Bytes, end: &Bytes) {
        let mut state = self.state.lock();
        let left = std::mem::take(&mut state.spans).into_iter().flat_map(|span| {
            if !span.meets(family, start, end) {
                return vec![span];
            }
            let before = DamagedSpan { end: start.clone(), ..span.clone() };
            let after = DamagedSpan { start: end.clone(), ..span };
            [before, after].into_iter().filter(|span| span.start < span.end).collect()
        });
        state.spans = left.collect();
    }

    /// Whether a key can be read.
    fn check(&self, family: Family, key: &[u8]) -> Result<(), StoreError> {
        let state = self.state.lock();
        let holds = |span: &&DamagedSpan| {
            span.family == family && span.start.as_ref() <= key && key < span.end.as_ref()
        };
        match state.spans.iter().find(holds) {
            Some(span) => Err(StoreError::Damaged { file: FILE.to_owned(), detail: span.detail.clone() }),
            None => Ok(()),
        }
    }
}

/// A store around another one.
pub struct DamagedStore<S> {
    inner: Arc<S>,
    damage: Damage,
}

impl<S: Store> DamagedStore<S> {
    /// The store on a disk with this damage.
    pub fn new(inner: Arc<S>, damage: Damage) -> Self {
        Self { inner, damage }
    }
}

impl<S: Store> Store for DamagedStore<S> {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.damage.check(family, key)?;
        self.inner.get(family, key)
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let removed: Vec<_> = batch
            .changes()
            .iter()
            .filter_map(|change| match change {
                Change::DeleteRange(family, start, end) => Some((*family, start.clone(), end.clone())),
                Change::Put(..) | Change::Delete(..) => None,
            })
            .collect();
        self.inner.write(batch, durability)?;
        removed.iter().for_each(|(family, start, end)| self.damage.hide(*family, start, end));
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.inner.sync()
    }

    fn snapshot(&self) -> Box<dyn Snapshot + '_> {
        Box::new(View { damage: self.damage.clone(), inner: self.inner.snapshot() })
    }

    fn pin(&self) -> Result<Box<dyn PinnedView>, StoreError> {
        Ok(Box::new(Pinned { damage: self.damage.clone(), inner: self.inner.pin()? }))
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

    fn damaged_files(&self) -> Vec<String> {
        if self.damage.is_there() { vec![FILE.to_owned()] } else { Vec::new() }
    }
}

impl<S: Store> Staging for DamagedStore<S> {
    fn stage(&self, area: u64, part: &StagedPart) -> Result<(), StoreError> {
        self.inner.staging().stage(area, part)?;
        let replaced = span(part.family, part.start.clone(), part.end.clone());
        self.damage.state.lock().staged.insert((area, part.number), replaced);
        Ok(())
    }

    fn ingest(&self, area: u64, family: Family) -> Result<(), StoreError> {
        self.inner.staging().ingest(area, family)?;
        let parts: Vec<DamagedSpan> = self
            .damage
            .state
            .lock()
            .staged
            .range((area, 0)..=(area, u32::MAX))
            .map(|(_, part)| part.clone())
            .collect();
        for part in parts.iter().filter(|part| part.family == family) {
            self.damage.hide(family, &part.start, &part.end);
        }
        Ok(())
    }

    fn unstage(&self, area: u64) -> Result<(), StoreError> {
        self.damage.state.lock().staged.retain(|(of, _), _| *of != area);
        self.inner.staging().unstage(area)
    }

    fn areas(&self) -> Result<Vec<u64>, StoreError> {
        self.inner.staging().areas()
    }
}

struct View<'a> {
    damage: Damage,
    inner: Box<dyn Snapshot + 'a>,
}

impl Snapshot for View<'_> {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.damage.check(family, key)?;
        self.inner.get(family, key)
    }

    fn cursor(&self, family: Family, start: &[u8], end: &[u8]) -> Box<dyn Cursor + '_> {
        let inner = self.inner.cursor(family, start, end);
        Box::new(DamagedCursor { damage: self.damage.clone(), family, inner })
    }
}

struct DamagedCursor<'a> {
    damage: Damage,
    family: Family,
    inner: Box<dyn Cursor + 'a>,
}

impl DamagedCursor<'_> {
    fn check(&self) -> Result<(), StoreError> {
        self.inner.key().map_or(Ok(()), |key| self.damage.check(self.family, key))
    }
}

impl Cursor for DamagedCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.inner.seek(key)?;
        self.check()
    }

    fn seek_before(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.inner.seek_before(key)?;
        self.check()
    }

    fn next(&mut self) -> Result<(), StoreError> {
        self.inner.next()?;
        self.check()
    }

    fn prev(&mut self) -> Result<(), StoreError> {
        self.inner.prev()?;
        self.check()
    }

    fn key(&self) -> Option<&[u8]> {
        self.inner.key()
    }

    fn value(&self) -> Option<&[u8]> {
        self.inner.value()
    }
}

struct Pinned {
    damage: Damage,
    inner: Box<dyn PinnedView>,
}

impl PinnedView for Pinned {
    fn page(
        &self,
        family: Family,
        start: &[u8],
        end: &[u8],
        bytes_max: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        let pairs = self.inner.page(family, start, end, bytes_max)?;
        pairs.iter().try_for_each(|(key, _)| self.damage.check(family, key))?;
        Ok(pairs)
    }
}
