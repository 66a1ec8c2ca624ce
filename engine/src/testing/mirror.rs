//! [`MirrorStore`]: two stores that must agree on everything that can be asked of them.

use bytes::Bytes;

use crate::staging::{Pair, PinnedView, StagedPart, Staging};
use crate::store::{Batch, Cursor, Durability, Family, Positions, Snapshot, Store, StoreError};

/// Writes to two stores and compares every answer; a difference is a panic, since it is a defect of one of them.
pub struct MirrorStore<A, B> {
    left: A,
    right: B,
}

impl<A: Store, B: Store> MirrorStore<A, B> {
    /// Two stores with equal contents.
    pub fn new(left: A, right: B) -> Self {
        Self { left, right }
    }

    /// The first store, whose answers are returned.
    pub fn left(&self) -> &A {
        &self.left
    }

    /// The second store.
    pub fn right(&self) -> &B {
        &self.right
    }
}

impl<A: Store, B: Store> Store for MirrorStore<A, B> {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let (left, right) = (self.left.get(family, key)?, self.right.get(family, key)?);
        assert_eq!(left, right, "get {family:?} {}", key.escape_ascii());
        Ok(left)
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        self.left.write(batch.clone(), durability)?;
        self.right.write(batch, durability)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.left.sync()?;
        self.right.sync()
    }

    fn snapshot(&self) -> Box<dyn Snapshot + '_> {
        Box::new(MirrorSnapshot { left: self.left.snapshot(), right: self.right.snapshot() })
    }

    fn pin(&self) -> Result<Box<dyn PinnedView>, StoreError> {
        Ok(Box::new(MirrorView { left: self.left.pin()?, right: self.right.pin()? }))
    }

    fn staging(&self) -> &dyn Staging {
        self
    }

    /// The first store's estimate: estimates may differ.
    fn approximate_bytes(&self, family: Family, start: &[u8], end: &[u8]) -> Result<u64, StoreError> {
        self.right.approximate_bytes(family, start, end)?;
        self.left.approximate_bytes(family, start, end)
    }

    fn positions(&self) -> Positions {
        self.left.positions()
    }

    fn forgotten(&self) -> Option<String> {
        self.left.forgotten().or_else(|| self.right.forgotten())
    }
}

impl<A: Store, B: Store> Staging for MirrorStore<A, B> {
    fn stage(&self, area: u64, part: &StagedPart) -> Result<(), StoreError> {
        self.left.staging().stage(area, part)?;
        self.right.staging().stage(area, part)
    }

    fn ingest(&self, area: u64, family: Family) -> Result<(), StoreError> {
        self.left.staging().ingest(area, family)?;
        self.right.staging().ingest(area, family)
    }

    fn unstage(&self, area: u64) -> Result<(), StoreError> {
        self.left.staging().unstage(area)?;
        self.right.staging().unstage(area)
    }

    fn areas(&self) -> Result<Vec<u64>, StoreError> {
        let (left, right) = (self.left.staging().areas()?, self.right.staging().areas()?);
        assert_eq!(left, right, "staged areas");
        Ok(left)
    }
}

struct MirrorView {
    left: Box<dyn PinnedView>,
    right: Box<dyn PinnedView>,
}

impl PinnedView for MirrorView {
    fn page(
        &self,
        family: Family,
        start: &[u8],
        end: &[u8],
        bytes_max: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        let left = self.left.page(family, start, end, bytes_max)?;
        let right = self.right.page(family, start, end, bytes_max)?;
        assert_eq!(left, right, "page of {family:?} from {}", start.escape_ascii());
        Ok(left)
    }
}

struct MirrorSnapshot<'a> {
    left: Box<dyn Snapshot + 'a>,
    right: Box<dyn Snapshot + 'a>,
}

impl Snapshot for MirrorSnapshot<'_> {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let (left, right) = (self.left.get(family, key)?, self.right.get(family, key)?);
        assert_eq!(left, right, "snapshot get {family:?} {}", key.escape_ascii());
        Ok(left)
    }

    fn cursor(&self, family: Family, start: &[u8], end: &[u8]) -> Box<dyn Cursor + '_> {
        Box::new(MirrorCursor {
            left: self.left.cursor(family, start, end),
            right: self.right.cursor(family, start, end),
        })
    }

    fn is_vacant(&self, family: Family, start: &[u8], end: &[u8]) -> bool {
        let is_known = self.left.is_vacant(family, start, end) | self.right.is_vacant(family, start, end);
        let mut cursor = self.cursor(family, start, end);
        let is_empty = cursor.next().is_ok() && cursor.key().is_none();
        assert!(is_empty || !is_known, "a vacant span of {family:?} from {}", start.escape_ascii());
        is_known
    }
}

struct MirrorCursor<'a> {
    left: Box<dyn Cursor + 'a>,
    right: Box<dyn Cursor + 'a>,
}

impl MirrorCursor<'_> {
    fn both(
        &mut self,
        operation: &str,
        mut step: impl FnMut(&mut dyn Cursor) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        step(self.left.as_mut())?;
        step(self.right.as_mut())?;
        let left = self.left.key().zip(self.left.value());
        let right = self.right.key().zip(self.right.value());
        assert_eq!(left, right, "cursor after {operation}");
        Ok(())
    }
}

impl Cursor for MirrorCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.both("seek", |cursor| cursor.seek(key))
    }

    fn seek_before(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.both("seek_before", |cursor| cursor.seek_before(key))
    }

    fn next(&mut self) -> Result<(), StoreError> {
        self.both("next", |cursor| cursor.next())
    }

    fn prev(&mut self) -> Result<(), StoreError> {
        self.both("prev", |cursor| cursor.prev())
    }

    fn key(&self) -> Option<&[u8]> {
        self.left.key()
    }

    fn value(&self) -> Option<&[u8]> {
        self.left.value()
    }
}
