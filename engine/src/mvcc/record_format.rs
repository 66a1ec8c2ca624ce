//! Bytes of a transaction record, in the family `txn` under anchor key and transaction id.
//!
//! ```text
//!   version 1 · status: 1 pending, 2 staging, 3 committed, 4 aborted · transaction (16) · attempt (4) · anchor
//!   · started (8) · timestamp (8) · heartbeat (8) · count, intent spans (start, end) · count, in flight (key, sequence as varint)
//! ```

use crate::codec::CodecError;
use crate::codec::check::must_hold;
use crate::codec::value::{Reader, Writer};
use crate::kv::{Key, Span};
use crate::mvcc::record::{InFlightWrite, TransactionRecord, TransactionStatus};

const VERSION: u8 = 1;
const WHAT: &str = "transaction record";

/// Bytes of a record.
///
/// # Panics
/// Where the record breaks a rule of its own.
pub fn encode(record: &TransactionRecord) -> Vec<u8> {
    must_hold(WHAT, record.validate());
    let mut out = Writer::versioned(VERSION);
    out.u8(status_tag(record.status)).uuid(record.transaction).u32(record.attempt);
    out.bytes(record.anchor.as_ref())
        .timestamp(record.started)
        .timestamp(record.timestamp)
        .timestamp(record.heartbeat);
    out.count(record.intent_spans.len());
    for span in &record.intent_spans {
        out.bytes(span.start.as_ref()).bytes(span.end.as_ref());
    }
    out.count(record.in_flight.len());
    for write in &record.in_flight {
        out.bytes(write.key.as_ref()).varint(u64::from(write.sequence));
    }
    out.finish()
}

/// Reads a record.
///
/// # Errors
/// Damaged bytes, or a newer version.
pub fn decode(bytes: &[u8]) -> Result<TransactionRecord, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, VERSION, WHAT)?;
    let tag = reader.u8()?;
    let record = TransactionRecord {
        status: status_of(tag).ok_or_else(|| reader.invalid(u64::from(tag)))?,
        transaction: reader.uuid()?,
        attempt: reader.u32()?,
        anchor: Key::from(reader.bytes()?),
        started: reader.timestamp()?,
        timestamp: reader.timestamp()?,
        heartbeat: reader.timestamp()?,
        intent_spans: (0..reader.items()?).map(|_| span(&mut reader)).collect::<Result<_, _>>()?,
        in_flight: (0..reader.items()?).map(|_| in_flight(&mut reader)).collect::<Result<_, _>>()?,
    };
    reader.sound(record.validate())?;
    reader.finish()?;
    Ok(record)
}

fn span(reader: &mut Reader<'_>) -> Result<Span, CodecError> {
    Ok(Span::new(Key::from(reader.bytes()?), Key::from(reader.bytes()?)))
}

fn in_flight(reader: &mut Reader<'_>) -> Result<InFlightWrite, CodecError> {
    let key = Key::from(reader.bytes()?);
    let sequence = reader.varint()?;
    let sequence = u32::try_from(sequence).map_err(|_| reader.invalid(sequence))?;
    Ok(InFlightWrite { key, sequence })
}

const fn status_tag(status: TransactionStatus) -> u8 {
    match status {
        TransactionStatus::Pending => 1,
        TransactionStatus::Staging => 2,
        TransactionStatus::Committed => 3,
        TransactionStatus::Aborted => 4,
    }
}

const fn status_of(tag: u8) -> Option<TransactionStatus> {
    match tag {
        1 => Some(TransactionStatus::Pending),
        2 => Some(TransactionStatus::Staging),
        3 => Some(TransactionStatus::Committed),
        4 => Some(TransactionStatus::Aborted),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::hlc::Timestamp;

    fn key(text: &str) -> Key {
        Key::from(text.as_bytes())
    }

    #[test]
    fn record_bytes_are_as_in_the_fixture() {
        let statuses = [
            (TransactionStatus::Pending, "record_pending"),
            (TransactionStatus::Staging, "record_staging"),
            (TransactionStatus::Committed, "record_committed"),
            (TransactionStatus::Aborted, "record_aborted"),
        ];
        for (status, name) in statuses {
            let is_staging = status == TransactionStatus::Staging;
            let write = InFlightWrite { key: key("b"), sequence: 300 };
            let record = TransactionRecord {
                status,
                transaction: Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
                attempt: 3,
                anchor: key("a\0"),
                started: Timestamp::from_raw(0x10),
                timestamp: Timestamp::from_raw(0x11),
                heartbeat: Timestamp::from_raw(0x12),
                intent_spans: vec![Span::new(key("a"), key("c")), Span::new(key("x"), key(""))],
                in_flight: if is_staging { vec![write] } else { Vec::new() },
            };
            let stored = crate::testing::fixture::check(env!("CARGO_MANIFEST_DIR"), name, &encode(&record));
            assert_eq!(decode(&stored), Ok(record));
            for length in 0..stored.len() {
                assert!(decode(&stored[..length]).is_err(), "{length} bytes");
            }
        }
    }

    #[test]
    fn record_is_sound_or_neither_written_nor_read() {
        let sound = TransactionRecord {
            status: TransactionStatus::Committed,
            transaction: Uuid::from_u128(1),
            attempt: 1,
            anchor: key("a"),
            started: Timestamp::from_raw(1),
            timestamp: Timestamp::from_raw(2),
            heartbeat: Timestamp::from_raw(2),
            intent_spans: vec![Span::new(key("a"), key("c")), Span::new(key("c"), key(""))],
            in_flight: Vec::new(),
        };
        assert_eq!(sound.validate(), Ok(()));
        let spans = |spans: &[(&str, &str)]| {
            let spans = spans.iter().map(|(start, end)| Span::new(key(start), key(end)));
            TransactionRecord { intent_spans: spans.collect(), ..sound.clone() }
        };
        let in_flight = vec![InFlightWrite { key: key("b"), sequence: 1 }];
        let broken = [
            TransactionRecord { anchor: key(""), ..sound.clone() },
            TransactionRecord { timestamp: Timestamp::MIN, ..sound.clone() },
            TransactionRecord { timestamp: Timestamp::MAX, ..sound.clone() },
            TransactionRecord { heartbeat: Timestamp::MIN, ..sound.clone() },
            TransactionRecord { in_flight, ..sound.clone() },
            spans(&[("c", "c")]),
            spans(&[("a", "d"), ("c", "e")]),
            spans(&[("c", "d"), ("a", "b")]),
        ];
        for record in broken {
            assert!(record.validate().is_err(), "{record:?}");
            assert!(std::panic::catch_unwind(|| encode(&record)).is_err(), "{record:?}");
        }
        let mut bytes = encode(&TransactionRecord { intent_spans: Vec::new(), ..sound });
        let last_of_heartbeat = bytes.len() - 3;
        bytes[last_of_heartbeat] = 0;
        assert!(matches!(decode(&bytes), Err(CodecError::Broken { what: WHAT, .. })));
    }

    proptest::proptest! {
        #[test]
        fn record_decoder_never_panics(mut bytes: Vec<u8>) {
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            let _ = decode(&bytes);
        }
    }
}
