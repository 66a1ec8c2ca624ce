//! Every message survives its bytes, which are those of the fixtures; what is unknown is skipped or refused, what is damaged
//! never panics.

use std::fmt::Debug;

use proptest::prelude::*;
use prost::encoding::{decode_varint, encode_varint};
use quorate_engine::testing::fixture;

use super::*;

mod cluster;
mod raft;
mod range;

/// Field 1000 of each type of field, as a newer release might add them.
const UNKNOWN_FIELDS: [&[u8]; 4] = [
    &[0xc0, 0x3e, 0x07],
    &[0xc1, 0x3e, 1, 2, 3, 4, 5, 6, 7, 8],
    &[0xc2, 0x3e, 3, b'n', b'e', b'w'],
    &[0xc5, 0x3e, 1, 2, 3, 4],
];

/// A kind of message: how it is written and read.
struct Kind<T> {
    fixture: &'static str,
    write: fn(&T) -> Bytes,
    read: fn(Bytes) -> Result<T, WireError>,
}

impl<T: PartialEq + Debug> Kind<T> {
    /// The fixture has these messages, each after its length; they are read from there, with fields that are not known
    /// here too; and no beginning of one is a panic.
    fn check(&self, messages: &[T]) {
        let mut all = Vec::new();
        for message in messages {
            let bytes = (self.write)(message);
            encode_varint(bytes.len() as u64, &mut all);
            all.extend_from_slice(&bytes);
        }
        let mut stored = Bytes::from(fixture::check(env!("CARGO_MANIFEST_DIR"), self.fixture, &all));
        for message in messages {
            let length = usize::try_from(decode_varint(&mut stored).unwrap()).unwrap();
            self.check_one(message, &stored.split_to(length));
        }
        assert!(stored.is_empty());
    }

    fn check_one(&self, message: &T, bytes: &Bytes) {
        assert_eq!((self.read)(bytes.clone()).as_ref(), Ok(message));
        for unknown in UNKNOWN_FIELDS {
            let newer = Bytes::from([bytes, unknown].concat());
            assert_eq!((self.read)(newer).as_ref(), Ok(message), "with a field of a newer release");
        }
        for cut in 0..bytes.len() {
            // A field that is missing may be one that an older release does not have.
            let _ = (self.read)(bytes.slice(..cut));
        }
    }

    /// A message of a kind that is not known here is no message, and nor is one of another cluster's tongue.
    fn refuses_the_unknown(&self) {
        for unknown in UNKNOWN_FIELDS {
            let error = (self.read)(Bytes::from_static(unknown)).unwrap_err();
            assert!(matches!(error, WireError::Missing { .. }), "{error}");
        }
        assert!(matches!((self.read)(Bytes::new()), Err(WireError::Missing { .. })));
        assert!(matches!((self.read)(Bytes::from_static(&[0xff; 16])), Err(WireError::Damaged { .. })));
    }

    /// Bytes of anybody are a message or an error.
    fn survives(&self, noise: &[u8], message: &T, at: prop::sample::Index, byte: u8) {
        let _ = (self.read)(Bytes::copy_from_slice(noise));
        let mut bytes = (self.write)(message).to_vec();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = (self.read)(bytes.into());
    }
}
