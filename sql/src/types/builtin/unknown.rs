//! What is no type yet: NULL, and text in quotes whose type its surroundings decide.

use super::text;
use crate::types::info::{KeyCodec, TypeInfo, WireForm, invalid, mistyped_key};
use crate::types::{DataType, Datum};

/// No type yet; its values are text. No column has it.
pub static INFO: TypeInfo = TypeInfo {
    base: DataType::Unknown,
    name: "unknown",
    catalog_name: "unknown",
    sql_names: &[],
    category: None,
    is_preferred: false,
    number: 11,
    row_version: 1,
    parameters: None,
    key: KeyCodec {
        gives_back: true,
        put: |_, _, _| Err(mistyped_key()),
        take: |_, _, _| Err(invalid("type of a key column")),
    },
    wire: WireForm { oid: 705, size: -1, read: text::read },
    from_text: |text, _| Ok(Datum::Text(text.to_owned())),
    casts: &[],
    cast: |datum, _| Some(Ok(datum)),
    sample: || Datum::Text(String::new()),
    array: None,
};
