//! Bytes of an intent, in the family `lock`.
//!
//! ```text
//!   version 1 · transaction (16) · anchor · started (8) · attempt (4) · sequence (4) · read timestamp (8)
//!   · write timestamp (8) · kind: 1 deletion | 2 value, then the provisional value to the end
//! ```

use crate::codec::CodecError;
use crate::codec::check::must_hold;
use crate::codec::value::{Reader, Writer, owned};
use crate::kv::Key;
use crate::mvcc::intent::{Intent, IntentKind};

const VERSION: u8 = 1;
const KIND_DELETION: u8 = 1;
const KIND_VALUE: u8 = 2;

/// Bytes of an intent.
///
/// # Panics
/// Where the intent breaks a rule of its own.
pub fn encode(intent: &Intent) -> Vec<u8> {
    must_hold("an intent", intent.validate());
    let mut out = Writer::versioned(VERSION);
    out.uuid(intent.transaction).bytes(intent.anchor.as_ref()).timestamp(intent.started);
    out.u32(intent.attempt).u32(intent.sequence);
    out.timestamp(intent.read_timestamp).timestamp(intent.write_timestamp);
    match &intent.kind {
        IntentKind::Delete => out.u8(KIND_DELETION),
        IntentKind::Put(value) => out.u8(KIND_VALUE).raw(value),
    };
    out.finish()
}

/// Reads an intent.
///
/// # Errors
/// Damaged bytes, or a newer version.
pub fn decode(bytes: &[u8]) -> Result<Intent, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, VERSION, "intent")?;
    let transaction = reader.uuid()?;
    let anchor = Key::from(reader.bytes()?);
    let started = reader.timestamp()?;
    let (attempt, sequence) = (reader.u32()?, reader.u32()?);
    let (read_timestamp, write_timestamp) = (reader.timestamp()?, reader.timestamp()?);
    let kind = match reader.u8()? {
        KIND_DELETION => IntentKind::Delete,
        KIND_VALUE => IntentKind::Put(owned(reader.remainder())),
        other => return Err(reader.invalid(u64::from(other))),
    };
    let intent =
        Intent { transaction, anchor, started, attempt, sequence, read_timestamp, write_timestamp, kind };
    reader.sound(intent.validate())?;
    reader.finish()?;
    Ok(intent)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::hlc::Timestamp;

    #[test]
    fn intent_bytes_are_as_in_the_fixture() {
        let mut intent = Intent {
            transaction: Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
            anchor: Key::from(b"a".as_slice()),
            started: Timestamp::from_raw(4),
            attempt: 2,
            sequence: 0x0304,
            read_timestamp: Timestamp::from_raw(5),
            write_timestamp: Timestamp::from_raw(6),
            kind: IntentKind::Put(bytes::Bytes::from_static(b"hello")),
        };
        for name in ["intent_put", "intent_delete"] {
            let stored = crate::testing::fixture::check(env!("CARGO_MANIFEST_DIR"), name, &encode(&intent));
            assert_eq!(decode(&stored), Ok(intent.clone()));
            for length in 0..stored.len().min(52) {
                assert!(decode(&stored[..length]).is_err(), "{length} bytes");
            }
            intent.kind = IntentKind::Delete;
        }
        let newer = [VERSION + 1; 52];
        assert_eq!(decode(&newer), Err(CodecError::Version { what: "intent", found: 2, known: 1 }));
    }

    #[test]
    fn intent_is_sound_or_neither_written_nor_read() {
        let at = Timestamp::from_raw;
        let sound = Intent {
            transaction: Uuid::from_u128(1),
            anchor: Key::from(b"a".as_slice()),
            started: at(4),
            attempt: 1,
            sequence: 0,
            read_timestamp: at(5),
            write_timestamp: at(5),
            kind: IntentKind::Delete,
        };
        assert_eq!(sound.validate(), Ok(()));
        let broken = [
            Intent { anchor: Key::default(), ..sound.clone() },
            Intent { read_timestamp: at(0), write_timestamp: at(0), ..sound.clone() },
            Intent { read_timestamp: at(6), ..sound.clone() },
        ];
        for intent in broken {
            assert!(intent.validate().is_err(), "{intent:?}");
            assert!(std::panic::catch_unwind(|| encode(&intent)).is_err(), "{intent:?}");
        }
        let mut bytes = encode(&sound);
        let read_timestamp_ends = bytes.len() - 1 - 8 - 1;
        bytes[read_timestamp_ends] = 6;
        assert!(matches!(decode(&bytes), Err(CodecError::Broken { what: "intent", .. })));
    }
}
