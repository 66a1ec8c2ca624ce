//! [`RocksStore`]: the [`Store`] contract over one RocksDB. Only this file and its folder name the library.
//!
//! One database a node, one column family for each [`Family`], one write-ahead log for all of them: a crash leaves a
//! prefix of the batches (point-in-time recovery). Only [`Durability::Synced`] writes and [`Store::sync`] wait for the
//! disk, and both are counted (`quorate_store_syncs_total`).
//!
//! The `data` family has a prefix extractor that cuts a version's timestamp off (the last byte of each key is the
//! length of what follows the user key, see [`crate::mvcc::key_format`]), so that bloom filters answer for user keys.
//! A cursor whose bounds are exactly one user key uses the filter; all others seek in total order.

mod cut;
mod damage;
mod damage_format;
mod forgotten;
mod forgotten_format;
mod lock;
mod mark;
mod mark_format;
mod opening;
mod staging;
mod sync_watch;
mod verdict;
mod view;
mod wal;

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, DB, DBCompressionType, DBRawIterator, DBRecoveryMode, Options,
    Range, ReadOptions, SliceTransform, WriteBatch,
};

use crate::codec::check::{holds, must_hold};
use crate::staging::{PinnedView, Staging};
use crate::store::{
    Batch, Change, Cursor, DamagedSpan, Durability, Family, Positions, Snapshot, Store, StoreError, waits,
};
use damage::DamageLog;
pub use forgotten::Forgotten;
use lock::StoreLock;
use mark::{Marker, Synced};
use staging::RocksStaging;
pub use sync_watch::SyncTimes;
use sync_watch::Syncs;
pub use verdict::VERDICT_FILE;
use view::RocksView;
use wal::note_format::Note;

/// Bits of bloom filter for each user key: about 1 % of false positives.
const BLOOM_BITS_PER_KEY: f64 = 10.0;
/// Bytes of a block before compression: larger ones compress and scan better, smaller ones read less for a point.
const BLOCK_BYTES: usize = 16 << 10;
/// Write-ahead log bytes at which the families that hold old parts of it back are flushed.
const WAL_BYTES_MAX: u64 = 128 << 20;
/// Write-ahead logs that are written over instead of deleted: a sync of a file that does not grow writes its data alone, and
/// not its inode. Records carry their file's number, so that a recovery ends where the new ones end.
const WAL_FILES_REUSED: usize = 2;
/// Memtables of one family before writers wait.
const MEMTABLES_MAX: i32 = 4;
/// Removed keys beyond which a look for any key at all ends without one.
const REMOVED_KEYS_PASSED_MAX: u64 = 64;
/// Pairs that [`Store::approximate_bytes`] counts exactly, as the library's estimate leaves memtables out.
const COUNTED_PAIRS_MAX: usize = 1024;

/// What a node may spend on its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RocksOptions {
    /// Bytes of blocks, indexes and filters kept in memory.
    pub block_cache_bytes: usize,
    /// Bytes of one memtable of the families `data` and `raft`; the others take a quarter.
    pub memtable_bytes: usize,
    /// Bytes of all memtables together; the largest is flushed beyond it.
    pub memtables_bytes_max: usize,
    /// Threads for flushes and compactions.
    pub background_jobs: i32,
    /// Files kept open: three nodes in one process stay below the usual limit of 1,024.
    pub open_files_max: i32,
}

impl Default for RocksOptions {
    /// Fit for three nodes in one process: about 128 MiB each.
    fn default() -> Self {
        Self {
            block_cache_bytes: 64 << 20,
            memtable_bytes: 16 << 20,
            memtables_bytes_max: 64 << 20,
            background_jobs: 2,
            open_files_max: 256,
        }
    }
}

/// The library's database, and what goes with it. Shared with pinned views, which are to be dropped before the store is
/// opened again.
struct Database {
    /// Closed before the lock is given up.
    db: DB,
    _lock: StoreLock,
    /// Held by writers together, and by an ingestion alone: see [`Note::leaps_from`].
    writes: RwLock<()>,
    synced: Arc<Synced>,
    damage: DamageLog,
}

impl Deref for Database {
    type Target = DB;

    fn deref(&self) -> &DB {
        &self.db
    }
}

/// A store on disk.
pub struct RocksStore {
    /// None in a store that has forgotten: its mark stays as it was.
    marker: Option<Marker>,
    db: Arc<Database>,
    forgotten: Option<Forgotten>,
    syncs: AtomicU64,
    sync_watch: Syncs,
    /// The library's sequence number when it was opened.
    opened: u64,
    staging: RocksStaging,
    /// What could not be read when it was opened.
    unreadable: Vec<DamagedSpan>,
}

impl RocksStore {
    /// Opens the store in the directory `path`, and makes it where there is none. One that has lost what it had synced is
    /// opened too: see [`Store::forgotten`].
    ///
    /// # Errors
    /// [`StoreError::Locked`] where another process (or another store of this one) has it open,
    /// [`StoreError::Corruption`] and [`StoreError::Device`] for what the library reports.
    pub fn open(path: impl AsRef<Path>, options: RocksOptions) -> Result<Self, StoreError> {
        describe_metrics();
        opening::open(path.as_ref(), options, opening::boot_of_this_machine())
    }

    /// What was found, when the store was opened, to be lost of what it had synced.
    pub fn loss(&self) -> Option<&Forgotten> {
        self.forgotten.as_ref()
    }

    /// Says on the disk how far the store is synced, now and not within a second. For a clean stop, and for tests.
    ///
    /// # Errors
    /// The mark could not be written; the one before stays.
    pub fn mark(&self) -> Result<(), StoreError> {
        let mark = self.marker.as_ref().map_or(Ok(()), Marker::mark);
        mark.map_err(|error| StoreError::Device { operation: "mark", detail: error.to_string() })
    }

    /// Makes what is left of a store that has forgotten the whole of it, from the next opening on. Only for a store on
    /// which nobody else relies. Cut short, it has still forgotten.
    ///
    /// # Errors
    /// What is left could not be written to files, or the verdict not be removed: the store has still forgotten.
    pub fn accept_loss(self) -> Result<(), StoreError> {
        self.flush()?;
        opening::accept_loss(&self.db)
    }

    /// Syncs since the start: synced writes and [`Store::sync`].
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// How long syncs take, by those of the last seconds.
    pub fn sync_times(&self) -> SyncTimes {
        self.sync_watch.times()
    }

    /// Writes all memtables to files. For tests and for a clean stop; the log makes it needless for safety.
    ///
    /// # Errors
    /// What the library reports.
    pub fn flush(&self) -> Result<(), StoreError> {
        Family::ALL.into_iter().try_for_each(|family| {
            self.db.flush_cf(self.handle(family)).map_err(|error| self.db.failed("flush", &error))
        })
    }

    /// Bytes of the library's memtables and table readers, block cache apart: for metrics.
    pub fn memory_bytes(&self) -> u64 {
        ["rocksdb.cur-size-all-mem-tables", "rocksdb.estimate-table-readers-mem"]
            .into_iter()
            .flat_map(|name| Family::ALL.map(|family| (name, family)))
            .filter_map(|(name, family)| {
                self.db.property_int_value_cf(self.handle(family), name).ok().flatten()
            })
            .sum()
    }

    fn handle(&self, family: Family) -> &ColumnFamily {
        handle(&self.db, family)
    }

    /// Waits for the disk until all that is written now, `written` included, is there. No lock is held and no place in
    /// the library's queue of writers taken meanwhile: whoever writes without waiting goes on. (A synced write of the
    /// library is the whole queue's wait.)
    fn sync_up_to(&self, written: u64) -> Result<(), StoreError> {
        waits::check();
        assert!(written <= self.db.latest_sequence_number(), "nothing is synced that was not written");
        self.measured(|| self.db.flush_wal(true).map_err(|error| self.db.failed("sync", &error)))?;
        self.db.synced.raise(written);
        Ok(())
    }

    /// Runs what waits for the disk, counts it and measures it.
    fn measured(&self, work: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
        let id = self.sync_watch.begin();
        let result = work();
        let took = self.sync_watch.end(id);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("quorate_store_syncs_total").increment(1);
        metrics::histogram!("quorate_store_sync_seconds").record(took.as_secs_f64());
        result
    }

    /// Bytes of the first pairs of a span, counted one by one.
    fn counted_bytes(&self, family: Family, start: &[u8], end: &[u8]) -> Result<u64, StoreError> {
        let snapshot = self.snapshot();
        let mut cursor = snapshot.cursor(family, start, end);
        let mut bytes = 0;
        for _ in 0..COUNTED_PAIRS_MAX {
            cursor.next()?;
            let (Some(key), Some(value)) = (cursor.key(), cursor.value()) else { break };
            bytes += (key.len() + value.len()) as u64;
        }
        Ok(bytes)
    }
}

fn handle(db: &DB, family: Family) -> &ColumnFamily {
    db.cf_handle(family.name()).expect("every family is made when the store is opened")
}

impl Store for RocksStore {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let value = self.db.get_pinned_cf(self.handle(family), key);
        let value = value.map_err(|error| self.db.failed("get", &error))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let mut encoded =
            WriteBatch::with_capacity_bytes(32 + batch.size_bytes() + 16 * batch.changes().len());
        encoded.put_log_data(Note { synced: self.db.synced.get(), leaps_from: None }.encode());
        for change in batch.changes() {
            match change {
                Change::Put(family, key, value) => encoded.put_cf(self.handle(*family), key, value),
                Change::Delete(family, key) => encoded.delete_cf(self.handle(*family), key),
                Change::DeleteRange(family, start, end) if start < end => {
                    encoded.delete_range_cf(self.handle(*family), start, end);
                }
                Change::DeleteRange(..) => {}
            }
        }
        // Removals of nothing are left out.
        let changes = encoded.len() as u64;
        assert!(changes <= batch.changes().len() as u64, "a batch changes nothing that it does not name");
        let before = {
            let _no_ingestion = self.db.writes.read();
            let before = self.db.latest_sequence_number();
            self.db.write(encoded).map_err(|error| self.db.failed("write", &error))?;
            let after = self.db.latest_sequence_number();
            assert!(before + changes <= after, "each change takes a sequence number");
            before
        };
        match durability {
            Durability::Buffered => Ok(()),
            // Its own changes come after those that were there before, and perhaps after others.
            Durability::Synced => self.sync_up_to(before + changes),
        }
    }

    fn sync(&self) -> Result<(), StoreError> {
        let written = {
            let _no_ingestion = self.db.writes.read();
            self.db.latest_sequence_number()
        };
        self.sync_up_to(written)
    }

    fn snapshot(&self) -> Box<dyn Snapshot + '_> {
        Box::new(RocksSnapshot { db: &self.db, snapshot: self.db.snapshot() })
    }

    fn pin(&self) -> Result<Box<dyn PinnedView>, StoreError> {
        Ok(Box::new(RocksView::open(&self.db)?))
    }

    fn staging(&self) -> &dyn Staging {
        &self.staging
    }

    fn approximate_bytes(&self, family: Family, start: &[u8], end: &[u8]) -> Result<u64, StoreError> {
        let counted = self.counted_bytes(family, start, end)?;
        // The library wants an end: no key of ours is longer than this one of 0xff bytes, and none is greater.
        let last = [u8::MAX; 64];
        let end = if end.is_empty() { last.as_slice() } else { end };
        let sizes = self.db.get_approximate_sizes_cf(self.handle(family), &[Range::new(start, end)]);
        Ok(sizes.first().copied().unwrap_or(0).max(counted))
    }

    fn positions(&self) -> Positions {
        let positions = Positions { opened: self.opened, synced: self.db.synced.get() };
        must_hold("a store's positions", positions.validate());
        positions
    }

    fn forgotten(&self) -> Option<String> {
        self.forgotten.as_ref().map(Forgotten::to_string)
    }

    fn damaged_files(&self) -> Vec<String> {
        self.db.damage.files()
    }

    fn unreadable(&self) -> Vec<DamagedSpan> {
        self.unreadable.clone()
    }
}

/// A consistent view; holds the library's snapshot.
struct RocksSnapshot<'a> {
    db: &'a Database,
    snapshot: rocksdb::Snapshot<'a>,
}

impl Snapshot for RocksSnapshot<'_> {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let value = self
            .snapshot
            .get_pinned_cf(handle(self.db, family), key)
            .map_err(|error| self.db.failed("get", &error))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn cursor(&self, family: Family, start: &[u8], end: &[u8]) -> Box<dyn Cursor + '_> {
        let one_prefix = family == Family::Data && is_one_prefix(start, end);
        let iterator = self.iterator(family, start, end, one_prefix);
        Box::new(RocksCursor {
            snapshot: self,
            iterator,
            family,
            start: start.to_vec(),
            end: end.to_vec(),
            is_fresh: true,
            is_total_order: !one_prefix,
        })
    }

    fn is_vacant(&self, family: Family, start: &[u8], end: &[u8]) -> bool {
        if !end.is_empty() && start >= end {
            return true;
        }
        let mut options = bounds(start, end);
        options.set_total_order_seek(true);
        // Beyond so many removed keys the library gives up, as it does with damage: both are no answer.
        options.set_max_skippable_internal_keys(REMOVED_KEYS_PASSED_MAX);
        let mut iterator = self.snapshot.raw_iterator_cf_opt(handle(self.db, family), options);
        iterator.seek(start);
        iterator.key().is_none() && iterator.status().is_ok()
    }
}

fn bounds(start: &[u8], end: &[u8]) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(start);
    if !end.is_empty() {
        options.set_iterate_upper_bound(end);
    }
    options
}

impl RocksSnapshot<'_> {
    fn iterator(&self, family: Family, start: &[u8], end: &[u8], one_prefix: bool) -> DBRawIterator<'_> {
        let mut options = bounds(start, end);
        options.set_total_order_seek(!one_prefix);
        options.set_prefix_same_as_start(one_prefix);
        self.snapshot.raw_iterator_cf_opt(handle(self.db, family), options)
    }
}

/// A cursor over the library's iterator.
struct RocksCursor<'a> {
    snapshot: &'a RocksSnapshot<'a>,
    iterator: DBRawIterator<'a>,
    family: Family,
    start: Vec<u8>,
    end: Vec<u8>,
    /// Not moved yet: [`Cursor::next`] leads to the first key.
    is_fresh: bool,
    /// Whether the iterator sees all keys, and not only those of one prefix.
    is_total_order: bool,
}

impl RocksCursor<'_> {
    /// Whether the cursor's bounds hold no key at all; the library does not promise anything for these.
    fn has_no_room(&self) -> bool {
        !self.end.is_empty() && self.start >= self.end
    }

    fn check(&self, operation: &'static str) -> Result<(), StoreError> {
        if let Some(key) = self.iterator.key() {
            let is_within =
                self.start.as_slice() <= key && (self.end.is_empty() || key < self.end.as_slice());
            holds(is_within, "a cursor stands within its bounds")?;
            return Ok(());
        }
        self.iterator.status().map_err(|error| self.snapshot.db.failed(operation, &error))
    }
}

impl Cursor for RocksCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.is_fresh = false;
        if self.has_no_room() {
            return Ok(());
        }
        self.iterator.seek(key.max(self.start.as_slice()));
        self.check("seek")
    }

    fn seek_before(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.is_fresh = false;
        if self.has_no_room() {
            return Ok(());
        }
        if !self.is_total_order {
            // Seeking backwards is not defined under a prefix.
            self.iterator = self.snapshot.iterator(self.family, &self.start, &self.end, false);
            self.is_total_order = true;
        }
        let is_beyond_end = !self.end.is_empty() && key >= self.end.as_slice();
        if key.is_empty() || is_beyond_end {
            self.iterator.seek_to_last();
        } else {
            self.iterator.seek_for_prev(key);
            if self.iterator.key() == Some(key) {
                self.iterator.prev();
            }
        }
        self.check("seek")
    }

    fn next(&mut self) -> Result<(), StoreError> {
        if self.is_fresh {
            let start = std::mem::take(&mut self.start);
            let result = self.seek(&start);
            self.start = start;
            return result;
        }
        if self.iterator.valid() {
            self.iterator.next();
            return self.check("next");
        }
        Ok(())
    }

    fn prev(&mut self) -> Result<(), StoreError> {
        if !self.is_fresh && self.iterator.valid() {
            self.iterator.prev();
            return self.check("prev");
        }
        self.is_fresh = false;
        Ok(())
    }

    fn key(&self) -> Option<&[u8]> {
        self.iterator.key()
    }

    fn value(&self) -> Option<&[u8]> {
        self.iterator.value()
    }
}

/// Whether the bounds are those of all versions of one user key: a bare key, which ends in two zeros, and the same
/// with a one at its end.
fn is_one_prefix(start: &[u8], end: &[u8]) -> bool {
    match (start.split_last_chunk::<2>(), end.split_last()) {
        (Some((_, [0, 0])), Some((1, head))) => start.len() == end.len() && start.starts_with(head),
        _ => false,
    }
}

/// The part of a `data` key that is the same for all versions of a user key.
fn data_prefix(key: &[u8]) -> &[u8] {
    let suffix = key.last().map_or(0, |length| usize::from(*length));
    key.get(..key.len().saturating_sub(suffix)).unwrap_or(key)
}

/// Whether [`data_prefix`] means anything for this key.
fn has_data_prefix(key: &[u8]) -> bool {
    key.last().is_some_and(|length| usize::from(*length) < key.len())
}

fn database_options(options: &RocksOptions) -> Options {
    let mut database = Options::default();
    database.create_if_missing(true);
    database.create_missing_column_families(true);
    database.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    database.set_max_total_wal_size(WAL_BYTES_MAX);
    database.set_recycle_log_file_num(WAL_FILES_REUSED);
    database.set_db_write_buffer_size(options.memtables_bytes_max);
    database.set_max_background_jobs(options.background_jobs);
    database.set_max_open_files(options.open_files_max);
    database.set_bytes_per_sync(1 << 20);
    database.set_keep_log_file_num(4);
    database.set_max_log_file_size(4 << 20);
    database.set_stats_dump_period_sec(0);
    database.set_stats_persist_period_sec(0);
    database
}

fn family_options(family: Family, options: &RocksOptions, cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_block_size(BLOCK_BYTES);
    table.set_format_version(5);
    table.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let mut column = Options::default();
    // Zstandard at the bottom took two thirds of the time of all compactions.
    column.set_compression_type(DBCompressionType::Lz4);
    column.set_level_compaction_dynamic_level_bytes(true);
    column.set_max_write_buffer_number(MEMTABLES_MAX);
    column.set_target_file_size_base(16 << 20);
    match family {
        Family::Data => {
            column.set_write_buffer_size(options.memtable_bytes);
            column.set_prefix_extractor(SliceTransform::create(
                "quorate.user-key.1",
                data_prefix,
                Some(has_data_prefix),
            ));
            table.set_whole_key_filtering(false);
        }
        Family::Raft => column.set_write_buffer_size(options.memtable_bytes),
        Family::Range | Family::Txn | Family::Lock => {
            column.set_write_buffer_size(options.memtable_bytes / 4)
        }
    }
    column.set_block_based_table_factory(&table);
    column
}

fn describe_metrics() {
    use metrics::Unit;
    metrics::describe_counter!(
        "quorate_store_syncs_total",
        Unit::Count,
        "Times the store waited for the disk"
    );
    metrics::describe_histogram!(
        "quorate_store_sync_seconds",
        Unit::Seconds,
        "How long a sync of the store took"
    );
}

/// An error of the library, by what the caller does next.
fn device(operation: &'static str, error: &rocksdb::Error) -> StoreError {
    if error.kind() == rocksdb::ErrorKind::Corruption {
        let detail = error.to_string();
        return match damage::named_file(&detail) {
            Some(file) => StoreError::Damaged { file, detail },
            None => StoreError::Corruption(detail),
        };
    }
    StoreError::Device { operation, detail: error.to_string() }
}

#[cfg(test)]
mod tests;
