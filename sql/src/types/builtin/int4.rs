//! INTEGER: integers of 32 bits, the type of a literal that fits it.

use super::int;
use crate::types::builtin::array::array_of;
use crate::types::cast::CastRule;
use crate::types::info::{Category, TypeInfo, WireForm, fixed};
use crate::types::{DataType, Datum};

/// INTEGER.
pub static INFO: TypeInfo = TypeInfo {
    base: DataType::Int4,
    name: "integer",
    catalog_name: "int4",
    sql_names: &["int", "int4", "integer"],
    category: Some(Category::Number),
    is_preferred: false,
    number: 3,
    row_version: 1,
    parameters: None,
    key: int::KEY,
    wire: WireForm {
        oid: 23,
        size: 4,
        read: |bytes| Ok(Datum::Int(i32::from_be_bytes(fixed(bytes)?).into())),
    },
    from_text: |text, data_type| int::parse(text, data_type, i32::MIN.into()..=i32::MAX.into()),
    casts: &[
        (DataType::Bool, CastRule::Explicit),
        (DataType::Int2, CastRule::Implicit),
        (DataType::Int8, CastRule::Assignment),
        (DataType::Float4, CastRule::Assignment),
        (DataType::Float8, CastRule::Assignment),
        (DataType::NUMERIC, CastRule::Assignment),
        (DataType::Oid, CastRule::Assignment),
        (DataType::Regclass, CastRule::Assignment),
        (DataType::Regtype, CastRule::Assignment),
    ],
    cast: |datum, cast| {
        if let Datum::Bool(value) = datum {
            return Some(Ok(Datum::Int(i64::from(value))));
        }
        int::cast(datum, cast)
    },
    sample: || Datum::Int(0),
    array: Some(&ARRAY),
};

array_of!("integer", "int4", 1007);
