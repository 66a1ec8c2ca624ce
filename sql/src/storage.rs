//! How tables lie in keys and values.
//!
//! ```text
//! key    0x02 | table id, 8 bytes | index id (1: primary) | key columns, order-preserving (engine::codec::key)
//! value  of the primary index:
//!        version | column id delta and type tag, value | …        (columns that are not in the key; NULL is absent)
//! ```
//!
//! Invariant: every format here has a version byte or a fixed key prefix, and a fixture that a test opens.

pub mod datum_format;
pub mod index_format;
pub mod key_text;
pub mod layout;
pub mod row_format;
pub mod rowid;
pub mod type_format;

use quorate_engine::codec::CodecError;
use quorate_engine::kv::{KEY_MAX_BYTES, Key, VALUE_MAX_BYTES, Value};

use crate::error::{SqlError, SqlState};
use crate::types::{Datum, Row};
use layout::TableLayout;

/// Key and value of a full row.
///
/// # Errors
/// 54000 for a row or a key beyond the limits.
pub fn encode_row(layout: &TableLayout, row: &[Datum]) -> Result<(Key, Value), SqlError> {
    let key = index_format::encode_key(layout, layout.primary(), row)?;
    if key.len() > KEY_MAX_BYTES {
        return Err(too_large("primary key", key.len(), KEY_MAX_BYTES));
    }
    let value = row_format::encode(layout, row);
    if value.len() > VALUE_MAX_BYTES {
        return Err(too_large("row", value.len(), VALUE_MAX_BYTES));
    }
    Ok((key, value.into()))
}

/// The full row of a key and its value.
///
/// # Errors
/// XX001 for bytes that do not follow the formats.
pub fn decode_row(layout: &TableLayout, key: &[u8], value: &[u8]) -> Result<Row, SqlError> {
    let wanted = vec![true; layout.columns.len()];
    let mut row = vec![Datum::Null; layout.columns.len()];
    index_format::decode_key(layout, &wanted, key, &mut row)?;
    row_format::decode(layout, &wanted, value, &mut row)?;
    Ok(row)
}

fn too_large(what: &str, size: usize, limit: usize) -> SqlError {
    SqlError::new(
        SqlState::ProgramLimitExceeded,
        format!("{what} of {size} bytes is beyond the limit of {limit} bytes"),
    )
    .with_hint("Split it over several rows or columns, or store it outside of the database.")
}

impl From<CodecError> for SqlError {
    fn from(error: CodecError) -> Self {
        Self::new(SqlState::DataCorrupted, format!("stored bytes cannot be read: {error}"))
            .with_hint("Please report this, with the node's log.")
    }
}

#[cfg(test)]
mod tests;
