//! The value side of a version: a tag byte, then the value's own bytes. Other shapes get other tags.

use bytes::Bytes;

use crate::codec::CodecError;
use crate::kv::Value;

const DELETION: u8 = 0;
const VALUE: u8 = 1;

/// Bytes of a version; `None` is a deletion.
pub fn encode(value: Option<&Value>) -> Bytes {
    match value {
        None => Bytes::from_static(&[DELETION]),
        Some(value) => {
            let mut out = Vec::with_capacity(value.len() + 1);
            out.push(VALUE);
            out.extend_from_slice(value);
            out.into()
        }
    }
}

/// The value in a version's bytes; `None` is a deletion.
///
/// # Errors
/// No bytes, or an unknown tag.
pub fn decode(encoded: &[u8]) -> Result<Option<Value>, CodecError> {
    const WHAT: &str = "version";
    match encoded.split_first() {
        Some((&DELETION, [])) => Ok(None),
        Some((&VALUE, value)) => Ok(Some(Bytes::copy_from_slice(value))),
        Some((&DELETION, rest)) => Err(CodecError::Trailing { what: WHAT, count: rest.len() }),
        Some((tag, _)) => Err(CodecError::Invalid { what: WHAT, found: u64::from(*tag) }),
        None => Err(CodecError::Truncated { what: WHAT }),
    }
}

/// Whether a version's bytes are a deletion, without copying the value.
///
/// # Errors
/// As [`decode`].
pub fn is_deletion(encoded: &[u8]) -> Result<bool, CodecError> {
    match encoded {
        [VALUE, ..] => Ok(false),
        other => decode(other).map(|value| value.is_none()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_reads_back_and_refuses_the_rest() {
        for value in [None, Some(Bytes::new()), Some(Bytes::from_static(b"\0\x01"))] {
            let encoded = encode(value.as_ref());
            assert_eq!(is_deletion(&encoded), Ok(value.is_none()));
            assert_eq!(decode(&encoded), Ok(value));
        }
        assert!(decode(&[]).is_err());
        assert!(decode(&[0, 1]).is_err());
        assert!(is_deletion(&[9]).is_err());
    }

    #[test]
    fn version_bytes_are_as_in_the_fixture() {
        let encoded = [encode(None), encode(Some(&Bytes::from_static(b"hello")))].concat();
        crate::testing::fixture::check(env!("CARGO_MANIFEST_DIR"), "mvcc_versions", &encoded);
    }
}
