//! Keys of an index: `0x02 | table id | index id | key columns`.
//!
//! Columns are encoded by [`quorate_engine::codec::key`] by their types and directions, so that keys sort as rows do.
//! Invariant: the format is fixed by that codec and by the index's id; keys carry no version, because they must stay
//! comparable.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::decimal::Decimal;
use quorate_engine::codec::key::{ColumnOrder, KeyDecoder, KeyEncoder};
use quorate_engine::kv::{Key, Span, keyspace};

use super::layout::{IndexLayout, TableLayout, is_read_from_key};
use crate::catalog::descriptor::PRIMARY_INDEX_ID;
use crate::types::compare::unpadded;
use crate::types::datetime::EPOCH_2000_MICROS;
use crate::types::text::cut_char;
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
    match (datum, data_type) {
        (Datum::Null, _) => encoder.bool(None, order),
        (Datum::Bool(value), DataType::Bool) => encoder.bool(Some(*value), order),
        (Datum::Int(value), DataType::Int2 | DataType::Int4 | DataType::Int8) => {
            encoder.i64(Some(*value), order)
        }
        (Datum::Timestamp(value), DataType::Timestamp | DataType::TimestampTz) => {
            encoder.shifted_i64(Some(*value), EPOCH_2000_MICROS, order)
        }
        (Datum::Date(value), DataType::Date) => encoder.i64(Some(i64::from(*value)), order),
        (Datum::Float(value), DataType::Float4 | DataType::Float8) => encoder.f64(Some(*value), order),
        (Datum::Text(value), DataType::Text | DataType::Varchar { .. }) => encoder.text(Some(value), order),
        (Datum::Char(value), DataType::Char { .. }) => encoder.text(Some(unpadded(value)), order),
        (Datum::Numeric(value), DataType::Numeric { .. }) => {
            let decimal: Decimal = value.to_string().parse().map_err(|_| invalid("numeric in key"))?;
            encoder.decimal(Some(&decimal), order)
        }
        _ => return Err(invalid("value of another type in key")),
    };
    Ok(())
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
    let datum = match data_type {
        DataType::Bool => decoder.bool(order)?.map(Datum::Bool),
        DataType::Int2 | DataType::Int4 | DataType::Int8 => decoder.i64(order)?.map(Datum::Int),
        DataType::Timestamp | DataType::TimestampTz => {
            decoder.shifted_i64(EPOCH_2000_MICROS, order)?.map(Datum::Timestamp)
        }
        DataType::Date => match decoder.i64(order)? {
            Some(days) => Some(Datum::Date(i32::try_from(days).map_err(|_| invalid("date in key"))?)),
            None => None,
        },
        DataType::Float4 | DataType::Float8 => decoder.f64(order)?.map(Datum::Float),
        DataType::Text | DataType::Varchar { .. } => decoder.text(order)?.map(Datum::Text),
        // The key holds no spaces at the end; the type tells how many there were.
        DataType::Char { length } => decoder.text(order)?.map(|text| Datum::Char(cut_char(&text, length))),
        DataType::Numeric { .. } => match decoder.decimal(order)? {
            Some(decimal) => {
                let number = decimal.to_string().parse().map_err(|_| invalid("numeric in key"))?;
                Some(Datum::Numeric(number))
            }
            None => None,
        },
        DataType::Unknown => return Err(invalid("type of a key column")),
    };
    Ok(datum.unwrap_or(Datum::Null))
}

fn invalid(what: &'static str) -> CodecError {
    CodecError::Invalid { what, found: 0 }
}
