//! Values on the wire: text for everyone, binary for the clients that ask for it.

use bytes::{BufMut, BytesMut};
use quorate_sql::error::{SqlError, SqlState};
use quorate_sql::types::text::{from_text, to_text};
use quorate_sql::types::{DataType, Datum};

use super::frame::violation;
use super::types::Format;

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL's binary dates begin.
const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;
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
        Datum::Text(text) => buffer.put_slice(text.as_bytes()),
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
        (Datum::Float(value), _) => buffer.put_f64(*value),
        (Datum::Text(text), _) => buffer.put_slice(text.as_bytes()),
        (Datum::Date(days), _) => buffer.put_i32(days.checked_sub(EPOCH_DAYS).ok_or_else(mismatch)?),
        (Datum::Timestamp(micros), _) => {
            buffer.put_i64(micros.checked_sub(EPOCH_MICROS).ok_or_else(mismatch)?)
        }
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
/// 22P02 for text that is not of the type, 22021 for text that is not UTF-8, 08P01 for bytes that are not of the type.
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
        | DataType::Float8
        | DataType::Numeric { .. }
        | DataType::Text { .. }
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
    let wrong = || violation(format!("incorrect binary data format in bind parameter {number}"));
    let datum = match data_type {
        DataType::Bool => match bytes {
            [byte] => Some(Datum::Bool(*byte != 0)),
            _ => None,
        },
        DataType::Int2 | DataType::Int4 | DataType::Int8 => read_integer(bytes).map(Datum::Int),
        DataType::Float8 => read_float(bytes).map(Datum::Float),
        DataType::Text { .. } | DataType::Unknown => Some(Datum::Text(utf8(bytes)?.to_owned())),
        DataType::Date => read_integer(bytes)
            .and_then(|days| i32::try_from(days).ok()?.checked_add(EPOCH_DAYS))
            .map(Datum::Date),
        DataType::Timestamp | DataType::TimestampTz => {
            read_integer(bytes).and_then(|micros| micros.checked_add(EPOCH_MICROS)).map(Datum::Timestamp)
        }
        DataType::Numeric { .. } => {
            let text = numeric::read(bytes).ok_or_else(wrong)?;
            Some(from_text(&text, data_type)?)
        }
    };
    datum.ok_or_else(wrong)
}

/// An integer of two, four or eight bytes: a client may declare a narrower one than the column.
fn read_integer(bytes: &[u8]) -> Option<i64> {
    match bytes.len() {
        2 => Some(i64::from(i16::from_be_bytes(*bytes.first_chunk()?))),
        4 => Some(i64::from(i32::from_be_bytes(*bytes.first_chunk()?))),
        8 => Some(i64::from_be_bytes(*bytes.first_chunk()?)),
        _ => None,
    }
}

fn read_float(bytes: &[u8]) -> Option<f64> {
    match bytes.len() {
        4 => Some(f64::from(f32::from_be_bytes(*bytes.first_chunk()?))),
        8 => Some(f64::from_be_bytes(*bytes.first_chunk()?)),
        _ => None,
    }
}

mod numeric;

#[cfg(test)]
mod tests;
