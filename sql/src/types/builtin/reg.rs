//! REGCLASS and its like: an OID that is shown as the name of its object. A value holds both, because only the catalog
//! knows the one of the other: what makes values is in `expr::objects`. No table stores them yet.

use std::cmp::Ordering;

use bytes::{BufMut, BytesMut};
use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use super::array::array_of;
use crate::error::SqlError;
use crate::types::cast::CastRule;
use crate::types::info::{BinaryError, Category, KeyCodec, TypeInfo, WireForm, fixed, mistyped_key};
use crate::types::kind::{Kind, Shape};
use crate::types::reg_value::RegValue;
use crate::types::{DataType, Datum};

/// OIDs with names.
pub(crate) struct Reg;

impl Kind for Reg {
    type Value = RegValue;

    const TAG: u8 = 15;
    const SHAPE: Shape = Shape::VarintAndBytes;
    const RANK: u8 = 40;

    fn put(out: &mut Writer, value: &RegValue) {
        out.varint(value.oid.into()).text(&value.name);
    }

    fn read(reader: &mut Reader<'_>) -> Result<RegValue, CodecError> {
        let oid = reader.varint()?;
        let oid = u32::try_from(oid).map_err(|_| reader.invalid(oid))?;
        Ok(RegValue { oid, name: reader.text()?.to_owned() })
    }

    fn compare(a: &RegValue, b: &RegValue) -> Ordering {
        a.oid.cmp(&b.oid)
    }

    fn append_group(bytes: &mut Vec<u8>, value: &RegValue) {
        bytes.extend_from_slice(&value.oid.to_be_bytes());
    }

    fn heap_bytes(value: &RegValue) -> usize {
        value.name.capacity()
    }

    fn text(value: &RegValue, _data_type: DataType) -> String {
        value.name.clone()
    }

    fn put_binary(out: &mut BytesMut, value: &RegValue, _data_type: DataType) -> Option<()> {
        out.put_u32(value.oid);
        Some(())
    }
}

const KEY: KeyCodec =
    KeyCodec { gives_back: false, put: |_, _, _| Err(mistyped_key()), take: |_, _, _| Err(mistyped_key()) };

fn read(bytes: &[u8]) -> Result<Datum, BinaryError> {
    Ok(Datum::Reg(RegValue::nameless(u32::from_be_bytes(fixed(bytes)?))))
}

/// Without a catalog at hand only numbers are known.
fn from_text(text: &str, data_type: DataType) -> Result<Datum, SqlError> {
    let oid = if text == "-" { Some(0) } else { text.parse().ok() };
    oid.map(|oid| Datum::Reg(RegValue::nameless(oid)))
        .ok_or_else(|| SqlError::unsupported(format!("a name as a value of type {data_type} here")))
}

/// One of these types.
const fn info(
    base: DataType,
    names: &'static [&'static str; 1],
    (number, oid): (u8, u32),
    array: &'static TypeInfo,
) -> TypeInfo {
    let [name] = *names;
    TypeInfo {
        base,
        name,
        catalog_name: name,
        sql_names: names,
        category: Some(Category::Number),
        is_preferred: false,
        number,
        row_version: 1,
        parameters: None,
        key: KEY,
        wire: WireForm { oid, size: 4, read },
        from_text,
        casts: &[
            (DataType::Oid, CastRule::Implicit),
            (DataType::Int2, CastRule::Implicit),
            (DataType::Int4, CastRule::Implicit),
            (DataType::Int8, CastRule::Implicit),
        ],
        cast: |datum, _| {
            let Datum::Int(oid) = datum else { return None };
            Some(Ok(Datum::Reg(RegValue::nameless(u32::try_from(oid).unwrap_or_default()))))
        },
        sample: || Datum::Reg(RegValue::nameless(0)),
        array: Some(array),
    }
}

/// REGCLASS: a relation.
pub mod regclass {
    use super::{DataType, TypeInfo, array_of};

    /// REGCLASS.
    pub static INFO: TypeInfo = super::info(DataType::Regclass, &["regclass"], (103, 2_205), &ARRAY);

    array_of!("regclass", "regclass", 2210);
}

/// REGTYPE: a type.
pub mod regtype {
    use super::{DataType, TypeInfo, array_of};

    /// REGTYPE.
    pub static INFO: TypeInfo = super::info(DataType::Regtype, &["regtype"], (104, 2_206), &ARRAY);

    array_of!("regtype", "regtype", 2211);
}

/// REGPROC: a function.
pub mod regproc {
    use super::{DataType, TypeInfo, array_of};

    /// REGPROC.
    pub static INFO: TypeInfo = super::info(DataType::Regproc, &["regproc"], (105, 24), &ARRAY);

    array_of!("regproc", "regproc", 1008);
}

/// REGNAMESPACE: a schema.
pub mod regnamespace {
    use super::{DataType, TypeInfo, array_of};

    /// REGNAMESPACE.
    pub static INFO: TypeInfo = super::info(DataType::Regnamespace, &["regnamespace"], (106, 4_089), &ARRAY);

    array_of!("regnamespace", "regnamespace", 4090);
}
