//! What functions return that return nothing: an empty text.

use crate::error::{SqlError, SqlState};
use crate::types::info::{BinaryError, KeyCodec, TypeInfo, WireForm, invalid, mistyped_key};
use crate::types::{DataType, Datum};

/// The result of functions that have none. No column has it, and no value is cast to it.
pub static INFO: TypeInfo = TypeInfo {
    base: DataType::Void,
    name: "void",
    catalog_name: "void",
    sql_names: &[],
    category: None,
    is_preferred: false,
    number: 114,
    row_version: 1,
    parameters: None,
    key: KeyCodec {
        gives_back: true,
        put: |_, _, _| Err(mistyped_key()),
        take: |_, _, _| Err(invalid("type of a key column")),
    },
    wire: WireForm { oid: 2278, size: 4, read: |_| Err(BinaryError::Value(no_value())) },
    from_text: |_, _| Err(no_value()),
    casts: &[],
    cast: |_, _| None,
    sample: || Datum::Text(String::new()),
    array: None,
};

fn no_value() -> SqlError {
    SqlError::new(SqlState::FeatureNotSupported, "cannot accept a value of type void")
}
