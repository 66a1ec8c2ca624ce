//! A column's type as bytes: a number, and the type's parameters where it has any.
//!
//! Number 7 is TEXT without a length, and VARCHAR(n) with one, as it was before VARCHAR was a type of its own. Numbers
//! from 12 on came with version 2 of the formats that hold types.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use crate::types::DataType;

/// Whether version 1 of a format with types cannot hold this one.
pub fn is_of_version_2(data_type: DataType) -> bool {
    match data_type {
        DataType::Float4 | DataType::Char { .. } | DataType::Varchar { length_max: None } => true,
        DataType::Bool
        | DataType::Int2
        | DataType::Int4
        | DataType::Int8
        | DataType::Float8
        | DataType::Numeric { .. }
        | DataType::Text
        | DataType::Varchar { length_max: Some(_) }
        | DataType::Date
        | DataType::Timestamp
        | DataType::TimestampTz
        | DataType::Unknown => false,
    }
}

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
        DataType::Text => out.u8(7).varint(0),
        DataType::Varchar { length_max: Some(length) } => put_optional(out.u8(7), Some(length)),
        DataType::Date => out.u8(8),
        DataType::Timestamp => out.u8(9),
        DataType::TimestampTz => out.u8(10),
        DataType::Unknown => out.u8(11),
        DataType::Float4 => out.u8(12),
        DataType::Char { length } => put_optional(out.u8(13), length),
        DataType::Varchar { length_max: None } => out.u8(14),
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
        7 => match read_optional(reader)? {
            None => DataType::Text,
            length_max => DataType::Varchar { length_max },
        },
        8 => DataType::Date,
        9 => DataType::Timestamp,
        10 => DataType::TimestampTz,
        11 => DataType::Unknown,
        12 => DataType::Float4,
        13 => DataType::Char { length: read_optional(reader)? },
        14 => DataType::Varchar { length_max: None },
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
