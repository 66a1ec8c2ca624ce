//! Reading of this crate's formats: a cursor over bytes that may be damaged or hostile.
//!
//! Invariant: nothing is allocated on the word of a length that the bytes at hand do not back.

use bytes::{Buf, Bytes};
use quorate_engine::codec::CodecError;
use quorate_engine::codec::check::Broken;
use quorate_engine::codec::value::{Reader, Writer};

/// Why bytes are not what a format promises.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The bytes end within a field.
    #[error("{format} ends within {field}")]
    Truncated {
        /// Which format.
        format: &'static str,
        /// Which field.
        field: &'static str,
    },
    /// A field has a value that this release does not know, or that contradicts another.
    #[error("{format} has an impossible {field}: {value}")]
    Invalid {
        /// Which format.
        format: &'static str,
        /// Which field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// The fields can be read, and contradict each other.
    #[error("{format} breaks a rule: {rule}")]
    Broken {
        /// Which format.
        format: &'static str,
        /// What should hold.
        rule: &'static str,
    },
    /// Bytes are left over.
    #[error("{format} has {count} bytes too many")]
    Trailing {
        /// Which format.
        format: &'static str,
        /// How many.
        count: usize,
    },
}

/// A cursor over the bytes of one format.
#[derive(Debug)]
pub struct Decoder {
    format: &'static str,
    bytes: Bytes,
}

impl Decoder {
    /// Starts at the first byte; `format` is named in errors.
    pub fn new(format: &'static str, bytes: Bytes) -> Self {
        Self { format, bytes }
    }

    /// The error for a field with a value that cannot be.
    pub fn invalid(&self, field: &'static str, value: u64) -> FormatError {
        FormatError::Invalid { format: self.format, field, value }
    }

    /// What was read, where its rules hold.
    ///
    /// # Errors
    /// [`FormatError::Broken`] with the first one that does not.
    pub fn sound(&self, checked: Result<(), Broken>) -> Result<(), FormatError> {
        checked.map_err(|Broken(rule)| FormatError::Broken { format: self.format, rule })
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn need(&self, field: &'static str, count: usize) -> Result<(), FormatError> {
        if self.bytes.len() < count {
            return Err(FormatError::Truncated { format: self.format, field });
        }
        Ok(())
    }

    /// Reads the version byte, which must be `version`.
    pub fn version(&mut self, version: u8) -> Result<(), FormatError> {
        let found = self.u8("version")?;
        if found != version {
            return Err(self.invalid("version", u64::from(found)));
        }
        Ok(())
    }

    /// One byte.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, FormatError> {
        self.need(field, 1)?;
        Ok(self.bytes.get_u8())
    }

    /// A byte that is 0 or 1.
    pub fn bool(&mut self, field: &'static str) -> Result<bool, FormatError> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.invalid(field, u64::from(other))),
        }
    }

    /// Four bytes, big-endian.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, FormatError> {
        self.need(field, 4)?;
        Ok(self.bytes.get_u32())
    }

    /// Eight bytes, big-endian.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, FormatError> {
        self.need(field, 8)?;
        Ok(self.bytes.get_u64())
    }

    /// Eight bytes, big-endian, signed.
    pub fn i64(&mut self, field: &'static str) -> Result<i64, FormatError> {
        self.need(field, 8)?;
        Ok(self.bytes.get_i64())
    }

    /// A count of items that take at least `item_bytes` each.
    pub fn count(&mut self, field: &'static str, item_bytes: usize) -> Result<usize, FormatError> {
        let count = self.u32(field)?;
        let items = usize::try_from(count).map_err(|_| self.invalid(field, u64::from(count)))?;
        if items.saturating_mul(item_bytes.max(1)) > self.bytes.len() {
            return Err(FormatError::Truncated { format: self.format, field });
        }
        Ok(items)
    }

    /// Bytes after their length of four bytes; shared with the input, not copied.
    pub fn bytes(&mut self, field: &'static str) -> Result<Bytes, FormatError> {
        let length = self.count(field, 1)?;
        Ok(self.bytes.split_to(length))
    }

    /// All that is left.
    pub fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.bytes)
    }

    /// Everything must have been read.
    pub fn finish(self) -> Result<(), FormatError> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        Err(FormatError::Trailing { format: self.format, count: self.bytes.len() })
    }
}

/// Appends bytes after their length of four bytes. Formats are bounded far below 4 GiB; longer bytes would be a defect
/// of the caller, which its own limit catches.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends a count of items as four bytes.
pub fn put_count(out: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    out.extend_from_slice(&count.to_be_bytes());
}

/// Appends a list, with its length before it, to a format of `engine::codec::value`.
pub(crate) fn put_list<T>(writer: &mut Writer, items: &[T], put: impl Fn(&mut Writer, &T)) {
    writer.count(items.len());
    for item in items {
        put(writer, item);
    }
}

/// Reads a list. Memory grows with the items read, not with the number claimed.
pub(crate) fn take_list<T>(
    reader: &mut Reader<'_>,
    take: impl Fn(&mut Reader<'_>) -> Result<T, CodecError>,
) -> Result<Vec<T>, CodecError> {
    let count = reader.items()?;
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(take(reader)?);
    }
    Ok(items)
}
