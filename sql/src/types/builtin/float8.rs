//! DOUBLE PRECISION: floats of 64 bits.

use super::float;
use crate::types::builtin::array::array_of;
use crate::types::cast::CastRule;
use crate::types::float::parse;
use crate::types::info::{Category, TypeInfo, WireForm, fixed};
use crate::types::{DataType, Datum};

/// DOUBLE PRECISION.
pub static INFO: TypeInfo = TypeInfo {
    base: DataType::Float8,
    name: "double precision",
    catalog_name: "float8",
    sql_names: &["double precision", "float8"],
    category: Some(Category::Number),
    is_preferred: true,
    number: 5,
    row_version: 1,
    parameters: None,
    key: float::KEY,
    wire: WireForm { oid: 701, size: 8, read: |bytes| Ok(Datum::Float(f64::from_be_bytes(fixed(bytes)?))) },
    from_text: |text, data_type| parse(text, data_type).map(Datum::Float),
    casts: &[
        (DataType::Int2, CastRule::Implicit),
        (DataType::Int4, CastRule::Implicit),
        (DataType::Int8, CastRule::Implicit),
        (DataType::NUMERIC, CastRule::Implicit),
        (DataType::Float4, CastRule::Implicit),
    ],
    cast: float::cast,
    sample: || Datum::Float(0.0),
    array: Some(&ARRAY),
};

array_of!("double precision", "float8", 1022);
