//! Bytes of the mark: two slots of a page each, written in turn, so that a torn write spares one of them.
//!
//! A slot: version 1; its number (eight bytes); the store (sixteen); the boot of the machine that wrote it (sixteen, zeros
//! for an unknown one); the sequence number up to which the store was synced (eight); CRC-32C of these (four); zeros.

use uuid::Uuid;

use super::wal::checksum::crc32c;
use crate::codec::CodecError;
use crate::codec::check::{Broken, holds, must_hold};
use crate::codec::value::{Reader, Writer};

const VERSION: u8 = 1;
/// Bytes of a slot: no page that a disk or the system writes holds parts of both.
pub(super) const SLOT_BYTES: usize = 4096;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Rises with each one; its slot is the number's lowest bit.
    pub(super) number: u64,
    /// The store that it belongs to.
    pub(super) store: Uuid,
    /// The boot of the machine that wrote it; the nil one where that was not known.
    pub(super) boot: Uuid,
    /// Everything up to this sequence number was on the disk.
    pub(super) synced: u64,
}

impl Mark {
    /// What must hold of a mark.
    ///
    /// # Errors
    /// The rule that does not.
    pub(super) fn validate(&self) -> Result<(), Broken> {
        let is_first = self.number == 0;
        holds(!self.store.is_nil(), "a mark names its store")?;
        holds(!is_first || self.synced == 0, "the first mark of a store says that nothing is synced")?;
        holds(!is_first || self.boot.is_nil(), "the first mark of a store is no boot's")
    }

    /// The bytes of its slot.
    pub(super) fn encode(&self) -> Vec<u8> {
        must_hold("a mark", self.validate());
        self.bytes()
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Writer::versioned(VERSION);
        out.u64(self.number).uuid(self.store).uuid(self.boot).u64(self.synced);
        let mut slot = out.finish();
        slot.extend(crc32c(&slot).to_be_bytes());
        slot.resize(SLOT_BYTES, 0);
        slot
    }

    /// Reads the bytes of a slot.
    ///
    /// # Errors
    /// Torn or damaged bytes, or a newer version.
    pub(super) fn decode(slot: &[u8]) -> Result<Self, CodecError> {
        let (mut reader, _) = Reader::versioned(slot, VERSION, "mark")?;
        let mark = Self {
            number: reader.u64()?,
            store: reader.uuid()?,
            boot: reader.uuid()?,
            synced: reader.u64()?,
        };
        let found = reader.u32()?;
        if mark.bytes() != slot {
            return Err(reader.invalid(u64::from(found)));
        }
        reader.sound(mark.validate())?;
        Ok(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_bytes_are_as_in_the_fixture() {
        let (store, boot) = (Uuid::from_u128(0x0123_4567), Uuid::from_u128(0x89ab_cdef));
        let mark = Mark { number: 7, store, boot, synced: 4711 };
        let slot = mark.encode();
        assert!(slot[60..].iter().all(|byte| *byte == 0), "more than a sector may be torn");
        let stored = crate::testing::fixture::check(env!("CARGO_MANIFEST_DIR"), "mark", &slot[..60]);
        let mut whole = stored.clone();
        whole.resize(SLOT_BYTES, 0);
        assert_eq!(Mark::decode(&whole), Ok(mark));
        for byte in 0..60 {
            let mut damaged = whole.clone();
            damaged[byte] ^= 4;
            assert!(Mark::decode(&damaged).is_err(), "byte {byte}");
        }
        assert!(Mark::decode(&[0; SLOT_BYTES]).is_err());
        assert!(Mark::decode(&stored).is_err());
    }

    #[test]
    fn mark_is_sound_or_not_read() {
        let (store, boot) = (Uuid::from_u128(1), Uuid::nil());
        let sound = Mark { number: 0, store, boot, synced: 0 };
        assert_eq!(sound.validate(), Ok(()));
        let broken = [
            Mark { store: Uuid::nil(), ..sound },
            Mark { synced: 1, ..sound },
            Mark { boot: Uuid::from_u128(2), ..sound },
        ];
        for mark in broken {
            assert!(
                matches!(Mark::decode(&mark.bytes()), Err(CodecError::Broken { what: "mark", .. })),
                "{mark:?}"
            );
        }
    }
}
