//! Looks through all write-ahead logs that a recovery will read, before it does: up to where it will come, and what
//! stands behind that.
//!
//! Sequence numbers run on from batch to batch over all logs. Only an ingestion takes some that are in no log; the first
//! batch after it says so. As RocksDB does, a log that ends in a broken record is no gap where the next one runs on.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::batch::{BatchHead, HEAD_BYTES};
use super::log_file::{LogEnd, Met, read_log};
use super::manifest::Manifest;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::rocks) struct Scan {
    /// The sequence number up to which recovery will come, where that can be known.
    pub(in crate::rocks) recovered: Option<u64>,
    /// The log where it ends, and the byte in it.
    pub(in crate::rocks) end: Option<(String, u64)>,
    /// Set where something is missing before that.
    pub(in crate::rocks) gap: Option<Gap>,
    /// Logs that hold records behind the gap, and the bytes that they would keep without these.
    pub(in crate::rocks) cuts: Vec<(PathBuf, u64)>,
}

/// A place behind which records stand that do not run on from those before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::rocks) struct Gap {
    /// The log.
    pub(in crate::rocks) file: String,
    /// The byte in it.
    pub(in crate::rocks) offset: u64,
    /// What is wrong there.
    pub(in crate::rocks) kind: GapKind,
    /// The first sequence number that is missing.
    pub(in crate::rocks) expected: u64,
    /// Whether the manifest knows that what is missing had been synced.
    pub(in crate::rocks) is_known_synced: bool,
    /// What stands behind it.
    pub(in crate::rocks) later: Later,
}

/// What is wrong at a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rocks) enum GapKind {
    /// Bytes that are no record.
    Damaged,
    /// A sound record that does not run on from the one before.
    Leap,
    /// The log is not there.
    Missing,
    /// The log has fewer bytes than had been synced: so many.
    Short(u64),
}

/// Sound records behind a gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::rocks) struct Later {
    /// How many there are, fragments of long ones included.
    pub(in crate::rocks) records: u64,
    /// Their bytes, and those between.
    pub(in crate::rocks) bytes: u64,
    /// The first sequence number among them, where one can be read.
    pub(in crate::rocks) first: Option<u64>,
    /// The greatest sequence number among them.
    pub(in crate::rocks) sequence: u64,
    /// Up to where the store was synced when they were written: the furthest.
    pub(in crate::rocks) synced: u64,
}

impl Later {
    fn append(&mut self, other: Self) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.first = self.first.into_iter().chain(other.first).min();
        self.sequence = self.sequence.max(other.sequence);
        self.synced = self.synced.max(other.synced);
    }

    fn add(&mut self, head: Option<BatchHead>) {
        self.records += 1;
        if let Some(head) = head {
            self.first = Some(self.first.map_or(head.sequence, |first| first.min(head.sequence)));
            self.sequence = self.sequence.max(head.next().saturating_sub(1));
            self.synced = self.synced.max(head.note.map_or(0, |note| note.synced));
        }
    }
}

/// Looks through the logs of a database that nobody has open.
///
/// # Errors
/// A file cannot be read.
pub(in crate::rocks) fn scan(folder: &Path) -> io::Result<Scan> {
    let Some(manifest) = Manifest::read(folder)? else { return Ok(Scan::default()) };
    // All that is only in older logs is in files, and perhaps some of what the first log begins with.
    let first_sequence_max = manifest.last_sequence.saturating_add(1);
    let mut scanner = Scanner { next: None, first_sequence_max, gap: None, end: None, cuts: Vec::new() };
    let first = manifest.first_log();
    let mut logs = logs(folder)?;
    logs.extend(manifest.synced_logs.keys().map(|number| (*number, log_path(folder, *number))));
    logs.sort_unstable();
    logs.dedup();
    for (number, path) in logs.into_iter().filter(|(number, _)| *number >= first) {
        scanner.log(&path, number, manifest.synced_logs.get(&number).copied())?;
    }
    Ok(Scan {
        recovered: Some(scanner.next.map_or(manifest.last_sequence, |next| next.saturating_sub(1))),
        end: scanner.end,
        gap: scanner.gap,
        cuts: scanner.cuts,
    })
}

fn log_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:06}.log"))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn logs(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut logs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|extension| extension == "log"))
        {
            logs.push((number, path));
        }
    }
    Ok(logs)
}

struct Scanner {
    /// The sequence number that runs on; none before the first batch.
    next: Option<u64>,
    /// The greatest one that the first batch can have.
    first_sequence_max: u64,
    gap: Option<Gap>,
    end: Option<(String, u64)>,
    cuts: Vec<(PathBuf, u64)>,
}

impl Scanner {
    fn log(&mut self, path: &Path, number: u64, synced: Option<u64>) -> io::Result<()> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.open_gap(path, 0, GapKind::Missing, true);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let before = self.gap.as_ref().map_or(0, |gap| gap.later.records);
        let (mut later, mut later_end, mut keep) = (Later::default(), 0, None);
        let end = read_log(file, number, HEAD_BYTES, &mut |met| match met {
            Met::Record { start, head } => {
                let Some(head) = BatchHead::parse(head) else { return false };
                if !self.batch(path, start, head) {
                    keep = keep.or(Some(start));
                }
                true
            }
            Met::Later { end, head } => {
                later_end = end;
                let head = head.and_then(BatchHead::parse);
                // What is older than what was expected cannot have been written behind it.
                if head.is_none_or(|head| self.next.is_none_or(|next| head.sequence >= next)) {
                    later.add(head);
                }
                true
            }
        })?;
        let keep = keep.unwrap_or(end.sound);
        later.bytes = later_end.max(end.sound) - keep;
        self.finish_log(path, end, synced, later);
        // What of this log stands behind a gap, in it or in one before.
        if self.gap.as_ref().is_some_and(|gap| gap.later.records > before) {
            self.cuts.push((path.to_owned(), keep));
        }
        Ok(())
    }

    /// A batch of a log's sound beginning; whether recovery takes it.
    fn batch(&mut self, path: &Path, start: u64, head: BatchHead) -> bool {
        let runs_on = self.next.is_none_or(|next| head.sequence == next);
        if self.gap.as_ref().is_some_and(|gap| runs_on && gap.later.records == 0 && !gap.is_known_synced) {
            self.gap = None;
        }
        let leaps = head.note.and_then(|note| note.leaps_from);
        let is_told = head.note.is_none() || leaps.is_some_and(|from| Some(from + 1) == self.next);
        if self.gap.is_none() && !runs_on && !is_told {
            self.open_gap(path, start, GapKind::Leap, false);
        }
        if let Some(gap) = &mut self.gap {
            gap.later.add(Some(head));
            return false;
        }
        self.next = Some(head.next());
        true
    }

    fn finish_log(&mut self, path: &Path, end: LogEnd, synced: Option<u64>, later: Later) {
        let was_synced = synced.is_some_and(|synced| end.sound < synced);
        if self.gap.is_none() {
            self.end = Some((name(path), end.sound));
            match synced.filter(|synced| *synced > end.bytes) {
                Some(synced) => self.open_gap(path, end.bytes, GapKind::Short(synced), true),
                None if end.is_broken => self.open_gap(path, end.sound, GapKind::Damaged, was_synced),
                None => {}
            }
        }
        if let Some(gap) = &mut self.gap {
            gap.later.append(later);
        }
    }

    fn open_gap(&mut self, path: &Path, offset: u64, kind: GapKind, is_known_synced: bool) {
        if self.gap.is_none() {
            let expected = self.next.unwrap_or(self.first_sequence_max);
            let later = Later::default();
            self.gap = Some(Gap { file: name(path), offset, kind, expected, is_known_synced, later });
        }
    }
}
