//! The directory, kept: the rows as of the last look, brought up to date by asking range 1 for what has changed since.
//!
//! ```text
//!   first look, T1 ──▶ all rows as of T1 ── changes in (T1, T2] ──▶ all rows as of T2 ── …
//!   no copy · range 1 has another term · what it holds cannot be told from the changes ──▶ a first look again
//! ```
//!
//! All loops of a node share one copy, and each of them looks: what it gets is as new as if it had read every row itself,
//! while a directory at rest costs a request with no rows in its answer. Looks come one after the other.
//!
//! Invariant: the rows as of T are what a scan of the directory as of T finds. Whatever is decided on them is checked where
//! it is carried out, as after any read.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Change, ChangesRequest, Database, Key, KvError, TransactionOptions};

use super::attempts::DirectoryAttempts;
use super::rows::{self, directory_rows};
use crate::client::txn::DistributedDatabase;
use crate::descriptor::RangeDescriptor;

/// Rows that one request for changes passes; those without a change cost a step each, and nothing in the answer.
const CHANGES_KEYS_MAX: u64 = 10_000;
/// Bytes at which a page of changes ends.
const CHANGES_BYTES_MAX: u64 = 1 << 20;

/// The rows of the ranges of tables, by start key, as of one moment.
pub(in crate::cluster) type ListedRanges = Arc<Vec<RangeDescriptor>>;

/// What a look brought.
pub(super) struct Look {
    /// The rows, all of them.
    pub ranges: ListedRanges,
    /// How many of them were read for it.
    pub rows_read: u64,
}

/// The copy, before the first look there is none.
#[derive(Debug, Default)]
pub(super) struct WatchedDirectory {
    /// Held while range 1 is asked: whoever comes second asks only for what the first has not brought.
    copy: tokio::sync::Mutex<Option<DirectoryCopy>>,
}

impl WatchedDirectory {
    /// All rows as of a moment after this was called. `term` is range 1's as known here: a copy of another one is not built
    /// upon.
    ///
    /// # Errors
    /// Range 1 cannot be read, or holds bytes that cannot. In the second case the next look reads everything.
    pub async fn look(&self, database: &DistributedDatabase, term: Option<u64>) -> Result<Look, KvError> {
        let mut copy = self.copy.lock().await;
        let known = copy.clone().filter(|known| known.term == term);
        match look_from(known, database, term).await {
            Ok((newer, rows_read)) => {
                let ranges = Arc::clone(&newer.ranges);
                *copy = Some(newer);
                Ok(Look { ranges, rows_read })
            }
            Err(error) => {
                if !is_passing(&error) {
                    *copy = None;
                }
                Err(error)
            }
        }
    }
}

/// The copy of now, and how many rows were read for it.
async fn look_from(
    known: Option<DirectoryCopy>,
    database: &DistributedDatabase,
    term: Option<u64>,
) -> Result<(DirectoryCopy, u64), KvError> {
    let Some(known) = known else {
        let (rows, as_of) = DirectoryAttempts::default().run(|| read_all(database)).await?;
        let rows_read = rows.len() as u64;
        return Ok((DirectoryCopy::new(rows, as_of, term)?, rows_read));
    };
    let (changes, as_of) = DirectoryAttempts::default().run(|| read_changes(database, known.as_of)).await?;
    let rows_read = changes.len() as u64;
    Ok((known.with(changes, as_of)?, rows_read))
}

/// Whether the copy that there was is as good as before this happened.
fn is_passing(error: &KvError) -> bool {
    matches!(
        error,
        KvError::Retry { .. }
            | KvError::Ambiguous { .. }
            | KvError::Unavailable { .. }
            | KvError::Clock { .. }
    )
}

async fn read_all(database: &DistributedDatabase) -> Result<(Vec<(Key, Bytes)>, Timestamp), KvError> {
    let mut transaction = database.begin(TransactionOptions::reading()).await?;
    let rows = rows::scan_all(transaction.as_mut(), directory_rows()).await?;
    Ok((rows, transaction.read_timestamp()))
}

async fn read_changes(
    database: &DistributedDatabase,
    after: Timestamp,
) -> Result<(Vec<Change>, Timestamp), KvError> {
    let mut transaction = database.begin(TransactionOptions::reading()).await?;
    let mut found = Vec::new();
    let mut rest = Some(directory_rows());
    while let Some(span) = rest.take() {
        let (keys_max, bytes_max) = (CHANGES_KEYS_MAX, CHANGES_BYTES_MAX);
        let page = transaction.changes(ChangesRequest { span, after, keys_max, bytes_max }).await?;
        found.extend(page.changes);
        rest = page.resume;
    }
    Ok((found, transaction.read_timestamp()))
}

/// The directory as of one moment.
#[derive(Clone, Debug)]
struct DirectoryCopy {
    as_of: Timestamp,
    /// Range 1's term when all rows were read.
    term: Option<u64>,
    /// The rows, by their keys in range 1.
    rows: Arc<BTreeMap<Key, RangeDescriptor>>,
    /// Their values, for whoever looks.
    ranges: ListedRanges,
}

impl DirectoryCopy {
    /// From all rows.
    fn new(rows: Vec<(Key, Bytes)>, as_of: Timestamp, term: Option<u64>) -> Result<Self, KvError> {
        let decoded: Result<BTreeMap<_, _>, KvError> = rows
            .into_iter()
            .map(|(key, value)| rows::decode_row(&key, &value).map(|range| (key, range)))
            .collect();
        Ok(Self::of(decoded?, as_of, term))
    }

    fn of(rows: BTreeMap<Key, RangeDescriptor>, as_of: Timestamp, term: Option<u64>) -> Self {
        let ranges = Arc::new(rows.values().cloned().collect());
        Self { as_of, term, rows: Arc::new(rows), ranges }
    }

    /// The copy as of a later moment; changes are those since its own, deletions among them.
    fn with(self, changes: Vec<Change>, as_of: Timestamp) -> Result<Self, KvError> {
        // A look that came to an earlier timestamp than the one before it brings nothing that is not known.
        let as_of = self.as_of.max(as_of);
        if changes.is_empty() {
            return Ok(Self { as_of, ..self });
        }
        let mut rows = Arc::unwrap_or_clone(self.rows);
        for Change { key, value, timestamp } in changes {
            if timestamp <= self.as_of {
                return Err(KvError::Storage(format!(
                    "row {key} of range 1: its change of {timestamp} was known"
                )));
            }
            match value {
                Some(value) => {
                    let range = rows::decode_row(&key, &value)?;
                    rows.insert(key, range);
                }
                None => {
                    rows.remove(&key);
                }
            }
        }
        Ok(Self::of(rows, as_of, self.term))
    }
}

#[cfg(test)]
mod tests;
