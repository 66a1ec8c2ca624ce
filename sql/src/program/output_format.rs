//! What a scan program puts out: one row as bytes, its values one after the other with their tags.
//!
//! The reader knows how many values a row has from the program that it sent; the format is as old as that program, and so
//! needs no version of its own. A row of groups is the group keys, then the partial state of each aggregate.

use bytes::Bytes;
use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use crate::storage::datum_format::{put_datum, read_datum};
use crate::types::{Datum, Row};

/// The bytes of one row.
pub fn encode<'a>(values: impl IntoIterator<Item = &'a Datum>) -> Bytes {
    let mut out = Writer::new();
    values.into_iter().for_each(|value| put_datum(&mut out, value));
    Bytes::from(out.finish())
}

/// Reads a row of this many values.
///
/// # Errors
/// Bytes that do not follow the format.
pub fn decode(bytes: &[u8], width: usize) -> Result<Row, CodecError> {
    let mut reader = Reader::new(bytes, "row of a scan");
    let mut row = Vec::with_capacity(width);
    for _ in 0..width {
        row.push(read_datum(&mut reader)?);
    }
    reader.finish()?;
    Ok(row)
}
