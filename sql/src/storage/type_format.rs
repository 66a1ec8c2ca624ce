//! A column's type as bytes: a number, and the type's parameters where it has any.
//!
//! Number 7 is TEXT without a length, and VARCHAR(n) with one, as it was before VARCHAR was a type of its own. An array type
//! has the number of its elements plus 128, and their parameters. The formats that hold types count the sets of types that
//! came together ([`generation`]).

use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use crate::types::DataType;
use crate::types::info::TypeInfo;

/// First numbers of the types of the second and the third generation, to which all arrays belong.
const SECOND_FROM: u8 = 12;
const THIRD_FROM: u8 = 16;

/// With which set of types this one came, from 1 on. Formats with types have a version for each.
pub fn generation(data_type: DataType) -> u8 {
    match number(data_type) {
        THIRD_FROM.. => 3,
        SECOND_FROM.. => 2,
        _ => 1,
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
