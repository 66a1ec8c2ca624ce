//! [`RocksStaging`]: staged parts as table files in a folder of their own.
//!
//! ```text
//!   <store>/staged/<area>/<family>-<number>.sst     a removal of the part's span, and its pairs above it
//! ```
//!
//! Within one file the removal hides what is older than the file, and nothing of the file itself. Files are copied when
//! they are taken in, so that they can be taken in again after a crash. The library blocks all writers where it has to
//! flush for a file; so the family is flushed first, and only where writers keep coming into the very span is the
//! library allowed to.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocksdb::{Cache, IngestExternalFileOptions, SstFileWriter, WriteBatch};

use super::wal::note_format::Note;
use super::{Database, RocksOptions, family_options, handle};
use crate::codec::check::must_hold;
use crate::staging::{StagedPart, Staging};
use crate::store::{Family, StoreError};

/// Times that a family is flushed before the library may flush by itself.
const FLUSHES_MAX: usize = 3;

/// What files of a family are written with.
pub(super) struct FileOptions {
    pub(super) options: RocksOptions,
    pub(super) cache: Cache,
}

/// See the module.
pub(super) struct RocksStaging {
    db: Arc<Database>,
    folder: PathBuf,
    file_options: FileOptions,
}

fn failed(operation: &'static str, path: &Path, error: &io::Error) -> StoreError {
    StoreError::Device { operation, detail: format!("{}: {error}", path.display()) }
}

/// Makes a folder's entries durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

impl RocksStaging {
    pub(super) fn new(db: Arc<Database>, store: &Path, file_options: FileOptions) -> Self {
        Self { db, folder: store.join("staged"), file_options }
    }

    fn area(&self, area: u64) -> PathBuf {
        self.folder.join(format!("{area:016x}"))
    }

    fn make_area(&self, area: &Path) -> io::Result<()> {
        if area.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(area)?;
        sync_folder(&self.folder)?;
        self.folder.parent().map_or(Ok(()), sync_folder)
    }

    fn write_file(&self, path: &Path, part: &StagedPart) -> Result<(), rocksdb::Error> {
        let FileOptions { options, cache } = &self.file_options;
        let options = family_options(part.family, options, cache);
        let mut writer = SstFileWriter::create(&options);
        writer.open(path)?;
        writer.delete_range(&part.start, &part.end)?;
        part.pairs.iter().try_for_each(|(key, value)| writer.put(key, value))?;
        writer.finish()
    }

    /// The files of one family of an area, in the order of their numbers.
    fn files(&self, area: &Path, family: Family) -> io::Result<Vec<PathBuf>> {
        if !area.is_dir() {
            return Ok(Vec::new());
        }
        let prefix = format!("{}-", family.name());
        let mut files = Vec::new();
        for entry in fs::read_dir(area)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix)) {
                files.push(entry.path());
            }
        }
        files.sort_unstable();
        Ok(files)
    }

    fn take_in(&self, family: Family, files: Vec<PathBuf>, may_block: bool) -> Result<(), rocksdb::Error> {
        let column = handle(&self.db, family);
        self.db.flush_cf(column)?;
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(false);
        options.set_allow_blocking_flush(may_block);
        let _alone = self.db.writes.write();
        let before = self.db.latest_sequence_number();
        self.db.ingest_external_file_cf_opts(column, &options, files)?;
        assert!(
            before <= self.db.latest_sequence_number(),
            "an ingestion takes sequence numbers, and gives none back"
        );
        if self.db.latest_sequence_number() == before {
            return Ok(());
        }
        // It took sequence numbers, of which no log tells: the logs would look as if something were missing.
        let mut leap = WriteBatch::default();
        leap.put_log_data(Note { synced: self.db.synced.get(), leaps_from: Some(before) }.encode());
        self.db.write(leap)
    }
}

impl Staging for RocksStaging {
    fn stage(&self, area: u64, part: &StagedPart) -> Result<(), StoreError> {
        must_hold("a staged part", part.validate());
        let area = self.area(area);
        self.make_area(&area).map_err(|error| failed("stage", &area, &error))?;
        let path = area.join(format!("{}-{:08}.sst", part.family.name(), part.number));
        // The library syncs a file when it is finished.
        self.write_file(&path, part).map_err(|error| self.db.failed("stage", &error))?;
        sync_folder(&area).map_err(|error| failed("stage", &area, &error))
    }

    fn ingest(&self, area: u64, family: Family) -> Result<(), StoreError> {
        let area = self.area(area);
        let files = self.files(&area, family).map_err(|error| failed("ingest", &area, &error))?;
        if files.is_empty() {
            return Ok(());
        }
        for _ in 0..FLUSHES_MAX {
            match self.take_in(family, files.clone(), false) {
                Ok(()) => return Ok(()),
                // Somebody wrote into the span after the flush.
                Err(error) if error.kind() == rocksdb::ErrorKind::InvalidArgument => {}
                Err(error) => return Err(self.db.failed("ingest", &error)),
            }
        }
        self.take_in(family, files, true).map_err(|error| self.db.failed("ingest", &error))
    }

    fn unstage(&self, area: u64) -> Result<(), StoreError> {
        let area = self.area(area);
        match fs::remove_dir_all(&area) {
            Ok(()) => sync_folder(&self.folder).map_err(|error| failed("unstage", &area, &error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("unstage", &area, &error)),
        }
    }

    fn areas(&self) -> Result<Vec<u64>, StoreError> {
        let list = || -> io::Result<Vec<u64>> {
            if !self.folder.is_dir() {
                return Ok(Vec::new());
            }
            let mut areas = Vec::new();
            for entry in fs::read_dir(&self.folder)? {
                let name = entry?.file_name();
                areas.extend(name.to_str().and_then(|name| u64::from_str_radix(name, 16).ok()));
            }
            areas.sort_unstable();
            Ok(areas)
        };
        list().map_err(|error| failed("list staged parts", &self.folder, &error))
    }
}
