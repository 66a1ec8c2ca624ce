//! Versions of keys: each write is a new version under its timestamp, and a read sees the newest at its own.
//!
//! ```text
//!   data   escaped user key, 00 00, inverted timestamp, 09   ->  00 deletion | 01 value
//!   lock   user key                                          ->  intent: a write whose transaction is not over
//!   txn    escaped anchor key, 00 00, transaction id         ->  transaction record
//! ```
//!
//! A read at `timestamp` with an uncertainty window up to `uncertainty_limit` meets, at each key, one of these:
//!
//! - an intent at or below the limit: [`MvccError::Intent`], as nobody here knows how its transaction ends;
//! - a version in the window: [`MvccError::Uncertain`], as it may have been committed before the read began, by a node
//!   whose clock is ahead; the reader raises its timestamp;
//! - else the newest version at or below `timestamp`, or none.
//!
//! Everything here is a pure function of a [`crate::store::Snapshot`]; writes go into a [`crate::store::Batch`].

mod changed;
mod changes;
pub mod intent;
pub mod intent_format;
pub mod key_format;
mod page;
mod pass;
mod read;
pub mod record;
pub mod record_format;
mod refresh;
mod scan;
pub mod stats;
pub mod version_format;
mod visits;
mod write;

pub use changed::{ChangeScan, ChangeWindow, Changed, Filter};
pub use changes::changes_in;
pub use intent::Intent;
pub use page::{PageError, read_page};
pub use read::{get, have_no_versions, newest};
pub use refresh::{Refreshed, refresh};
pub use scan::MvccScan;
pub use visits::Visits;
pub use write::put;

use crate::codec::CodecError;
use crate::codec::check::Broken;
use crate::hlc::Timestamp;
use crate::kv::{Key, Value};
use crate::store::StoreError;

/// When a read sees the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadAt {
    /// Newest version that is seen.
    pub timestamp: Timestamp,
    /// Versions above `timestamp` up to here make the read uncertain. Equal to `timestamp` (or below) for none.
    pub uncertainty_limit: Timestamp,
}

impl ReadAt {
    /// A read without an uncertainty window.
    pub const fn exactly(timestamp: Timestamp) -> Self {
        Self { timestamp, uncertainty_limit: timestamp }
    }

    /// Newest timestamp that matters to this read.
    pub fn limit(&self) -> Timestamp {
        self.timestamp.max(self.uncertainty_limit)
    }
}

/// A value and when it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// Commit timestamp of the version.
    pub timestamp: Timestamp,
    /// Its value.
    pub value: Value,
}

/// Why a read has no answer (yet).
#[derive(Clone, Debug, thiserror::Error)]
pub enum MvccError {
    /// A version in the uncertainty window: read again at or above its timestamp.
    #[error("key {key} has a version at {timestamp}, within the uncertainty window")]
    Uncertain {
        /// The key.
        key: Key,
        /// Newest timestamp of the key in the window.
        timestamp: Timestamp,
    },
    /// An intent is in the way: wait for its transaction, or find out how it ended.
    #[error("key {key} is locked by transaction {}", intent.transaction)]
    Intent {
        /// The key.
        key: Key,
        /// What is there.
        intent: Box<Intent>,
    },
    /// The store failed, or holds bytes that make no sense.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Broken> for MvccError {
    fn from(broken: Broken) -> Self {
        Self::Store(broken.into())
    }
}

impl From<CodecError> for MvccError {
    fn from(error: CodecError) -> Self {
        Self::Store(StoreError::Corruption(error.to_string()))
    }
}

#[cfg(test)]
mod tests;
