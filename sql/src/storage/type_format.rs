//! A column's type as bytes: a number, and the type's parameters where it has any.
//!
//! Number 7 is TEXT without a length, and VARCHAR(n) with one, as it was before VARCHAR was a type of its own. Numbers
//! from 12 on came with version 2 of the formats that hold types.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use crate::types::DataType;
use crate::types::info::TypeInfo;

/// First number of the types that came with version 2.
const VERSION_2_FROM: u8 = 12;

/// Whether version 1 of a format with types cannot hold this one.
pub fn is_of_version_2(data_type: DataType) -> bool {
    number(data_type) >= VERSION_2_FROM
}

fn number(data_type: DataType) -> u8 {
    let info = data_type.info();
    info.parameters.map_or(info.number, |parameters| (parameters.number)(data_type))
}

/// Appends a type.
pub fn put_type(out: &mut Writer, data_type: DataType) {
    out.u8(number(data_type));
    if let Some(parameters) = data_type.info().parameters {
        (parameters.put)(out, data_type);
    }
}

/// Reads what [`put_type`] wrote.
///
/// # Errors
/// The bytes do not follow the format.
pub fn read_type(reader: &mut Reader<'_>) -> Result<DataType, CodecError> {
    let number = reader.u8()?;
    let unknown = CodecError::Invalid { what: "type", found: u64::from(number) };
    let info = TypeInfo::by_number(number).ok_or(unknown)?;
    info.parameters.map_or(Ok(info.base), |parameters| (parameters.read)(reader))
}
