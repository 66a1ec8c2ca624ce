//! How a store is opened: what is there is judged before the library may change it.
//!
//! ```text
//!   lock ─▶ mark, logs ─▶ verdict, kept in a file ─▶ torn end cut off ─▶ library opens ─▶ mark of this start ─▶ open
//!                └ an earlier verdict stays ┘                        damaged files are cut out (`cut`) ┘
//! ```
//!
//! The library's family `default`, which no [`Family`] uses, holds the store's own id: by it a mark that is gone is missed,
//! and one of another store is known.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::RwLock;
use rocksdb::{Cache, ColumnFamilyDescriptor, DB, WriteBatch, WriteOptions};
use uuid::Uuid;

use super::cut::Opening;
use super::damage::DamageLog;
use super::lock::StoreLock;
use super::mark::{FoundMark, MarkFile, Marker, Synced};
use super::staging::{FileOptions, RocksStaging};
use super::sync_watch::Syncs;
use super::verdict::{self, Verdict};
use super::wal::scan::{Scan, scan};
use super::{Database, Forgotten, RocksOptions, RocksStore, database_options, device, family_options};
use crate::store::{Family, StoreError};

/// The store's id, in the family `default`.
const STORE_KEY: &[u8] = b"store";
/// Where the kernel tells which boot of the machine this is.
const BOOT_FILE: &str = "/proc/sys/kernel/random/boot_id";

/// Which boot of the machine this is; the nil one where the system does not tell.
pub(super) fn boot_of_this_machine() -> Uuid {
    let text = std::fs::read_to_string(BOOT_FILE).unwrap_or_default();
    Uuid::parse_str(text.trim()).unwrap_or_default()
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Device { operation: "open", detail: format!("{}: {error}", path.display()) }
}

/// See the module. `boot` is the machine's, or a test's.
pub(super) fn open(path: &Path, options: RocksOptions, boot: Uuid) -> Result<RocksStore, StoreError> {
    std::fs::create_dir_all(path).map_err(|error| failed(path, &error))?;
    let lock = StoreLock::take(path)?;
    let found = Found::look(path, boot).map_err(|error| failed(path, &error))?;
    let damage = DamageLog::read(path).map_err(|error| failed(path, &error))?;
    let cache = Cache::new_lru_cache(options.block_cache_bytes);
    let families = Family::ALL.map(|family| {
        let mut column = family_options(family, &options, &cache);
        column.set_disable_auto_compactions(damage.is_damaged(family));
        ColumnFamilyDescriptor::new(family.name(), column)
    });
    let mut database = database_options(&options);
    // What the manifest knows of logs was looked at; the library would not open at all.
    database.set_track_and_verify_wals_in_manifest(found.forgotten.is_none());
    let mut db = DB::open_cf_descriptors(&database, path, families)
        .map_err(|error| open_error(path, &found, &error))?;
    let opened = db.latest_sequence_number();
    let mut settled = found.settle(path, &db, boot)?;
    let file_options = FileOptions { options, cache };
    let mut unreadable = Vec::new();
    if settled.is_ok() {
        let mut opening = Opening { db: &mut db, store: path, damage: &damage, file_options: &file_options };
        unreadable = opening.cut_out()?;
    }
    if let Some(lost) = unreadable.iter().find(|span| span.family == Family::Range) {
        let forgotten = verdict::without_replicas(&lost.detail, opened);
        verdict::write(path, &forgotten).map_err(|error| failed(path, &error))?;
        settled = Err(forgotten);
    }
    let synced = Arc::new(Synced::default());
    // Whatever the logs had is in files now.
    synced.raise(db.latest_sequence_number());
    let (marker, forgotten) = match settled {
        Ok(file) => (Some(Marker::start(file, boot, Arc::clone(&synced))), None),
        Err(forgotten) => (None, Some(forgotten)),
    };
    let marker = marker.transpose().map_err(|error| failed(path, &error))?;
    let db = Arc::new(Database { db, _lock: lock, writes: RwLock::new(()), synced, damage });
    let staging = RocksStaging::new(Arc::clone(&db), path, file_options);
    let (syncs, sync_watch) = (AtomicU64::new(0), Syncs::new());
    Ok(RocksStore { marker, db, forgotten, syncs, sync_watch, opened, staging, unreadable })
}

/// What a directory holds before the library opens it.
struct Found {
    mark: FoundMark,
    scan: Scan,
    forgotten: Option<Forgotten>,
}

impl Found {
    fn look(path: &Path, boot: Uuid) -> io::Result<Self> {
        let (mark, scan) = (FoundMark::look(path)?, scan(path)?);
        let mut forgotten = verdict::read(path)?;
        if forgotten.is_none() {
            let is_same_boot = !boot.is_nil() && mark.newest().is_some_and(|mark| mark.boot == boot);
            match verdict::judge(&scan, &mark, is_same_boot) {
                Verdict::Whole => {}
                Verdict::Torn(gap) => {
                    tracing::warn!(
                        file = gap.file,
                        byte = gap.offset,
                        records = gap.later.records,
                        bytes = gap.later.bytes,
                        "the store's log has a torn end, as a power cut leaves it; it is dropped: nothing of it had been synced"
                    );
                    verdict::cut(&scan.cuts)?;
                }
                Verdict::Forgotten(found) => {
                    verdict::write(path, &found)?;
                    forgotten = Some(found);
                }
            }
        }
        Ok(Self { mark, scan, forgotten })
    }

    /// What can only be seen once the library is open; then the mark of this start.
    fn settle(self, path: &Path, db: &DB, boot: Uuid) -> Result<Result<MarkFile, Forgotten>, StoreError> {
        if let Some(forgotten) = self.forgotten {
            return Ok(Err(forgotten));
        }
        let recovered = db.latest_sequence_number();
        let id = db.get(STORE_KEY).map_err(|error| device("open", &error))?;
        let id = id.and_then(|id| Uuid::from_slice(&id).ok());
        let missing = match (&self.mark, id) {
            (FoundMark::Damaged, _) => Some("is damaged"),
            (FoundMark::None, Some(_)) => Some("is missing"),
            (FoundMark::Sound(file), Some(id)) if file.newest().store != id => {
                Some("is that of another store")
            }
            (FoundMark::None | FoundMark::Sound(_), _) => None,
        };
        let marked = self.mark.newest().map_or(0, |mark| mark.synced);
        let forgotten = match missing {
            Some(what) => Some(verdict::without_mark(what, recovered)),
            None if recovered < marked => {
                let (file, offset) = self.scan.end.unwrap_or_else(|| ("CURRENT".to_owned(), 0));
                Some(verdict::less_than_marked(file, offset, recovered, marked))
            }
            None => None,
        };
        let with_path = |error: io::Error| failed(path, &error);
        if let Some(forgotten) = forgotten {
            verdict::write(path, &forgotten).map_err(with_path)?;
            return Ok(Err(forgotten));
        }
        let mut file = match self.mark {
            FoundMark::Sound(file) => file,
            FoundMark::None | FoundMark::Damaged => {
                MarkFile::create(path, Uuid::new_v4()).map_err(with_path)?
            }
        };
        if id.is_none() {
            write_id(db, file.newest().store).map_err(|error| device("open", &error))?;
        }
        file.write(boot, db.latest_sequence_number()).map_err(with_path)?;
        Ok(Ok(file))
    }
}

/// A mark of what is there, and no verdict any more.
pub(super) fn accept_loss(db: &DB) -> Result<(), StoreError> {
    let path = db.path();
    let id = db.get(STORE_KEY).map_err(|error| device("open", &error))?;
    let id = id.and_then(|id| Uuid::from_slice(&id).ok());
    let with_path = |error: io::Error| failed(path, &error);
    let store = id.unwrap_or_else(Uuid::new_v4);
    if id.is_none() {
        write_id(db, store).map_err(|error| device("open", &error))?;
    }
    MarkFile::create(path, store).map_err(with_path)?;
    verdict::remove(path).map_err(with_path)
}

/// Keeps the store's id, and lets no log wait for it.
fn write_id(db: &DB, id: Uuid) -> Result<(), rocksdb::Error> {
    let mut batch = WriteBatch::default();
    batch.put(STORE_KEY, id.as_bytes());
    let mut options = WriteOptions::default();
    options.set_sync(true);
    db.write_opt(batch, &options)?;
    db.flush()
}

fn open_error(path: &Path, found: &Found, error: &rocksdb::Error) -> StoreError {
    // The library has no kind of its own for this.
    let text = error.to_string().to_ascii_lowercase();
    if text.contains("lock file") || text.contains("lock hold by current process") {
        return StoreError::Locked { path: path.display().to_string() };
    }
    let detail = match device("open", error) {
        StoreError::Corruption(detail) | StoreError::Damaged { detail, .. } => detail,
        other @ (StoreError::Device { .. } | StoreError::Locked { .. }) => return other,
    };
    let also = found.forgotten.as_ref().map_or_else(String::new, |forgotten| format!("; {forgotten}"));
    StoreError::Corruption(format!(
        "{}: {detail}{also}. The library opens this store no more: keep a copy of the directory if its data is in no \
         other place; a member of a cluster rejoins with an empty one",
        path.display()
    ))
}
