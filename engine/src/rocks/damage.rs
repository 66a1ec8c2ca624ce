//! Damaged table files: noted once in a small file beside the database, and the store goes on living.
//!
//! ```text
//!   a read fails ─▶ typed error ─▶ noted in DAMAGED, told once ─▶ no compactions in the family
//!                                          └ next start: cut out, where nothing that is there is lost (see `cut`)
//! ```
//!
//! A compaction that meets a damaged block ends all writing of the store until it is opened anew, so that there are none
//! in a family that has such a file. Everything else works: reads of what lies in other blocks, writes, flushes, and a
//! removal above the damage, which hides it from all readers.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use metrics::Unit;
use parking_lot::Mutex;
use rocksdb::DB;

use super::damage_format::{self, DamagedFile, Record};
use super::{device, handle};
use crate::store::{Family, StoreError};

/// Name of the file in the store's directory.
pub(super) const DAMAGE_FILE: &str = "DAMAGED";
const FILES: &str = "quorate_store_damaged_files";

/// What a store knows of its damage, and where it is kept.
pub(super) struct DamageLog {
    folder: PathBuf,
    record: Mutex<Record>,
}

impl DamageLog {
    /// What earlier starts have noted.
    ///
    /// # Errors
    /// The file cannot be read, or says nothing: whether a cut had begun is not known then.
    pub(super) fn read(folder: &Path) -> io::Result<Self> {
        let record = match fs::read(folder.join(DAMAGE_FILE)) {
            Ok(bytes) => damage_format::decode(&bytes).map_err(|error| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{DAMAGE_FILE}: {error}"))
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Record::default(),
            Err(error) => return Err(error),
        };
        describe_metrics();
        let log = Self { folder: folder.to_owned(), record: Mutex::new(record) };
        log.count();
        Ok(log)
    }

    pub(super) fn record(&self) -> Record {
        self.record.lock().clone()
    }

    /// Whether a family has a file that compactions must not meet.
    pub(super) fn is_damaged(&self, family: Family) -> bool {
        self.record.lock().files.iter().any(|noted| noted.family == family)
    }

    /// Names of the files that are noted.
    pub(super) fn files(&self) -> Vec<String> {
        self.record.lock().files.iter().map(|noted| noted.file.clone()).collect()
    }

    /// Replaces what is known. On the disk when it returns.
    ///
    /// # Errors
    /// It cannot be written; what was known before stays.
    pub(super) fn set(&self, record: Record) -> Result<(), StoreError> {
        let mut known = self.record.lock();
        self.write(&record).map_err(|error| StoreError::Device {
            operation: "note damage",
            detail: format!("{}: {error}", self.folder.display()),
        })?;
        *known = record;
        drop(known);
        self.count();
        Ok(())
    }

    /// Takes note of a file whose damage was met, once, and ends compactions of its family.
    pub(super) fn note(&self, db: &DB, file: &str, detail: &str) {
        let mut record = self.record.lock();
        if record.files.iter().any(|noted| noted.file == file) {
            return;
        }
        // One that is not there any more was compacted meanwhile, so that all of it could be read.
        let Some(family) = family_of(db, file) else { return };
        if let Err(error) = db.set_options_cf(handle(db, family), &[("disable_auto_compactions", "true")]) {
            tracing::warn!(%error, family = family.name(), "compactions go on in a family with a damaged file");
        }
        record.files.push(DamagedFile { file: file.to_owned(), family, detail: detail.to_owned() });
        tracing::error!(
            file,
            family = family.name(),
            detail,
            "a table file of the store is damaged: whatever lies in the damaged block cannot be read; its family is not \
             compacted any more before the node is started again"
        );
        if let Err(error) = self.write(&record) {
            tracing::warn!(%error, "the damage could not be noted for the next start");
        }
        drop(record);
        self.count();
    }

    fn write(&self, record: &Record) -> io::Result<()> {
        let path = self.folder.join(DAMAGE_FILE);
        if *record == Record::default() {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        } else {
            let new = self.folder.join("DAMAGED.new");
            let mut file = File::create(&new)?;
            file.write_all(&damage_format::encode(record))?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
        }
        File::open(&self.folder)?.sync_all()
    }

    #[expect(clippy::cast_precision_loss, reason = "a few files")]
    fn count(&self) {
        metrics::gauge!(FILES).set(self.record.lock().files.len() as f64);
    }
}

fn describe_metrics() {
    metrics::describe_gauge!(FILES, Unit::Count, "Table files of the store that are known to be damaged");
}

/// The family of a live file.
pub(super) fn family_of(db: &DB, file: &str) -> Option<Family> {
    let live = db.live_files().ok()?;
    let found = live.iter().find(|live| live.name.trim_start_matches('/') == file)?;
    Family::ALL.into_iter().find(|family| family.name() == found.column_family_name)
}

/// The table file that an error of the library names: the last name in it, as the message ends with the path.
pub(super) fn named_file(message: &str) -> Option<String> {
    let end = message.rfind(".sst")?;
    let head = message.get(..end)?;
    let digits = head.len() - head.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
    let start = end.checked_sub(digits).filter(|_| digits > 0)?;
    message.get(start..end + ".sst".len()).map(str::to_owned)
}

impl super::Database {
    /// An error of the library, by what the caller does next; damage is noted.
    pub(super) fn failed(&self, operation: &'static str, error: &rocksdb::Error) -> StoreError {
        let error = device(operation, error);
        if let StoreError::Damaged { file, detail } = &error {
            self.damage.note(&self.db, file, detail);
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_names_the_file_that_the_library_names() {
        let of = |message| named_file(message);
        let mismatch = "Corruption: block checksum mismatch: stored = 1, computed = 2, type = 4  in /d/n1/000012.sst \
                        offset 4096 size 4082";
        assert_eq!(of(mismatch), Some("000012.sst".to_owned()));
        assert_eq!(of("Corruption: /d/000003.sst and then /d/000007.sst"), Some("000007.sst".to_owned()));
        assert_eq!(of("Corruption: bad entry in block"), None);
        assert_eq!(of("Corruption: in some.sst"), None);
    }
}
