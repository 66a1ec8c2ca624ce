//! The value of a row: its columns that are not in the key, each with id and type.
//!
//! ```text
//! version (1; 2 where a column outside the key is CHAR, 3 where one is a UUID or an array) | varint: id delta << 4 | tag, value | …
//! ```
//!
//! Columns ascend by id, and the delta is to the one before (the first to 0). NULL is absent, and so is a column that
//! was added after the row was written. A reader passes over ids that it does not know: columns that were dropped.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use super::datum_format::{TAG_BITS, Tag, put_value, read_value, skip_value};
use super::layout::TableLayout;
use crate::types::Datum;

/// Newest version of the format that is read. Rows are written in the oldest one that has the types of their columns.
pub const ROW_FORMAT_VERSION: u8 = 3;
const TAG_MASK: u64 = (1 << TAG_BITS) - 1;

/// The value of a full row.
pub fn encode(layout: &TableLayout, row: &[Datum]) -> Vec<u8> {
    let mut out = Writer::versioned(layout.row_version);
    let mut before = 0;
    for (id, position) in &layout.values {
        let Some(datum) = row.get(*position) else { continue };
        if datum.is_null() {
            continue;
        }
        let delta = u64::from(id - before);
        out.varint((delta << TAG_BITS) | u64::from(Tag::of(datum).number()));
        put_value(&mut out, datum);
        before = *id;
    }
    out.finish()
}

/// Reads the wanted columns of a value into `row`, which has a place for each of the table's columns. Wanted columns
/// that the value does not have become NULL; others keep what the row had.
///
/// # Errors
/// The bytes do not follow the format, or a value is not of its column's type.
pub fn decode(
    layout: &TableLayout,
    wanted: &[bool],
    value: &[u8],
    row: &mut [Datum],
) -> Result<(), CodecError> {
    let (mut reader, _) = Reader::versioned(value, ROW_FORMAT_VERSION, "row")?;
    let is_wanted = |position: usize| wanted.get(position).copied().unwrap_or(false);
    let mut slots = layout.values.iter().filter(|(_, position)| is_wanted(*position));
    let mut slot = slots.next();
    let mut id = 0_u64;
    while let Some((wanted_id, position)) = slot {
        if reader.is_empty() {
            set(row, *position, Datum::Null)?;
            slot = slots.next();
            continue;
        }
        let mut ahead = reader.clone();
        let header = ahead.varint()?;
        let tag = Tag::from_number(header & TAG_MASK)?;
        let next_id = id.saturating_add(header >> TAG_BITS);
        if next_id > u64::from(*wanted_id) {
            set(row, *position, Datum::Null)?;
            slot = slots.next();
            continue;
        }
        id = next_id;
        reader = ahead;
        if next_id < u64::from(*wanted_id) {
            skip_value(&mut reader, tag)?;
            continue;
        }
        set(row, *position, read_value(&mut reader, tag)?)?;
        slot = slots.next();
    }
    Ok(())
}

fn set(row: &mut [Datum], position: usize, datum: Datum) -> Result<(), CodecError> {
    *row.get_mut(position).ok_or(CodecError::Truncated { what: "row" })? = datum;
    Ok(())
}
