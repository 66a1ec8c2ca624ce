//! The first bytes of a batch in the write-ahead log: sequence number (eight bytes), count (four), both least significant
//! byte first, then records by tags. Our note comes first among these. Source: `db/write_batch.cc` of RocksDB 11.8.

use super::note_format::Note;
use crate::codec::value::Reader;

/// Bytes of a batch that are enough to read its head and note.
pub(super) const HEAD_BYTES: usize = 64;
/// Tag of bytes that are for the log alone.
const TAG_LOG_DATA: u8 = 3;

/// What the head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchHead {
    /// Of its first change.
    pub(super) sequence: u64,
    /// Its changes, each of which takes a sequence number.
    pub(super) count: u32,
    /// None in what RocksDB writes by itself, and in what earlier releases wrote.
    pub(super) note: Option<Note>,
}

impl BatchHead {
    /// Reads the first bytes of a batch; `None` where they are too few.
    pub(super) fn parse(head: &[u8]) -> Option<Self> {
        let (sequence, rest) = head.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        let note = rest.split_first().filter(|(tag, _)| **tag == TAG_LOG_DATA);
        let note = note.and_then(|(_, rest)| Reader::new(rest, "note of a batch").bytes().ok());
        Some(Self {
            sequence: u64::from_le_bytes(*sequence),
            count: u32::from_le_bytes(*count),
            note: note.and_then(|note| Note::decode(note).ok()),
        })
    }

    /// The sequence number after its own.
    pub(super) fn next(&self) -> u64 {
        self.sequence.saturating_add(u64::from(self.count))
    }
}
