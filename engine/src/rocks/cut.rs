//! Damaged files are cut out of a store that nobody has open yet, where nothing that is there is lost with them.
//!
//! ```text
//!   all that can be read of the family's span ─▶ <store>/cut ─▶ noted ─▶ file dropped, or family made anew ─▶ taken in
//!            └ something cannot: nothing is done, and it is told where             └── after a crash: again ──┘
//! ```
//!
//! What is copied is what readers see, so that nothing comes to light that was overwritten or removed. Something that
//! cannot be read is of a replica that is still there: its replicas elsewhere give it back, above the damage, and a later
//! start finds nothing missing any more. A file of level 0 cannot be dropped alone: its family is made anew.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rocksdb::{
    DB, DBRawIterator, IngestExternalFileOptions, LiveFile, ReadOptions, SstFileWriter, WriteBatch,
};

use super::damage::DamageLog;
use super::damage_format::{Cut, DamagedFile};
use super::staging::FileOptions;
use super::wal::note_format::Note;
use super::{device, family_options, handle};
use crate::store::{DamagedSpan, Family, StoreError};

/// Name of the folder with the copies.
const FOLDER: &str = "cut";
/// Bytes of keys and values in one file of a copy.
const FILE_BYTES_MAX: usize = 64 << 20;

/// A store that is being opened.
pub(super) struct Opening<'a> {
    pub(super) db: &'a mut DB,
    pub(super) store: &'a Path,
    pub(super) damage: &'a DamageLog,
    pub(super) file_options: &'a FileOptions,
}

/// What became of a copy.
pub(super) enum Copied {
    /// All is there.
    Whole,
    /// Something cannot be read.
    Unreadable(DamagedSpan),
}

/// How far a copy is.
struct Progress {
    files: u32,
    /// Where the next file's part of the cut's span begins; none without a span, and at its end.
    start: Option<Vec<u8>>,
    /// The last key that was copied.
    last: Option<Vec<u8>>,
}

impl Opening<'_> {
    /// Cuts out what can be, and gives what cannot be read.
    ///
    /// # Errors
    /// A cut that had begun could not be finished.
    pub(super) fn cut_out(&mut self) -> Result<Vec<DamagedSpan>, StoreError> {
        let before = self.damage.record();
        if let Some(cut) = &before.cut {
            self.carry_out(cut)?;
        }
        let mut unreadable = Vec::new();
        for noted in &before.files {
            let span = self.live(noted)?.and_then(|file| whole_levels_span(&file));
            unreadable.extend(self.cut_file(noted, span)?);
        }
        for family in Family::ALL {
            let was_damaged = before.files.iter().any(|noted| noted.family == family);
            if was_damaged && !self.damage.is_damaged(family) {
                let options = [("disable_auto_compactions", "false")];
                let enabled = self.db.set_options_cf(handle(self.db, family), &options);
                enabled.map_err(|error| device("open", &error))?;
            }
        }
        Ok(unreadable)
    }

    /// Cuts one file out, of its span or of the whole family; gives what cannot be read.
    fn cut_file(
        &mut self,
        noted: &DamagedFile,
        span: Option<(Vec<u8>, Vec<u8>)>,
    ) -> Result<Option<DamagedSpan>, StoreError> {
        if self.live(noted)?.is_none() {
            return self.forget(noted).map(|()| None);
        }
        let cut = Cut { family: noted.family, span };
        match self.copy(&cut) {
            Ok(Copied::Whole) => {}
            Ok(Copied::Unreadable(span)) => {
                tracing::warn!(
                    file = noted.file,
                    family = noted.family.name(),
                    "a damaged file holds what nobody has written anew yet; it stays until the node is started again"
                );
                return Ok(Some(span));
            }
            // A full disk, say: it stays as it is.
            Err(error) => {
                tracing::warn!(file = noted.file, %error, "a damaged file could not be cut out");
                return Ok(None);
            }
        }
        let mut record = self.damage.record();
        record.cut = Some(cut.clone());
        self.damage.set(record)?;
        self.carry_out(&cut)?;
        if cut.span.is_some() && self.live(noted)?.is_some() {
            // It shares a key with a neighbour, and was not dropped.
            return self.cut_file(noted, None);
        }
        tracing::warn!(
            file = noted.file,
            family = noted.family.name(),
            "a damaged file was cut out of the store: nothing that is there was lost with it"
        );
        self.forget(noted).map(|()| None)
    }

    fn forget(&self, noted: &DamagedFile) -> Result<(), StoreError> {
        let mut record = self.damage.record();
        assert!(record.cut.is_none(), "a file is forgotten once its cut is carried out");
        record.files.retain(|other| other != noted);
        self.damage.set(record)
    }

    fn live(&self, noted: &DamagedFile) -> Result<Option<LiveFile>, StoreError> {
        let files = self.db.live_files().map_err(|error| device("open", &error))?;
        Ok(files.into_iter().find(|file| file.name.trim_start_matches('/') == noted.file))
    }

    fn folder(&self) -> PathBuf {
        self.store.join(FOLDER)
    }

    fn failed(&self, error: &io::Error) -> StoreError {
        StoreError::Device { operation: "cut", detail: format!("{}: {error}", self.folder().display()) }
    }

    /// Copies all that readers see of a cut's span.
    pub(super) fn copy(&self, cut: &Cut) -> Result<Copied, StoreError> {
        self.empty_folder().map_err(|error| self.failed(&error))?;
        fs::create_dir(self.folder()).map_err(|error| self.failed(&error))?;
        let mut iterator = self.iterator(cut);
        iterator.seek_to_first();
        let start = cut.span.as_ref().map(|(first, _)| first.clone());
        let mut copied = Progress { files: 0, start, last: None };
        while iterator.valid() || copied.start.is_some() {
            self.copy_file(cut, &mut iterator, &mut copied)?;
        }
        // Also where nothing at all was read: that is not nothing there.
        match iterator.status().map_err(|error| device("cut", &error)) {
            Ok(()) => {}
            Err(StoreError::Damaged { detail, .. } | StoreError::Corruption(detail)) => {
                return Ok(Copied::Unreadable(self.unreadable(cut, copied.last, detail)));
            }
            Err(error) => return Err(error),
        }
        let synced = File::open(self.folder()).and_then(|folder| folder.sync_all());
        synced.and_then(|()| File::open(self.store)?.sync_all()).map_err(|error| self.failed(&error))?;
        Ok(Copied::Whole)
    }

    /// Copies pairs into one file, which removes what is below it in its part of the span, if the cut has one.
    fn copy_file(
        &self,
        cut: &Cut,
        iterator: &mut DBRawIterator<'_>,
        copied: &mut Progress,
    ) -> Result<(), StoreError> {
        copied.files += 1;
        let path = self.folder().join(format!("{:08}.sst", copied.files));
        let failed = |error: rocksdb::Error| device("cut", &error);
        let FileOptions { options, cache } = self.file_options;
        let options = family_options(cut.family, options, cache);
        let mut writer = SstFileWriter::create(&options);
        writer.open(path).map_err(failed)?;
        let mut bytes = 0;
        while let (Some(key), Some(value)) = (iterator.key(), iterator.value()) {
            if bytes >= FILE_BYTES_MAX {
                break;
            }
            writer.put(key, value).map_err(failed)?;
            bytes += key.len() + value.len();
            copied.last = Some(key.to_vec());
            iterator.next();
        }
        let start = copied.start.take();
        if iterator.status().is_err() {
            return Ok(());
        }
        let next = iterator.key().map(<[u8]>::to_vec);
        if let (Some(start), Some((_, last))) = (&start, &cut.span) {
            let end = next.clone().unwrap_or_else(|| after(last));
            writer.delete_range(start, &end).map_err(failed)?;
        }
        writer.finish().map_err(failed)?;
        copied.start = start.and(next);
        Ok(())
    }

    /// The keys between the last one that can be read from the front and the first one that can be from the back.
    fn unreadable(&self, cut: &Cut, last: Option<Vec<u8>>, detail: String) -> DamagedSpan {
        let (mut start, mut end) = match &cut.span {
            Some((first, last)) => (first.clone(), after(last)),
            None => (Vec::new(), Vec::new()),
        };
        if let Some(last) = last {
            start = after(&last);
        }
        let mut iterator = self.iterator(cut);
        iterator.seek_to_last();
        while let Some(key) = iterator.key() {
            key.clone_into(&mut end);
            iterator.prev();
        }
        DamagedSpan { family: cut.family, start: Bytes::from(start), end: Bytes::from(end), detail }
    }

    fn iterator(&self, cut: &Cut) -> DBRawIterator<'_> {
        let mut options = ReadOptions::default();
        options.set_total_order_seek(true);
        options.fill_cache(false);
        if let Some((first, last)) = &cut.span {
            options.set_iterate_lower_bound(first.as_slice());
            options.set_iterate_upper_bound(after(last));
        }
        self.db.raw_iterator_cf_opt(handle(self.db, cut.family), options)
    }

    /// Puts the copy in the place of what is there. It may have been done before, as a whole or in part.
    fn carry_out(&mut self, cut: &Cut) -> Result<(), StoreError> {
        let failed = |error: rocksdb::Error| device("cut", &error);
        match &cut.span {
            Some((first, last)) => {
                let column = handle(self.db, cut.family);
                self.db.delete_file_in_range_cf(column, first, last).map_err(failed)?;
            }
            None => {
                let FileOptions { options, cache } = self.file_options;
                let options = family_options(cut.family, options, cache);
                self.db.drop_cf(cut.family.name()).map_err(failed)?;
                self.db.create_cf(cut.family.name(), &options).map_err(failed)?;
            }
        }
        let files = self.files().map_err(|error| self.failed(&error))?;
        if !files.is_empty() {
            self.take_in(cut.family, files).map_err(failed)?;
        }
        let mut record = self.damage.record();
        record.cut = None;
        self.damage.set(record)?;
        self.empty_folder().map_err(|error| self.failed(&error))
    }

    fn take_in(&self, family: Family, files: Vec<PathBuf>) -> Result<(), rocksdb::Error> {
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(false);
        let before = self.db.latest_sequence_number();
        self.db.ingest_external_file_cf_opts(handle(self.db, family), &options, files)?;
        assert!(
            before <= self.db.latest_sequence_number(),
            "an ingestion takes sequence numbers, and gives none back"
        );
        if self.db.latest_sequence_number() == before {
            return Ok(());
        }
        // As in `staging`: no log tells of these sequence numbers.
        let mut leap = WriteBatch::default();
        leap.put_log_data(Note { synced: before, leaps_from: Some(before) }.encode());
        self.db.write(leap)
    }

    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(self.folder())?;
        let mut files = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        files.sort_unstable();
        Ok(files)
    }

    fn empty_folder(&self) -> io::Result<()> {
        match fs::remove_dir_all(self.folder()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// The least key behind another one.
fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// First and last key of a file that can be dropped alone: one below level 0.
fn whole_levels_span(file: &LiveFile) -> Option<(Vec<u8>, Vec<u8>)> {
    if file.level == 0 {
        return None;
    }
    file.start_key.clone().zip(file.end_key.clone())
}
