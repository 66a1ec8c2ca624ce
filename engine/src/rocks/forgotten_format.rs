//! Bytes of the verdict that a store has forgotten what it synced: version 1; the file (text); its byte, the recovered and
//! the expected sequence number (varints); the reason (text); CRC-32C of these (four bytes).

use super::forgotten::Forgotten;
use super::wal::checksum::crc32c;
use crate::codec::CodecError;
use crate::codec::value::{Reader, Writer};

const VERSION: u8 = 1;

/// The bytes on disk.
pub(super) fn encode(forgotten: &Forgotten) -> Vec<u8> {
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
    if encode(&forgotten) == bytes { Ok(forgotten) } else { Err(reader.invalid(u64::from(found))) }
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
}
