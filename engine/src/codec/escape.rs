//! Bytes of any length within a longer key: escaped, and terminated.
//!
//! ```text
//!   a zero byte    -> 00 ff
//!   the end        -> 00 00
//!   anything else  -> itself
//! ```
//!
//! Invariants: the order of encodings is the order of the bytes, whatever follows them (an end sorts before every
//! continuation), and no encoding is a prefix of another.

use super::CodecError;

/// What a zero byte is followed by.
const ESCAPED_ZERO: u8 = 0xff;
/// What ends the bytes.
const TERMINATOR: [u8; 2] = [0, 0];

/// Appends `bytes`, escaped and terminated.
pub fn escape_into(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + TERMINATOR.len());
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(ESCAPED_ZERO);
        }
    }
    out.extend_from_slice(&TERMINATOR);
}

/// Reads bytes back that [`escape_into`] wrote, and what follows them.
///
/// # Errors
/// No terminator, or a zero followed by neither of the two marks.
pub fn unescape(encoded: &[u8]) -> Result<(Vec<u8>, &[u8]), CodecError> {
    let mut out = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    loop {
        match rest {
            [0, 0, after @ ..] => return Ok((out, after)),
            [0, ESCAPED_ZERO, after @ ..] => {
                out.push(0);
                rest = after;
            }
            [0, other, ..] => {
                return Err(CodecError::Invalid { what: "escaped byte", found: u64::from(*other) });
            }
            [0] | [] => return Err(CodecError::Truncated { what: "escaped bytes" }),
            [byte, after @ ..] => {
                out.push(*byte);
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        escape_into(&mut out, bytes);
        out
    }

    #[test]
    fn escape_refuses_damaged_bytes() {
        assert_eq!(unescape(b"ab"), Err(CodecError::Truncated { what: "escaped bytes" }));
        assert_eq!(unescape(b"a\0"), Err(CodecError::Truncated { what: "escaped bytes" }));
        assert_eq!(unescape(b"a\0\x07"), Err(CodecError::Invalid { what: "escaped byte", found: 7 }));
    }

    #[test]
    fn escape_keeps_what_follows() {
        let mut bytes = escaped(b"a\0\xff");
        bytes.extend_from_slice(b"tail");
        assert_eq!(unescape(&bytes), Ok((b"a\0\xff".to_vec(), b"tail".as_slice())));
    }

    proptest::proptest! {
        #[test]
        fn escape_keeps_order_whatever_follows(
            a in proptest::collection::vec(0u8..4, 0..6), b in proptest::collection::vec(0u8..4, 0..6),
            tail_a: Vec<u8>, tail_b: Vec<u8>,
        ) {
            let (mut left, mut right) = (escaped(&a), escaped(&b));
            left.extend_from_slice(&tail_a);
            right.extend_from_slice(&tail_b);
            if a == b {
                assert_eq!(left.cmp(&right), tail_a.cmp(&tail_b));
            } else {
                assert_eq!(left.cmp(&right), a.cmp(&b));
            }
        }
    }
}
