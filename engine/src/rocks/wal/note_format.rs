//! Bytes of the note that each batch carries in the write-ahead log beside its changes: version 1; how far the store was
//! synced when the batch was written (varint); 0, or 1 and the sequence number before those that it leaps over (varint).
//!
//! RocksDB keeps such notes in the log alone: they take no room in memtables and files, and no sequence number.

use crate::codec::CodecError;
use crate::codec::check::{Broken, holds, must_hold};
use crate::codec::value::{Reader, Writer};

const VERSION: u8 = 1;

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::rocks) struct Note {
    /// Everything up to this sequence number was on the disk before the batch was written.
    pub(in crate::rocks) synced: u64,
    /// Set in the first batch after an ingestion, which takes sequence numbers that are in no log: the last one before.
    pub(in crate::rocks) leaps_from: Option<u64>,
}

impl Note {
    /// What must hold of a note.
    ///
    /// # Errors
    /// The rule that does not.
    pub(in crate::rocks) fn validate(self) -> Result<(), Broken> {
        let leaps_over_synced = self.leaps_from.is_some_and(|from| from < self.synced);
        holds(!leaps_over_synced, "a leap begins at or behind what is synced")
    }

    /// The bytes in the log.
    pub(in crate::rocks) fn encode(self) -> Vec<u8> {
        must_hold("a batch's note", self.validate());
        let mut out = Writer::versioned(VERSION);
        out.varint(self.synced).bool(self.leaps_from.is_some());
        if let Some(from) = self.leaps_from {
            out.varint(from);
        }
        out.finish()
    }

    /// Reads the bytes in the log.
    ///
    /// # Errors
    /// No note, or one of a newer version.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let (mut reader, _) = Reader::versioned(bytes, VERSION, "note of a batch")?;
        let synced = reader.varint()?;
        let leaps_from = if reader.bool()? { Some(reader.varint()?) } else { None };
        let note = Self { synced, leaps_from };
        reader.sound(note.validate())?;
        reader.finish()?;
        Ok(note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_bytes_are_as_in_the_fixture() {
        let notes =
            [Note { synced: 4711, leaps_from: None }, Note { synced: 4711, leaps_from: Some(1 << 40) }];
        for (note, name) in notes.into_iter().zip(["wal_note", "wal_note_leap"]) {
            let stored = crate::testing::fixture::check(env!("CARGO_MANIFEST_DIR"), name, &note.encode());
            assert_eq!(Note::decode(&stored), Ok(note));
            assert!(Note::decode(&stored[..stored.len() - 1]).is_err());
        }
        assert!(matches!(Note::decode(&[2, 0, 0]), Err(CodecError::Version { found: 2, known: 1, .. })));
    }

    #[test]
    fn note_leaps_over_nothing_that_is_synced() {
        assert_eq!(Note { synced: 5, leaps_from: Some(5) }.validate(), Ok(()));
        assert!(Note { synced: 5, leaps_from: Some(4) }.validate().is_err());
        assert!(matches!(Note::decode(&[1, 5, 1, 4]), Err(CodecError::Broken { .. })));
    }
}
