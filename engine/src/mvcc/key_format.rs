//! Keys of the families `data`, `lock` and `txn` (layout version 1; see the drawing in [`crate::mvcc`]).
//!
//! The **prefix** of a data key is its user key, escaped and terminated; it is itself the smallest possible data key of
//! that user key (a "bare" key). The last byte of any data key says how many bytes follow the prefix, itself included:
//! 9 for a version, and 0 (the terminator's own last byte) for a bare key. Invariants: data keys order by user key,
//! then newest version first; a span of user keys is a span of data keys.

use uuid::Uuid;

use crate::codec::CodecError;
use crate::codec::escape::{escape_into, unescape};
use crate::codec::value::Reader;
use crate::hlc::Timestamp;
use crate::kv::{Key, Span};

/// Bytes behind the prefix of a version: timestamp and this length.
const VERSION_SUFFIX_BYTES: u8 = 9;

/// The part of a data key that all versions of a user key share.
pub fn data_prefix(key: &Key) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + 2 + usize::from(VERSION_SUFFIX_BYTES));
    escape_into(&mut out, key.as_ref());
    out
}

/// First data key after all versions under a prefix.
pub fn data_prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    // The terminator 00 00 becomes 00 01, below the 00 ff of an escaped zero.
    assert!(end.ends_with(&[0, 0]), "a prefix ends in the terminator of its key");
    if let Some(last) = end.last_mut() {
        *last = 1;
    }
    end
}

/// Key of one version.
pub fn data_key(key: &Key, timestamp: Timestamp) -> Vec<u8> {
    version_of(data_prefix(key), timestamp)
}

/// Key of one version under a prefix.
pub fn version_of(mut prefix: Vec<u8>, timestamp: Timestamp) -> Vec<u8> {
    assert!(prefix.ends_with(&[0, 0]), "a version's key begins with a whole prefix");
    prefix.extend_from_slice(&(!timestamp.raw()).to_be_bytes());
    prefix.push(VERSION_SUFFIX_BYTES);
    prefix
}

/// Takes the key of a version apart into prefix and timestamp.
///
/// # Errors
/// A key that [`data_key`] does not write.
pub fn split_data_key(encoded: &[u8]) -> Result<(&[u8], Timestamp), CodecError> {
    const WHAT: &str = "data key";
    let (length, head) = encoded.split_last().ok_or(CodecError::Truncated { what: WHAT })?;
    if *length != VERSION_SUFFIX_BYTES {
        return Err(CodecError::Invalid { what: WHAT, found: u64::from(*length) });
    }
    let (prefix, inverted) = head.split_last_chunk::<8>().ok_or(CodecError::Truncated { what: WHAT })?;
    Ok((prefix, Timestamp::from_raw(!u64::from_be_bytes(*inverted))))
}

/// The user key of a prefix.
///
/// # Errors
/// Bytes that [`data_prefix`] does not write.
pub fn user_key(prefix: &[u8]) -> Result<Key, CodecError> {
    let (key, rest) = unescape(prefix)?;
    Reader::new(rest, "data key").finish()?;
    Ok(Key::from(key))
}

/// User key and timestamp of a version's key.
///
/// # Errors
/// A key that [`data_key`] does not write.
pub fn decode_data_key(encoded: &[u8]) -> Result<(Key, Timestamp), CodecError> {
    let (prefix, timestamp) = split_data_key(encoded)?;
    Ok((user_key(prefix)?, timestamp))
}

/// Bounds of the data keys of a span of user keys; an empty end stays "to the end".
pub fn data_span(span: &Span) -> (Vec<u8>, Vec<u8>) {
    let end = if span.end.is_empty() { Vec::new() } else { data_prefix(&span.end) };
    (data_prefix(&span.start), end)
}

/// Key of a user key's intent: the user key itself, so that a span of user keys is one of locks.
pub fn lock_key(key: &Key) -> &Key {
    key
}

/// Key of a transaction's record.
pub fn txn_key(anchor: &Key, transaction: Uuid) -> Vec<u8> {
    let mut out = data_prefix(anchor);
    out.extend_from_slice(transaction.as_bytes());
    out
}

/// Anchor key and transaction of a record's key.
///
/// # Errors
/// A key that [`txn_key`] does not write.
pub fn decode_txn_key(encoded: &[u8]) -> Result<(Key, Uuid), CodecError> {
    let (anchor, rest) = unescape(encoded)?;
    let mut reader = Reader::new(rest, "transaction record key");
    let transaction = reader.uuid()?;
    reader.finish()?;
    Ok((Key::from(anchor), transaction))
}

/// The prefix of the anchor in a record's key, as [`data_prefix`] gives it.
///
/// # Errors
/// A key that [`txn_key`] does not write.
pub fn split_txn_key(encoded: &[u8]) -> Result<&[u8], CodecError> {
    let id =
        encoded.split_last_chunk::<16>().ok_or(CodecError::Truncated { what: "transaction record key" })?;
    Ok(id.0)
}

/// Bounds of the records whose anchors lie in a span; an empty end stays "to the end".
pub fn txn_span(span: &Span) -> (Vec<u8>, Vec<u8>) {
    data_span(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread_keys() -> Vec<Key> {
        ["", "\0", "\0\0", "\0\x01", "\x01", "a", "a\0", "a\0\0", "a\0b", "a\x01", "ab", "b", "\u{7f}"]
            .into_iter()
            .map(|text| Key::from(text.as_bytes()))
            .chain([Key::from(vec![0xff]), Key::from(vec![0xff, 0]), Key::from(vec![0xff, 0xff])])
            .collect()
    }

    #[test]
    fn data_keys_order_by_key_then_newest_first() {
        let stamps = [u64::MAX, 1 << 63, 256, 255, 1, 0].map(Timestamp::from_raw);
        let mut sorted = spread_keys();
        sorted.sort();
        let encoded: Vec<Vec<u8>> = sorted
            .iter()
            .flat_map(|key| {
                std::iter::once(data_prefix(key))
                    .chain(stamps.map(|timestamp| data_key(key, timestamp)))
                    .chain(std::iter::once(data_prefix_end(&data_prefix(key))))
            })
            .collect();
        assert!(encoded.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn data_keys_read_back() {
        for key in spread_keys() {
            for timestamp in [Timestamp::MIN, Timestamp::MAX, Timestamp::from_raw(0x0900)] {
                assert_eq!(decode_data_key(&data_key(&key, timestamp)), Ok((key.clone(), timestamp)));
            }
            assert!(split_data_key(&data_prefix(&key)).is_err(), "a bare key is no version");
        }
    }

    #[test]
    fn txn_keys_read_back_and_stay_in_their_span() {
        let id = Uuid::from_u128(0xff00_0000_0000_0000_0000_0000_0000_0001);
        for key in spread_keys() {
            let encoded = txn_key(&key, id);
            assert_eq!(decode_txn_key(&encoded), Ok((key.clone(), id)));
            let (start, end) = txn_span(&Span::point(key));
            assert!(start <= encoded && encoded < end);
        }
    }

    #[test]
    fn key_bytes_are_as_in_the_fixture() {
        let dir = env!("CARGO_MANIFEST_DIR");
        let key = Key::from(b"a\0b".as_slice());
        let timestamp = Timestamp::from_raw(0x0123_4567_89ab_cdef);
        let stored = crate::testing::fixture::check(dir, "mvcc_data_key", &data_key(&key, timestamp));
        assert_eq!(decode_data_key(&stored), Ok((key.clone(), timestamp)));
        let id = Uuid::from_u128(7);
        let stored = crate::testing::fixture::check(dir, "mvcc_txn_key", &txn_key(&key, id));
        assert_eq!(decode_txn_key(&stored), Ok((key, id)));
    }
}
