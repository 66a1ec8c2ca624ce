//! Values on the wire: text for everyone, binary for the clients that ask for it.

use bytes::{BufMut, BytesMut};
use quorate_sql::error::{SqlError, SqlState};
use quorate_sql::types::info::{BinaryError, put_binary};
use quorate_sql::types::text::{from_text, to_text, utf8};
use quorate_sql::types::{DataType, Datum};

use super::frame::violation;
use super::types::Format;

/// Length that means NULL.
const NULL_LENGTH: i32 = -1;

/// Puts a value with its length.
///
/// # Errors
/// A value beyond what a message holds, or one that its type cannot be.
pub fn put(
    buffer: &mut BytesMut,
    datum: &Datum,
    data_type: &DataType,
    format: Format,
) -> Result<(), SqlError> {
    if datum.is_null() {
        buffer.put_i32(NULL_LENGTH);
        return Ok(());
    }
    let start = buffer.len();
    buffer.put_i32(0);
    match format {
        Format::Text => put_text(buffer, datum, data_type),
        Format::Binary => put_binary(buffer, datum, *data_type).ok_or_else(|| mismatch(data_type))?,
    }
    let length = buffer.len().saturating_sub(start + 4);
    let length = i32::try_from(length).map_err(|_| too_long(length))?;
    if let Some(head) = buffer.get_mut(start..start + 4) {
        head.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

fn mismatch(data_type: &DataType) -> SqlError {
    SqlError::new(SqlState::InternalError, format!("a value of {data_type} has another type"))
}

fn too_long(length: usize) -> SqlError {
    SqlError::new(SqlState::ProgramLimitExceeded, format!("a value of {length} bytes does not fit a message"))
}

fn put_text(buffer: &mut BytesMut, datum: &Datum, data_type: &DataType) {
    if let Datum::Text(text) | Datum::Char(text) = datum {
        buffer.put_slice(text.as_bytes());
    } else {
        buffer.put_slice(to_text(datum, data_type).unwrap_or_default().as_bytes());
    }
}

/// Reads the value of parameter `number` (from 1).
///
/// # Errors
/// 22P02 for text that is not of the type, 22021 for text that is not UTF-8, 08P01 for too few bytes and 22P03 for too
/// many, 22008 and 0A000 for values that are none of ours.
pub fn read(
    bytes: Option<&[u8]>,
    data_type: &DataType,
    format: Format,
    number: usize,
) -> Result<Datum, SqlError> {
    let Some(bytes) = bytes else { return Ok(Datum::Null) };
    match format {
        Format::Text => from_text(utf8(bytes)?, data_type),
        Format::Binary => read_binary(bytes, data_type, number),
    }
}

fn read_binary(bytes: &[u8], data_type: &DataType, number: usize) -> Result<Datum, SqlError> {
    (data_type.info().wire.read)(bytes).map_err(|error| match error {
        BinaryError::Short => insufficient(),
        BinaryError::Long => too_many_bytes(number),
        BinaryError::Value(error) => error,
    })
}

fn insufficient() -> SqlError {
    violation("insufficient data left in message")
}

fn too_many_bytes(number: usize) -> SqlError {
    let message = format!("incorrect binary data format in bind parameter {number}");
    SqlError::new(SqlState::InvalidBinaryRepresentation, message)
}

#[cfg(test)]
mod tests;
