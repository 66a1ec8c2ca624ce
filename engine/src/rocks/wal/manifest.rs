//! What RocksDB's MANIFEST says of write-ahead logs: which are needed still, how long they were when they were synced,
//! and the newest sequence number in table files.
//!
//! A record of it is an edit: fields by tags. Everything that is not about logs is stepped over. Source:
//! `db/version_edit.h`, `db/version_edit.cc` and `db/wal_edit.cc` of RocksDB 11.8.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::log_file::{Met, read_log};
use crate::codec::CodecError;
use crate::codec::value::Reader;

/// Bytes of one edit: the first one of a file names all table files.
const EDIT_BYTES_MAX: usize = 64 << 20;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    /// Logs with smaller numbers hold nothing that is not in table files.
    min_log: u64,
    /// Of each family, the first log that holds something of it that is in no table file.
    family_logs: BTreeMap<u64, u64>,
    /// The newest sequence number in table files.
    pub(super) last_sequence: u64,
    /// Logs that were synced and closed, with their bytes.
    pub(super) synced_logs: BTreeMap<u64, u64>,
}

impl Manifest {
    /// Reads the manifest of a database; `None` where there is no database yet, or it makes no sense: RocksDB will say more.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn read(folder: &Path) -> io::Result<Option<Self>> {
        let current = match fs::read_to_string(folder.join("CURRENT")) {
            Ok(current) => current,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(None),
            Err(error) => return Err(error),
        };
        let path = folder.join(current.trim_end());
        if !path.is_file() {
            return Ok(None);
        }
        let (mut manifest, mut is_known) = (Self::default(), true);
        read_log(File::open(path)?, 0, EDIT_BYTES_MAX, &mut |met| match met {
            Met::Record { head, .. } => {
                is_known = is_known && manifest.edit(head).is_ok();
                is_known
            }
            Met::Later { .. } => true,
        })?;
        Ok(is_known.then_some(manifest))
    }

    /// The first log that recovery reads.
    pub(super) fn first_log(&self) -> u64 {
        self.min_log.max(self.family_logs.values().copied().min().unwrap_or_default())
    }

    fn edit(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        let mut reader = Reader::new(bytes, "edit of the manifest");
        let (mut family, mut log, mut is_dropped) = (0, None, false);
        while !reader.is_empty() {
            match reader.varint()? {
                2 => log = Some(reader.varint()?),
                4 => self.last_sequence = self.last_sequence.max(reader.varint()?),
                10 => self.min_log = self.min_log.max(reader.varint()?),
                200 => family = reader.varint()?,
                202 => is_dropped = true,
                8_199 => self.add_log(reader.bytes()?)?,
                8_200 => {
                    let before = Reader::new(reader.bytes()?, "removal of logs").varint()?;
                    self.synced_logs = self.synced_logs.split_off(&before);
                }
                tag => step_over(tag, &mut reader)?,
            }
        }
        if is_dropped {
            self.family_logs.remove(&family);
        } else {
            let known = self.family_logs.entry(family).or_default();
            *known = (*known).max(log.unwrap_or_default());
        }
        Ok(())
    }

    /// A log that was made, or synced: its number, then fields by tags; tag 1 ends, tag 2 has the bytes that are synced.
    fn add_log(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        let mut reader = Reader::new(bytes, "log in the manifest");
        let number = reader.varint()?;
        while reader.varint()? == 2 {
            let known = self.synced_logs.entry(number).or_default();
            *known = (*known).max(reader.varint()?);
        }
        Ok(())
    }
}

/// Steps over a field that is not about logs.
fn step_over(tag: u64, reader: &mut Reader<'_>) -> Result<(), CodecError> {
    match tag {
        // Names: comparator, family.
        1 | 201 => reader.bytes().map(drop)?,
        // Next file number, previous log number, greatest family, place in a group of edits.
        3 | 9 | 203 | 300 => reader.varint().map(drop)?,
        // Where a compaction stands: level, key.
        5 => {
            reader.varint()?;
            reader.bytes()?;
        }
        // A table file that is gone: level, number.
        6 => {
            reader.varint()?;
            reader.varint()?;
        }
        103 => step_over_file(reader)?,
        // Whatever later releases add, with its length.
        8_193 | 8_198 | 8_201.. => reader.bytes().map(drop)?,
        _ => return Err(CodecError::Invalid { what: "tag in the manifest", found: tag }),
    }
    Ok(())
}

/// A table file: level, number, size, its first and last key, its first and last sequence number, fields by tags.
fn step_over_file(reader: &mut Reader<'_>) -> Result<(), CodecError> {
    for _ in 0..3 {
        reader.varint()?;
    }
    for _ in 0..2 {
        reader.bytes()?;
    }
    for _ in 0..2 {
        reader.varint()?;
    }
    while reader.varint()? != 1 {
        reader.bytes()?;
    }
    Ok(())
}
