//! Bytes of the verdict that a store has forgotten what it synced: version 1; the file (text); its byte, the recovered and
//! the expected sequence number (varints); the reason (text); CRC-32C of these (four bytes).

use super::forgotten::Forgotten;
use super::wal::checksum::crc32c;
use crate::codec::CodecError;
use crate::codec::check::must_hold;
use crate::codec::value::{Reader, Writer};

const VERSION: u8 = 1;

/// The bytes on disk.
pub(super) fn encode(forgotten: &Forgotten) -> Vec<u8> {
    must_hold("a verdict", forgotten.validate());
    bytes_of(forgotten)
}

fn bytes_of(forgotten: &Forgotten) -> Vec<u8> {
    let mut out = Writer::versioned(VERSION);
    out.text(&forgotten.file).varint(forgotten.offset).varint(forgotten.recovered);
    out.varint(forgotten.expected).text(&forgotten.reason);
    let mut bytes = out.finish();
    bytes.extend(crc32c(&bytes).to_be_bytes());
    bytes
}

/// Reads the bytes on disk.
///
/// # Errors
/// Damaged bytes, or a newer version.
pub(super) fn decode(bytes: &[u8]) -> Result<Forgotten, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, VERSION, "verdict")?;
    let forgotten = Forgotten {
        file: reader.text()?.to_owned(),
        offset: reader.varint()?,
        recovered: reader.varint()?,
        expected: reader.varint()?,
        reason: reader.text()?.to_owned(),
    };
    let found = reader.u32()?;
    if bytes_of(&forgotten) != bytes {
        return Err(reader.invalid(u64::from(found)));
    }
    reader.sound(forgotten.validate())?;
    Ok(forgotten)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgotten_bytes_are_as_in_the_fixture() {
        let forgotten = Forgotten {
            file: "000012.log".to_owned(),
            offset: 4711,
            recovered: 900,
            expected: 1712,
            reason: "write-ahead log 000012.log is damaged at byte 4711: 812 records behind it are lost"
                .to_owned(),
        };
        let bytes = encode(&forgotten);
        let stored = crate::testing::fixture::check(env!("CARGO_MANIFEST_DIR"), "forgotten", &bytes);
        assert_eq!(decode(&stored), Ok(forgotten));
        for byte in 0..stored.len() {
            let mut damaged = stored.clone();
            damaged[byte] ^= 1;
            assert!(decode(&damaged).is_err(), "byte {byte}");
        }
    }

    #[test]
    fn forgotten_is_sound_or_not_read() {
        let (file, reason) = ("000012.log".to_owned(), "records are missing".to_owned());
        let sound = Forgotten { file, offset: 0, recovered: 9, expected: 9, reason };
        assert_eq!(sound.validate(), Ok(()));
        let without_reason = Forgotten { reason: String::new(), ..sound.clone() };
        for forgotten in [Forgotten { expected: 8, ..sound }, without_reason] {
            let read = decode(&bytes_of(&forgotten));
            assert!(matches!(read, Err(CodecError::Broken { what: "verdict", .. })), "{read:?}");
        }
    }
}
