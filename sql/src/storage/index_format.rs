//! Keys of an index: `0x02 | table id | index id | key columns`.
//!
//! Columns are encoded by [`quorate_engine::codec::key`] by their types and directions, so that keys sort as rows do.
//! Invariant: the format is fixed by that codec and by the index's id; keys carry no version, because they must stay
//! comparable.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::key::{ColumnOrder, KeyDecoder, KeyEncoder};
use quorate_engine::kv::{Key, Span, keyspace};

use super::layout::{IndexLayout, TableLayout, is_read_from_key};
use crate::catalog::index_descriptor::PRIMARY_INDEX_ID;
use crate::types::{DataType, Datum};

/// Bytes before the key columns: the table's prefix and the index id.
const PREFIX_BYTES: usize = 10;

/// Prefix of all keys of a table's primary index.
pub fn primary_prefix(table_id: u64) -> Key {
    index_prefix(table_id, PRIMARY_INDEX_ID)
}

/// Prefix of all keys of an index.
fn index_prefix(table_id: u64, index_id: u8) -> Key {
    let mut bytes = keyspace::table_prefix(table_id).as_ref().to_vec();
    bytes.push(index_id);
    Key::from(bytes)
}

/// All keys of a table's primary index.
pub fn primary_span(table_id: u64) -> Span {
    Span::prefix(primary_prefix(table_id))
}

/// Appends one column to a key that is being made.
///
/// # Errors
/// A value that is not of the type, or a numeric beyond what keys hold.
fn append_column(
    encoder: &mut KeyEncoder,
    datum: &Datum,
    (data_type, order): (DataType, ColumnOrder),
) -> Result<(), CodecError> {
    if datum.is_null() {
        encoder.bool(None, order);
        return Ok(());
    }
    (data_type.info().key.put)(encoder, datum, order)
}

/// The key of a full row in one of its table's indexes.
///
/// # Errors
/// A value that is not of its column's type, or a numeric beyond what keys hold.
pub fn encode_key(layout: &TableLayout, index: &IndexLayout, row: &[Datum]) -> Result<Key, CodecError> {
    let mut encoder = KeyEncoder::new(index_prefix(layout.table_id, index.id).as_ref());
    for column in &index.key {
        let datum = row.get(column.position).ok_or(CodecError::Truncated { what: "row" })?;
        append_column(&mut encoder, datum, (layout.data_type(column.position), column.order))?;
    }
    Ok(encoder.finish())
}

/// The key, or a prefix of keys, of these values of the primary index's first columns.
///
/// # Errors
/// As [`encode_key`].
pub fn encode_key_values(layout: &TableLayout, values: &[Datum]) -> Result<Key, CodecError> {
    let mut encoder = KeyEncoder::new(primary_prefix(layout.table_id).as_ref());
    for (column, datum) in layout.primary().key.iter().zip(values) {
        append_column(&mut encoder, datum, (layout.data_type(column.position), column.order))?;
    }
    Ok(encoder.finish())
}

/// Reads the wanted columns of a key of the primary index into `row`, which has a place for each of the table's columns. A NUMERIC is left out:
/// it is read from the value.
///
/// # Errors
/// The bytes do not follow the format.
pub fn decode_key(
    layout: &TableLayout,
    wanted: &[bool],
    key: &[u8],
    row: &mut [Datum],
) -> Result<(), CodecError> {
    let is_wanted = |position: usize| {
        wanted.get(position).copied().unwrap_or(false) && is_read_from_key(layout.data_type(position))
    };
    decode_columns(layout, is_wanted, key, row)
}

/// Reads all columns of a key of the primary index into `row`, for messages: a NUMERIC has the scale of the key.
///
/// # Errors
/// The bytes do not follow the format.
pub fn decode_whole_key(layout: &TableLayout, key: &[u8], row: &mut [Datum]) -> Result<(), CodecError> {
    decode_columns(layout, |_| true, key, row)
}

fn decode_columns(
    layout: &TableLayout,
    is_wanted: impl Fn(usize) -> bool,
    key: &[u8],
    row: &mut [Datum],
) -> Result<(), CodecError> {
    let columns = &layout.primary().key;
    let Some(last) = columns.iter().rposition(|column| is_wanted(column.position)) else { return Ok(()) };
    let bytes = key.get(PREFIX_BYTES..).ok_or(CodecError::Truncated { what: "key" })?;
    let mut decoder = KeyDecoder::new(bytes);
    for column in columns.iter().take(last + 1) {
        let datum = decode_column(&mut decoder, (layout.data_type(column.position), column.order))?;
        if is_wanted(column.position) {
            *row.get_mut(column.position).ok_or(CodecError::Truncated { what: "row" })? = datum;
        }
    }
    Ok(())
}

/// Takes one column off a key.
///
/// # Errors
/// The bytes do not follow the format.
pub fn decode_column(
    decoder: &mut KeyDecoder<'_>,
    (data_type, order): (DataType, ColumnOrder),
) -> Result<Datum, CodecError> {
    Ok((data_type.info().key.take)(decoder, data_type, order)?.unwrap_or(Datum::Null))
}
