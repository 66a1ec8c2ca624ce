//! BIGINT: integers of 64 bits, as values have them.

use super::int;
use crate::types::builtin::array::array_of;
use crate::types::cast::CastRule;
use crate::types::info::{Category, TypeInfo, WireForm, fixed};
use crate::types::{DataType, Datum};

/// BIGINT.
pub static INFO: TypeInfo = TypeInfo {
    base: DataType::Int8,
    name: "bigint",
    catalog_name: "int8",
    sql_names: &["bigint", "int8"],
    category: Some(Category::Number),
    is_preferred: false,
    number: 4,
    row_version: 1,
    parameters: None,
    key: int::KEY,
    wire: WireForm { oid: 20, size: 8, read: |bytes| Ok(Datum::Int(i64::from_be_bytes(fixed(bytes)?))) },
    from_text: |text, data_type| int::parse(text, data_type, i64::MIN..=i64::MAX),
    casts: &[
        (DataType::Int2, CastRule::Implicit),
        (DataType::Int4, CastRule::Implicit),
        (DataType::Float4, CastRule::Assignment),
        (DataType::Float8, CastRule::Assignment),
        (DataType::NUMERIC, CastRule::Assignment),
        (DataType::Oid, CastRule::Assignment),
        (DataType::Regclass, CastRule::Assignment),
        (DataType::Regtype, CastRule::Assignment),
    ],
    cast: int::cast,
    sample: || Datum::Int(0),
    array: Some(&ARRAY),
};

array_of!("bigint", "int8", 1016);
