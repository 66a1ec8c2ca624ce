//! SMALLINT: integers of 16 bits.

use super::int;
use crate::types::builtin::array::array_of;
use crate::types::cast::CastRule;
use crate::types::info::{Category, TypeInfo, WireForm, fixed};
use crate::types::{DataType, Datum};

/// SMALLINT.
pub static INFO: TypeInfo = TypeInfo {
    base: DataType::Int2,
    name: "smallint",
    catalog_name: "int2",
    sql_names: &["int2", "smallint"],
    category: Some(Category::Number),
    is_preferred: false,
    number: 2,
    row_version: 1,
    parameters: None,
    key: int::KEY,
    wire: WireForm {
        oid: 21,
        size: 2,
        read: |bytes| Ok(Datum::Int(i16::from_be_bytes(fixed(bytes)?).into())),
    },
    from_text: |text, data_type| int::parse(text, data_type, i16::MIN.into()..=i16::MAX.into()),
    casts: &[
        (DataType::Int4, CastRule::Assignment),
        (DataType::Int8, CastRule::Assignment),
        (DataType::Float4, CastRule::Assignment),
        (DataType::Float8, CastRule::Assignment),
        (DataType::NUMERIC, CastRule::Assignment),
    ],
    cast: int::cast,
    sample: || Datum::Int(0),
    array: Some(&ARRAY),
};

array_of!("smallint", "int2", 1005);
