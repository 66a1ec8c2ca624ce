//! Values on the wire: text for everyone, binary for the clients that ask for it.

use bytes::{BufMut, BytesMut};
use quorate_sql::error::{SqlError, SqlState};
use quorate_sql::types::datetime::{
    DATE_INFINITY, DATE_MINUS_INFINITY, EPOCH_2000_DAYS, check_any_timestamp, check_date, is_finite_date,
};
use quorate_sql::types::float::single;
use quorate_sql::types::text::{from_text, to_text};
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
        Format::Binary => put_binary(buffer, datum, data_type)?,
    }
    let length = buffer.len().saturating_sub(start + 4);
    let length = i32::try_from(length).map_err(|_| too_long(length))?;
    if let Some(head) = buffer.get_mut(start..start + 4) {
        head.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

fn too_long(length: usize) -> SqlError {
    SqlError::new(SqlState::ProgramLimitExceeded, format!("a value of {length} bytes does not fit a message"))
}

fn put_text(buffer: &mut BytesMut, datum: &Datum, data_type: &DataType) {
    match datum {
        Datum::Text(text) | Datum::Char(text) => buffer.put_slice(text.as_bytes()),
        Datum::Null
        | Datum::Bool(_)
        | Datum::Int(_)
        | Datum::Float(_)
        | Datum::Numeric(_)
        | Datum::Date(_)
        | Datum::Timestamp(_) => {
            buffer.put_slice(to_text(datum, data_type).unwrap_or_default().as_bytes());
        }
    }
}

fn put_binary(buffer: &mut BytesMut, datum: &Datum, data_type: &DataType) -> Result<(), SqlError> {
    let mismatch =
        || SqlError::new(SqlState::InternalError, format!("a value of {data_type} has another type"));
    match (datum, data_type) {
        (Datum::Bool(value), _) => buffer.put_u8(u8::from(*value)),
        (Datum::Int(value), DataType::Int2) => buffer.put_i16(i16::try_from(*value).map_err(|_| mismatch())?),
        (Datum::Int(value), DataType::Int4) => buffer.put_i32(i32::try_from(*value).map_err(|_| mismatch())?),
        (Datum::Int(value), _) => buffer.put_i64(*value),
        (Datum::Float(value), DataType::Float4) => buffer.put_f32(single(*value)),
        (Datum::Float(value), _) => buffer.put_f64(*value),
        (Datum::Text(text) | Datum::Char(text), _) => buffer.put_slice(text.as_bytes()),
        (Datum::Date(days), _) if is_finite_date(*days) => {
            buffer.put_i32(days.checked_sub(EPOCH_2000_DAYS).ok_or_else(mismatch)?);
        }
        (Datum::Date(infinity), _) => buffer.put_i32(*infinity),
        (Datum::Timestamp(micros), _) => buffer.put_i64(*micros),
        (Datum::Numeric(_), _) => {
            let text = to_text(datum, data_type).ok_or_else(mismatch)?;
            numeric::put(buffer, &text).ok_or_else(mismatch)?;
        }
        (Datum::Null, _) => return Err(mismatch()),
    }
    Ok(())
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
        Format::Text => read_text(bytes, data_type),
        Format::Binary => read_binary(bytes, data_type, number),
    }
}

fn read_text(bytes: &[u8], data_type: &DataType) -> Result<Datum, SqlError> {
    let text = utf8(bytes)?;
    match data_type {
        DataType::Unknown => Ok(Datum::Text(text.to_owned())),
        DataType::Bool
        | DataType::Int2
        | DataType::Int4
        | DataType::Int8
        | DataType::Float4
        | DataType::Float8
        | DataType::Numeric { .. }
        | DataType::Text
        | DataType::Varchar { .. }
        | DataType::Char { .. }
        | DataType::Date
        | DataType::Timestamp
        | DataType::TimestampTz => from_text(text, data_type),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, SqlError> {
    let invalid =
        |_| SqlError::new(SqlState::CharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\"");
    let text = std::str::from_utf8(bytes).map_err(invalid)?;
    if text.contains('\0') {
        let message = "invalid byte sequence for encoding \"UTF8\": 0x00";
        return Err(SqlError::new(SqlState::CharacterNotInRepertoire, message));
    }
    Ok(text)
}

fn read_binary(bytes: &[u8], data_type: &DataType, number: usize) -> Result<Datum, SqlError> {
    Ok(match data_type {
        DataType::Bool => Datum::Bool(fixed::<1>(bytes, number)? != [0]),
        DataType::Int2 => Datum::Int(i16::from_be_bytes(fixed(bytes, number)?).into()),
        DataType::Int4 => Datum::Int(i32::from_be_bytes(fixed(bytes, number)?).into()),
        DataType::Int8 => Datum::Int(i64::from_be_bytes(fixed(bytes, number)?)),
        DataType::Float4 => Datum::Float(f32::from_be_bytes(fixed(bytes, number)?).into()),
        DataType::Float8 => Datum::Float(f64::from_be_bytes(fixed(bytes, number)?)),
        DataType::Text | DataType::Varchar { .. } | DataType::Unknown => Datum::Text(utf8(bytes)?.to_owned()),
        DataType::Char { .. } => Datum::Char(utf8(bytes)?.to_owned()),
        DataType::Date => Datum::Date(match i32::from_be_bytes(fixed(bytes, number)?) {
            infinity @ (DATE_INFINITY | DATE_MINUS_INFINITY) => infinity,
            days => check_date(i64::from(days) + i64::from(EPOCH_2000_DAYS))?,
        }),
        DataType::Timestamp | DataType::TimestampTz => {
            Datum::Timestamp(check_any_timestamp(i64::from_be_bytes(fixed(bytes, number)?))?)
        }
        DataType::Numeric { .. } => match numeric::read(bytes) {
            numeric::Read::Number(text) => from_text(&text, data_type)?,
            numeric::Read::Special(name) => {
                return Err(SqlError::unsupported(format!("numeric value \"{name}\"")));
            }
            numeric::Read::Short => return Err(insufficient()),
            numeric::Read::Long => return Err(too_many_bytes(number)),
            numeric::Read::Invalid(what) => {
                let message = format!("invalid {what} in external \"numeric\" value");
                return Err(SqlError::new(SqlState::InvalidBinaryRepresentation, message));
            }
        },
    })
}

/// The bytes of a type that always has so many.
fn fixed<const N: usize>(bytes: &[u8], number: usize) -> Result<[u8; N], SqlError> {
    match <[u8; N]>::try_from(bytes) {
        Ok(bytes) => Ok(bytes),
        Err(_) if bytes.len() < N => Err(insufficient()),
        Err(_) => Err(too_many_bytes(number)),
    }
}

fn insufficient() -> SqlError {
    violation("insufficient data left in message")
}

fn too_many_bytes(number: usize) -> SqlError {
    let message = format!("incorrect binary data format in bind parameter {number}");
    SqlError::new(SqlState::InvalidBinaryRepresentation, message)
}

mod numeric;

#[cfg(test)]
mod tests;
