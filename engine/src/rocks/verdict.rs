//! Whether a store has forgotten what it synced, by its logs and its mark; and the file that keeps the verdict.
//!
//! | what stands behind the place where recovery ends    | same boot of the machine | another boot              |
//! |-----------------------------------------------------|--------------------------|---------------------------|
//! | nothing                                              | whole                    | whole                     |
//! | records, of which none says that a sync was between | forgotten                | torn: they were not synced |
//! | a record that was written after a sync of the place | forgotten                | forgotten                 |
//!
//! And in any case: less than the mark or the manifest says was synced is forgotten. While the machine runs on, what a
//! process wrote stays, however the process ends: records come in their order. Only a power cut may take an unsynced page
//! and leave a later one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::forgotten::Forgotten;
use super::forgotten_format;
use super::mark::{FoundMark, MARK_FILE};
use super::wal::scan::{Gap, GapKind, Scan};

/// Name of the file in a store's directory that says what it has lost; who empties the directory removes it last.
pub const VERDICT_FILE: &str = "FORGOTTEN";

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All that was synced will be recovered, and nothing else is there.
    Whole,
    /// All that was synced will be recovered; behind it there is a torn end.
    Torn(Gap),
    /// Something that was synced is lost.
    Forgotten(Forgotten),
}

/// Judges what was found of a store that nobody has open yet.
pub(super) fn judge(scan: &Scan, mark: &FoundMark, is_same_boot: bool) -> Verdict {
    let recovered = scan.recovered.unwrap_or_default();
    let marked = mark.newest().map_or(0, |mark| mark.synced);
    if let Some(gap) = &scan.gap {
        let is_behind = gap.later.records > 0;
        // The first that is missing is before the first that is behind, also where its number is not known.
        let missing = gap.later.first.map_or(gap.expected, |first| gap.expected.min(first));
        let was_synced = is_behind && gap.later.synced >= missing;
        if gap.is_known_synced || was_synced || (is_behind && is_same_boot) {
            return Verdict::Forgotten(Forgotten {
                file: gap.file.clone(),
                offset: gap.offset,
                recovered,
                expected: marked.max(gap.later.sequence).max(gap.later.synced).max(recovered),
                reason: reason(gap),
            });
        }
    }
    if scan.recovered.is_some_and(|recovered| recovered < marked) {
        let (file, offset) = scan.end.clone().unwrap_or_else(|| ("CURRENT".to_owned(), 0));
        return Verdict::Forgotten(less_than_marked(file, offset, recovered, marked));
    }
    match &scan.gap {
        Some(gap) if gap.later.records > 0 => Verdict::Torn(gap.clone()),
        Some(_) | None => Verdict::Whole,
    }
}

fn reason(gap: &Gap) -> String {
    let Gap { file, offset, later, .. } = gap;
    let records = later.records;
    let lost = match records {
        0 => "what was synced behind it is lost".to_owned(),
        1 => "a record behind it is lost".to_owned(),
        _ => format!("{records} records behind it are lost"),
    };
    match gap.kind {
        GapKind::Damaged => format!("write-ahead log {file} is damaged at byte {offset}: {lost}"),
        GapKind::Leap => format!(
            "before byte {offset} of write-ahead log {file} records are missing: these, and {records} behind, are lost"
        ),
        GapKind::Missing => format!("write-ahead log {file} is missing: what was synced in it is lost"),
        GapKind::Short(synced) => {
            format!("write-ahead log {file} has {offset} bytes, {synced} of it had been synced: {lost}")
        }
    }
}

/// A store that has less than its mark says.
pub(super) fn less_than_marked(file: String, offset: u64, recovered: u64, marked: u64) -> Forgotten {
    let reason = format!(
        "the store was synced up to sequence number {marked}, but {file} ends with {recovered} at byte {offset}: \
         what was written between is lost"
    );
    Forgotten { file, offset, recovered, expected: marked, reason }
}

/// A store that had a mark, and has none that is its own.
pub(super) fn without_mark(what: &str, recovered: u64) -> Forgotten {
    let reason = format!(
        "the file {MARK_FILE}, which says how far the store was synced, {what}: whether anything is lost cannot be known"
    );
    Forgotten { file: MARK_FILE.to_owned(), offset: 0, recovered, expected: recovered, reason }
}

/// A store that does not know any more which replicas it has, and which were removed.
pub(super) fn without_replicas(detail: &str, recovered: u64) -> Forgotten {
    let file = super::damage::named_file(detail).unwrap_or_default();
    let reason = format!(
        "table file {file} is damaged where the store's own records lie: which replicas were here, and what they had \
         promised, cannot be known ({detail})"
    );
    Forgotten { file, offset: 0, recovered, expected: recovered, reason }
}

/// The verdict that an earlier start came to.
///
/// # Errors
/// The file cannot be read.
pub(super) fn read(folder: &Path) -> io::Result<Option<Forgotten>> {
    let bytes = match fs::read(folder.join(VERDICT_FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(forgotten_format::decode(&bytes).unwrap_or_else(|error| Forgotten {
        file: VERDICT_FILE.to_owned(),
        offset: 0,
        recovered: 0,
        expected: 0,
        reason: format!(
            "an earlier start found that the store has lost what it had synced; why is no longer known ({error})"
        ),
    })))
}

/// Keeps a verdict. On the disk when it returns.
///
/// # Errors
/// It cannot be written.
pub(super) fn write(folder: &Path, forgotten: &Forgotten) -> io::Result<()> {
    let new = folder.join("FORGOTTEN.new");
    let mut file = File::create(&new)?;
    file.write_all(&forgotten_format::encode(forgotten))?;
    file.sync_all()?;
    fs::rename(&new, folder.join(VERDICT_FILE))?;
    File::open(folder)?.sync_all()
}

/// Forgets a verdict. On the disk when it returns.
///
/// # Errors
/// It cannot be removed.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    fs::remove_file(folder.join(VERDICT_FILE))?;
    File::open(folder)?.sync_all()
}

/// Cuts the torn end off, so that no recovery takes records from behind a hole.
///
/// # Errors
/// A log cannot be cut.
pub(super) fn cut(cuts: &[(PathBuf, u64)]) -> io::Result<()> {
    for (path, keep) in cuts {
        let file = OpenOptions::new().write(true).open(path)?;
        assert!(*keep <= file.metadata()?.len(), "a cut makes a log no longer than it is");
        file.set_len(*keep)?;
        file.sync_all()?;
    }
    Ok(())
}
