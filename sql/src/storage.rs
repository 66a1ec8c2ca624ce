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
pub mod row_writes;
pub mod rowid;
pub mod type_format;

use quorate_engine::codec::CodecError;
#[cfg(test)]
use quorate_engine::kv::{Key, Value};

use crate::error::{SqlError, SqlState};
use crate::types::{Datum, Row};
use layout::TableLayout;

/// Key and value of a full row in the primary index.
///
/// # Errors
/// 54000 for a row or a key beyond the limits.
#[cfg(test)]
pub(crate) fn encode_row(layout: &TableLayout, row: &[Datum]) -> Result<(Key, Value), SqlError> {
    row_writes::entry(layout, layout.primary(), row)
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

impl From<CodecError> for SqlError {
    fn from(error: CodecError) -> Self {
        Self::new(SqlState::DataCorrupted, format!("stored bytes cannot be read: {error}"))
            .with_hint("Please report this, with the node's log.")
    }
}

#[cfg(test)]
mod tests;
