//! A column's type as bytes: a number, and the type's parameters where it has any.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use crate::types::DataType;

/// Appends a type.
pub fn put_type(out: &mut Writer, data_type: DataType) {
    match data_type {
        DataType::Bool => out.u8(1),
        DataType::Int2 => out.u8(2),
        DataType::Int4 => out.u8(3),
        DataType::Int8 => out.u8(4),
        DataType::Float8 => out.u8(5),
        DataType::Numeric { precision, scale } => {
            put_optional(out.u8(6), precision);
            out.signed(i64::from(scale))
        }
        DataType::Text { length_max } => put_optional(out.u8(7), length_max),
        DataType::Date => out.u8(8),
        DataType::Timestamp => out.u8(9),
        DataType::TimestampTz => out.u8(10),
        DataType::Unknown => out.u8(11),
    };
}

/// Reads what [`put_type`] wrote.
///
/// # Errors
/// The bytes do not follow the format.
pub fn read_type(reader: &mut Reader<'_>) -> Result<DataType, CodecError> {
    Ok(match reader.u8()? {
        1 => DataType::Bool,
        2 => DataType::Int2,
        3 => DataType::Int4,
        4 => DataType::Int8,
        5 => DataType::Float8,
        6 => {
            let precision = read_optional(reader)?;
            let scale = reader.signed()?;
            let scale = i32::try_from(scale).map_err(|_| reader.invalid(scale.unsigned_abs()))?;
            DataType::Numeric { precision, scale }
        }
        7 => DataType::Text { length_max: read_optional(reader)? },
        8 => DataType::Date,
        9 => DataType::Timestamp,
        10 => DataType::TimestampTz,
        11 => DataType::Unknown,
        other => return Err(CodecError::Invalid { what: "type", found: u64::from(other) }),
    })
}

fn put_optional(out: &mut Writer, number: Option<u32>) -> &mut Writer {
    out.varint(number.map_or(0, |number| u64::from(number) + 1))
}

fn read_optional(reader: &mut Reader<'_>) -> Result<Option<u32>, CodecError> {
    match reader.varint()? {
        0 => Ok(None),
        number => u32::try_from(number - 1).map(Some).map_err(|_| reader.invalid(number)),
    }
}
