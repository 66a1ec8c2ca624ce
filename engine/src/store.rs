//! The raw ordered store under everything: bytes by column family, atomic batches, consistent snapshots.
//!
//! Two implementations, [`crate::memory`] and [`crate::rocks`], keep one contract; every script runs on both.
//! Invariants: a [`Batch`] is atomic; batches are durable in the order in which they were written, so that a crash
//! leaves a prefix of them; a batch written with [`Durability::Synced`] has reached the disk, with all before it, when
//! the call returns. Where it may be waited for says [`waits`].

pub mod waits;

use bytes::Bytes;

use crate::codec::check::{Broken, holds};
use crate::staging::{PinnedView, Staging};

/// The column families of design.md section 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Log entries, votes, purge points of all groups.
    Raft,
    /// Descriptors, applied positions, membership, statistics, tombstones; store identity.
    Range,
    /// Transaction records.
    Txn,
    /// Intents.
    Lock,
    /// Versions of user keys.
    Data,
}

impl Family {
    /// All families, in the order of their creation.
    pub const ALL: [Self; 5] = [Self::Raft, Self::Range, Self::Txn, Self::Lock, Self::Data];

    /// Name of the column family on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raft => "raft",
            Self::Range => "range",
            Self::Txn => "txn",
            Self::Lock => "lock",
            Self::Data => "data",
        }
    }
}

/// One change of a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Sets a key.
    Put(Family, Bytes, Bytes),
    /// Removes a key; nothing happens where it does not exist.
    Delete(Family, Bytes),
    /// Removes all keys from the first (included) to the second (excluded).
    DeleteRange(Family, Bytes, Bytes),
}

/// Changes that take effect together, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    changes: Vec<Change>,
    bytes: usize,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key.
    pub fn put(&mut self, family: Family, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        let (key, value) = (key.into(), value.into());
        self.bytes += key.len() + value.len();
        self.changes.push(Change::Put(family, key, value));
    }

    /// Removes a key.
    pub fn delete(&mut self, family: Family, key: impl Into<Bytes>) {
        let key = key.into();
        self.bytes += key.len();
        self.changes.push(Change::Delete(family, key));
    }

    /// Removes the keys from `start` (included) to `end` (excluded).
    pub fn delete_range(&mut self, family: Family, start: impl Into<Bytes>, end: impl Into<Bytes>) {
        let (start, end) = (start.into(), end.into());
        self.bytes += start.len() + end.len();
        self.changes.push(Change::DeleteRange(family, start, end));
    }

    /// Appends all changes of another batch.
    pub fn append(&mut self, mut other: Self) {
        assert!(other.bytes == 0 || !other.changes.is_empty(), "a batch without changes has no bytes");
        self.bytes += other.bytes;
        self.changes.append(&mut other.changes);
    }

    /// The changes, in their order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Takes the batch apart.
    pub fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Bytes of keys and values.
    pub fn size_bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of the keys and values that it sets: without those of what it removes.
    pub fn put_bytes(&self) -> usize {
        let put = |change: &Change| match change {
            Change::Put(_, key, value) => key.len() + value.len(),
            Change::Delete(..) | Change::DeleteRange(..) => 0,
        };
        let bytes = self.changes.iter().map(put).sum();
        assert!(bytes <= self.bytes, "what a batch sets is part of all that it changes");
        bytes
    }
}

/// Whether a write waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Returns when the batch and all before it are on the disk.
    Synced,
    /// Returns when the batch is readable; a later synced write makes it durable too.
    Buffered,
}

/// Why the store could not do its work. Any error of a write means that the store must not be used again: the node
/// stops, and never retries a sync (design.md section 5).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The device or the library failed.
    #[error("store {operation} failed: {detail}")]
    Device {
        /// What was tried.
        operation: &'static str,
        /// The library's words.
        detail: String,
    },
    /// A file of the store is damaged: what lies in the damaged part cannot be read. Where a read finds this, all else is
    /// as it was, and the store may be used on.
    #[error("file {file} of the store is damaged: {detail}")]
    Damaged {
        /// Its name in the store's directory.
        file: String,
        /// The library's words.
        detail: String,
    },
    /// Stored bytes make no sense.
    #[error("stored bytes are damaged: {0}")]
    Corruption(String),
    /// The directory is in use by another process.
    #[error("data directory {path} is locked by another process")]
    Locked {
        /// The directory.
        path: String,
    },
}

impl From<Broken> for StoreError {
    fn from(broken: Broken) -> Self {
        Self::Corruption(broken.to_string())
    }
}

/// An ordered store. All calls block; callers on an async runtime keep them short or move them to a thread.
pub trait Store: Send + Sync + 'static {
    /// Newest value of a key.
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// Writes a batch, atomically.
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError>;

    /// Makes everything written before durable, as a synced write would.
    fn sync(&self) -> Result<(), StoreError>;

    /// A consistent view of all families as of now.
    fn snapshot(&self) -> Box<dyn Snapshot + '_>;

    /// A consistent view of all families as of now that does not borrow the store; for one reader of a whole span.
    ///
    /// # Errors
    /// The library or the system gives none.
    fn pin(&self) -> Result<Box<dyn PinnedView>, StoreError>;

    /// Parts staged beside this store.
    fn staging(&self) -> &dyn Staging;

    /// Estimate of the bytes that the keys from `start` to before `end` take on disk and in memory; cheap.
    fn approximate_bytes(&self, family: Family, start: &[u8], end: &[u8]) -> Result<u64, StoreError>;

    /// How far this store's writes go, and how far they are synced. Cheap: one is told with every message.
    fn positions(&self) -> Positions;

    /// What the store has found, when it was opened, that it has forgotten of what it had synced, in words.
    fn forgotten(&self) -> Option<String> {
        None
    }

    /// Files that are known to be damaged: nothing is compacted in their families until the store is opened anew, and
    /// nobody needs what cannot be read there.
    fn damaged_files(&self) -> Vec<String> {
        Vec::new()
    }

    /// Spans of keys of which something could not be read when the store was opened.
    fn unreadable(&self) -> Vec<DamagedSpan> {
        Vec::new()
    }
}

/// Keys of which something cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedSpan {
    /// Their family.
    pub family: Family,
    /// The first key that may be lost.
    pub start: Bytes,
    /// The first key behind those that may be lost; empty for "to the end".
    pub end: Bytes,
    /// The file whose damage it is, and how it shows.
    pub detail: String,
}

impl DamagedSpan {
    /// Whether it has keys from `start` to before `end` in a family.
    pub fn meets(&self, family: Family, start: &[u8], end: &[u8]) -> bool {
        let has_end = !self.end.is_empty();
        let is_empty = has_end && self.start >= self.end;
        let (is_behind, is_before) = (has_end && self.end <= start, end <= self.start.as_ref());
        self.family == family && !is_empty && !is_behind && !is_before
    }
}

/// Positions in the sequence of all writes of a store, counted in the store's own way. The count goes on over its
/// starts: a store that opens below a position that it has told as synced has forgotten something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    /// The last write that was there when the store was opened; zero for an empty one.
    pub opened: u64,
    /// The last write that is surely synced.
    pub synced: u64,
}

impl Positions {
    /// What must hold of positions.
    ///
    /// # Errors
    /// The rule that does not.
    pub const fn validate(&self) -> Result<(), Broken> {
        holds(self.opened <= self.synced, "what is there when a store is opened is synced")
    }
}

/// A consistent view of a store.
pub trait Snapshot: Send + Sync {
    /// Value of a key in this view.
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// A cursor over the keys from `start` (included) to `end` (excluded; empty for "to the end"), before the first.
    fn cursor(&self, family: Family, start: &[u8], end: &[u8]) -> Box<dyn Cursor + '_>;

    /// Whether one look shows that no key lies from `start` (included) to `end` (excluded; empty for "to the end").
    ///
    /// `false` says nothing: a look is not worth much time, nor an error of its own.
    fn is_vacant(&self, family: Family, start: &[u8], end: &[u8]) -> bool {
        let mut cursor = self.cursor(family, start, end);
        cursor.next().is_ok() && cursor.key().is_none()
    }
}

/// A position among the keys of one family within its bounds. Pairs stay valid until the next move.
///
/// A new cursor stands before the first key: [`Cursor::next`] leads to it. Once beyond the bounds, on either side, only
/// a seek leads back.
pub trait Cursor: Send {
    /// Moves to the first key at or after `key`, within the bounds.
    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError>;

    /// Moves to the last key strictly before `key`, within the bounds; empty for the last key of all.
    fn seek_before(&mut self, key: &[u8]) -> Result<(), StoreError>;

    /// Moves to the next key.
    fn next(&mut self) -> Result<(), StoreError>;

    /// Moves to the previous key.
    fn prev(&mut self) -> Result<(), StoreError>;

    /// The key here; `None` beyond the bounds.
    fn key(&self) -> Option<&[u8]>;

    /// The value here; `None` beyond the bounds.
    fn value(&self) -> Option<&[u8]>;
}

#[cfg(test)]
mod tests;
