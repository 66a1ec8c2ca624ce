//! [`Writer`] and [`Reader`]: the few pieces that every `*_format.rs` is made of.
//!
//! Fixed numbers are most significant byte first; counts and lengths are varints (seven bits a byte, least significant
//! first, at most ten bytes); bytes carry their length before them.

use bytes::Bytes;
use uuid::Uuid;

use super::CodecError;
use super::check::Broken;
use crate::hlc::Timestamp;

/// Most bytes of a varint: ten times seven bits hold 64.
const VARINT_BYTES_MAX: usize = 10;

/// Appends pieces to a buffer.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// A buffer that starts with a format's version byte.
    pub fn versioned(version: u8) -> Self {
        Self { out: vec![version] }
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.out.push(value);
        self
    }

    /// One byte, 0 or 1.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.u8(u8::from(value))
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    /// One to ten bytes; small numbers are short.
    pub fn varint(&mut self, mut value: u64) -> &mut Self {
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                return self.u8(low & 0x7f);
            }
            self.u8(low | 0x80);
        }
    }

    /// A count or length, as a varint.
    pub fn count(&mut self, value: usize) -> &mut Self {
        self.varint(value as u64)
    }

    /// A signed number as a varint; numbers near zero are short.
    pub fn signed(&mut self, value: i64) -> &mut Self {
        self.varint((value << 1).cast_unsigned() ^ (value >> 63).cast_unsigned())
    }

    /// Bytes with their length before them.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.count(value.len()).raw(value)
    }

    /// Bytes that may be missing: a byte 0 or 1, then as [`Writer::bytes`].
    pub fn optional_bytes(&mut self, value: Option<&[u8]>) -> &mut Self {
        self.bool(value.is_some());
        match value {
            Some(value) => self.bytes(value),
            None => self,
        }
    }

    /// Text as bytes of UTF-8.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self, value: Uuid) -> &mut Self {
        self.raw(value.as_bytes())
    }

    /// Eight bytes.
    pub fn timestamp(&mut self, value: Timestamp) -> &mut Self {
        self.u64(value.raw())
    }

    /// Bytes as they are, without a length.
    pub fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.out.extend_from_slice(value);
        self
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// The buffer.
    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }
}

/// Takes pieces off the front of some bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`; `what` names them in errors.
    pub fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    /// Reads `bytes` that start with a version byte, which must be from 1 to `known`; returns it too.
    ///
    /// # Errors
    /// [`CodecError::Version`] for a newer version.
    pub fn versioned(bytes: &'a [u8], known: u8, what: &'static str) -> Result<(Self, u8), CodecError> {
        let mut reader = Self::new(bytes, what);
        match reader.u8()? {
            0 => Err(CodecError::Invalid { what, found: 0 }),
            found if found > known => Err(CodecError::Version { what, found, known }),
            version => Ok((reader, version)),
        }
    }

    /// One byte.
    ///
    /// # Errors
    /// As all readers here: [`CodecError::Truncated`] where the bytes end too early, and [`CodecError::Invalid`].
    pub fn u8(&mut self) -> Result<u8, CodecError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// One byte, 0 or 1.
    ///
    /// # Errors
    /// As [`Reader::u8`].
    pub fn bool(&mut self) -> Result<bool, CodecError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.invalid(u64::from(other))),
        }
    }

    /// Four bytes.
    ///
    /// # Errors
    /// As [`Reader::u8`].
    pub fn u32(&mut self) -> Result<u32, CodecError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// As [`Reader::u8`].
    pub fn u64(&mut self) -> Result<u64, CodecError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A varint.
    ///
    /// # Errors
    /// As [`Reader::u8`], also for a number beyond 64 bits.
    pub fn varint(&mut self) -> Result<u64, CodecError> {
        let mut value: u64 = 0;
        for position in 0..VARINT_BYTES_MAX {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            let shift = 7 * position;
            if shift == 63 && bits > 1 {
                return Err(self.invalid(bits));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.invalid(value))
    }

    /// A count or length. Not yet checked against what is left: never reserve memory by it alone.
    ///
    /// # Errors
    /// As [`Reader::varint`].
    pub fn count(&mut self) -> Result<usize, CodecError> {
        let value = self.varint()?;
        usize::try_from(value).map_err(|_| self.invalid(value))
    }

    /// A number of items that take at least one byte each: more than there are bytes left is an error at once.
    ///
    /// # Errors
    /// As [`Reader::varint`].
    pub fn items(&mut self) -> Result<usize, CodecError> {
        match self.count()? {
            count if count > self.rest.len() => Err(CodecError::Truncated { what: self.what }),
            count => Ok(count),
        }
    }

    /// A signed varint.
    ///
    /// # Errors
    /// As [`Reader::varint`].
    pub fn signed(&mut self) -> Result<i64, CodecError> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// Bytes with their length before them.
    ///
    /// # Errors
    /// As [`Reader::varint`].
    pub fn bytes(&mut self) -> Result<&'a [u8], CodecError> {
        let length = self.count()?;
        self.raw(length)
    }

    /// Bytes that may be missing.
    ///
    /// # Errors
    /// As [`Reader::bytes`].
    pub fn optional_bytes(&mut self) -> Result<Option<&'a [u8]>, CodecError> {
        if self.bool()? { self.bytes().map(Some) } else { Ok(None) }
    }

    /// Text.
    ///
    /// # Errors
    /// As [`Reader::bytes`], also for what is no UTF-8.
    pub fn text(&mut self) -> Result<&'a str, CodecError> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|error| self.invalid(error.valid_up_to() as u64))
    }

    /// Sixteen bytes.
    ///
    /// # Errors
    /// As [`Reader::u8`].
    pub fn uuid(&mut self) -> Result<Uuid, CodecError> {
        self.array().map(Uuid::from_bytes)
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// As [`Reader::u8`].
    pub fn timestamp(&mut self) -> Result<Timestamp, CodecError> {
        self.u64().map(Timestamp::from_raw)
    }

    /// The next `length` bytes as they are.
    ///
    /// # Errors
    /// As [`Reader::u8`].
    pub fn raw(&mut self, length: usize) -> Result<&'a [u8], CodecError> {
        let (head, rest) =
            self.rest.split_at_checked(length).ok_or(CodecError::Truncated { what: self.what })?;
        self.rest = rest;
        Ok(head)
    }

    /// All that is left.
    pub fn remainder(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Ends the reading; nothing may be left.
    ///
    /// # Errors
    /// [`CodecError::Trailing`].
    pub fn finish(self) -> Result<(), CodecError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(CodecError::Trailing { what: self.what, count }),
        }
    }

    /// What was read, where its rules hold.
    ///
    /// # Errors
    /// [`CodecError::Broken`] with the first one that does not.
    pub fn sound(&self, checked: Result<(), Broken>) -> Result<(), CodecError> {
        checked.map_err(|Broken(rule)| CodecError::Broken { what: self.what, rule })
    }

    /// The error for a value that has no meaning here.
    pub fn invalid(&self, found: u64) -> CodecError {
        CodecError::Invalid { what: self.what, found }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (head, rest) =
            self.rest.split_first_chunk::<N>().ok_or(CodecError::Truncated { what: self.what })?;
        self.rest = rest;
        Ok(*head)
    }
}

/// Copies read bytes into a reference-counted buffer.
pub fn owned(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reader_refuses_what_ends_too_early() {
        let mut reader = Reader::new(&[3, b'a', b'b'], "name");
        assert_eq!(reader.bytes(), Err(CodecError::Truncated { what: "name" }));
        assert_eq!(Reader::new(&[0x80], "n").varint(), Err(CodecError::Truncated { what: "n" }));
        assert_eq!(Reader::new(&[9], "list").items(), Err(CodecError::Truncated { what: "list" }));
    }

    #[test]
    fn reader_refuses_numbers_beyond_64_bits() {
        let mut bytes = vec![0xff; 9];
        bytes.push(2);
        assert_eq!(Reader::new(&bytes, "n").varint(), Err(CodecError::Invalid { what: "n", found: 2 }));
        assert!(Reader::new(&[0xff; 11], "n").varint().is_err());
    }

    #[test]
    fn reader_refuses_newer_versions_and_zero() {
        let found = Reader::versioned(&[3], 2, "x").map(|(_, version)| version);
        assert_eq!(found, Err(CodecError::Version { what: "x", found: 3, known: 2 }));
        assert!(Reader::versioned(&[0], 2, "x").is_err());
        assert!(Reader::versioned(&[], 2, "x").is_err());
        assert!(Reader::versioned(&[2], 2, "x").is_ok());
    }

    #[test]
    fn reader_refuses_what_is_left() {
        assert_eq!(Reader::new(&[1], "x").finish(), Err(CodecError::Trailing { what: "x", count: 1 }));
    }

    proptest::proptest! {
        #[test]
        fn writer_and_reader_agree(n: u64, signed: i64, bytes: Vec<u8>, text: String, flag: bool, word: u32) {
            let mut writer = Writer::new();
            writer.varint(n).signed(signed).bytes(&bytes).text(&text).bool(flag).u32(word).u64(n);
            writer.optional_bytes(flag.then_some(bytes.as_slice()));
            let encoded = writer.finish();
            let mut reader = Reader::new(&encoded, "all");
            assert_eq!(reader.varint(), Ok(n));
            assert_eq!(reader.signed(), Ok(signed));
            assert_eq!(reader.bytes(), Ok(bytes.as_slice()));
            assert_eq!(reader.text(), Ok(text.as_str()));
            assert_eq!(reader.bool(), Ok(flag));
            assert_eq!(reader.u32(), Ok(word));
            assert_eq!(reader.u64(), Ok(n));
            assert_eq!(reader.optional_bytes(), Ok(flag.then_some(bytes.as_slice())));
            assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn reader_never_panics(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes, "noise");
            while reader.bytes().is_ok() && reader.varint().is_ok() && reader.text().is_ok() {}
        }
    }
}
