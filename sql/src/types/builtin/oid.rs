//! OID: the number of an object of the catalog, 32 bits without a sign. Values are integers; no table stores them yet.

use super::array::array_of;
use super::int;
use crate::error::{SqlError, SqlState};
use crate::types::cast::CastRule;
use crate::types::info::{Category, TypeInfo, WireForm, fixed};
use crate::types::{DataType, Datum};

/// OID.
pub static INFO: TypeInfo = TypeInfo {
    base: DataType::Oid,
    name: "oid",
    catalog_name: "oid",
    sql_names: &["oid"],
    category: Some(Category::Number),
    is_preferred: true,
    number: 100,
    row_version: 1,
    parameters: None,
    key: int::KEY,
    wire: WireForm {
        oid: 26,
        size: 4,
        read: |bytes| Ok(Datum::Int(u32::from_be_bytes(fixed(bytes)?).into())),
    },
    from_text: |text, data_type| {
        let value = int::parse(text, data_type, i32::MIN.into()..=u32::MAX.into())?;
        Ok(if let Datum::Int(value) = value { Datum::Int(value.rem_euclid(1 << 32)) } else { value })
    },
    casts: &[
        (DataType::Int2, CastRule::Implicit),
        (DataType::Int4, CastRule::Implicit),
        (DataType::Int8, CastRule::Implicit),
        (DataType::Regclass, CastRule::Implicit),
        (DataType::Regtype, CastRule::Implicit),
        (DataType::Regproc, CastRule::Implicit),
        (DataType::Regnamespace, CastRule::Implicit),
    ],
    cast: |datum, _| {
        if let Datum::Reg(value) = datum {
            return Some(Ok(Datum::Int(value.oid.into())));
        }
        let Datum::Int(value) = datum else { return None };
        Some(of_integer(value).map(Datum::Int))
    },
    sample: || Datum::Int(0),
    array: Some(&ARRAY),
};

array_of!("oid", "oid", 1028);

/// The number that an integer is; one below zero of 32 bits is read as if it had no sign.
fn of_integer(value: i64) -> Result<i64, SqlError> {
    if i32::try_from(value).is_ok() {
        return Ok(value.rem_euclid(1 << 32));
    }
    match u32::try_from(value) {
        Ok(value) => Ok(value.into()),
        Err(_) => Err(SqlError::new(SqlState::NumericValueOutOfRange, "OID out of range")),
    }
}
