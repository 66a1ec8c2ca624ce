//! A column's type as bytes: a number, and the type's parameters where it has any.
//!
//! Number 7 is TEXT without a length, and VARCHAR(n) with one, as it was before VARCHAR was a type of its own. An array type
//! has the number of its elements plus 128, and their parameters. Types came in generations: those numbered up to 11, those up to
//! 15, and those from 16 on. Each format that holds types has a version for each of them.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use crate::types::DataType;
use crate::types::info::TypeInfo;

/// The generation of types that this one came with, from 1.
pub fn generation(data_type: DataType) -> u8 {
    match number(data_type) {
        ..=11 => 1,
        12..=15 => 2,
        16.. => 3,
    }
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
