//! REAL: floats of 32 bits.

use super::float;
use crate::types::builtin::array::array_of;
use crate::types::cast::CastRule;
use crate::types::float::parse;
use crate::types::info::{Category, TypeInfo, WireForm, fixed};
use crate::types::{DataType, Datum};

/// REAL.
pub static INFO: TypeInfo = TypeInfo {
    base: DataType::Float4,
    name: "real",
    catalog_name: "float4",
    sql_names: &["float4", "real"],
    category: Some(Category::Number),
    is_preferred: false,
    number: 12,
    row_version: 1,
    parameters: None,
    key: float::KEY,
    wire: WireForm {
        oid: 700,
        size: 4,
        read: |bytes| Ok(Datum::Float(f32::from_be_bytes(fixed(bytes)?).into())),
    },
    from_text: |text, data_type| parse(text, data_type).map(Datum::Float),
    casts: &[
        (DataType::Int2, CastRule::Implicit),
        (DataType::Int4, CastRule::Implicit),
        (DataType::Int8, CastRule::Implicit),
        (DataType::NUMERIC, CastRule::Implicit),
        (DataType::Float8, CastRule::Assignment),
    ],
    cast: float::cast,
    sample: || Datum::Float(0.0),
    array: Some(&ARRAY),
};

array_of!("real", "float4", 1021);
