//! Keys of the catalog within range 1, and the two numbers that it keeps.

use quorate_engine::codec::CodecError;
use quorate_engine::kv::{Key, Span, Value, keyspace};

const NAMES: u8 = 0x01;
const DESCRIPTORS: u8 = 0x02;
const VERSION: u8 = 0x03;
const TABLE_ID_COUNTER: &[u8] = b"table_id";

fn catalog_key(kind: u8, rest: &[u8]) -> Key {
    let mut bytes = keyspace::system_prefix(keyspace::SYSTEM_CATALOG).as_ref().to_vec();
    bytes.push(kind);
    bytes.extend_from_slice(rest);
    Key::from(bytes)
}

/// Where a name leads to a table's id.
pub fn name_key(name: &str) -> Key {
    catalog_key(NAMES, name.as_bytes())
}

/// Where a table's descriptor is.
pub fn descriptor_key(table_id: u64) -> Key {
    catalog_key(DESCRIPTORS, &table_id.to_be_bytes())
}

/// All descriptors.
pub fn descriptors_span() -> Span {
    Span::prefix(catalog_key(DESCRIPTORS, &[]))
}

/// Where the catalog's version is.
pub fn version_key() -> Key {
    catalog_key(VERSION, &[])
}

/// Where the last table id given out is.
pub fn table_id_counter_key() -> Key {
    let mut bytes = keyspace::system_prefix(keyspace::SYSTEM_COUNTERS).as_ref().to_vec();
    bytes.extend_from_slice(TABLE_ID_COUNTER);
    Key::from(bytes)
}

/// A stored number: eight bytes, most significant first.
pub fn number_value(number: u64) -> Value {
    Value::copy_from_slice(&number.to_be_bytes())
}

/// Reads a stored number; a missing one is `default`.
///
/// # Errors
/// Bytes of another length.
pub fn number_of(value: Option<&Value>, default: u64) -> Result<u64, CodecError> {
    let Some(value) = value else { return Ok(default) };
    let bytes =
        value.as_ref().try_into().map_err(|_| CodecError::Truncated { what: "number of the catalog" })?;
    Ok(u64::from_be_bytes(bytes))
}
