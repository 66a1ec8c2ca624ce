//! Arrays in PostgreSQL's binary form, as `array_send` writes it.
//!
//! ```text
//! dimensions, 0 or 1 | has NULLs | OID of the elements | per dimension: count, first subscript | each: length or -1, bytes
//! ```

use bytes::{BufMut, BytesMut};

use super::{Elements, multidimensional, too_many};
use crate::error::{SqlError, SqlState};
use crate::limits::ARRAY_ELEMENTS_MAX;
use crate::types::info::{BinaryError, TypeInfo, put_binary};
use crate::types::{DataType, Datum};

/// Length that means NULL.
const NULL_LENGTH: i32 = -1;
/// Dimensions beyond which PostgreSQL has no arrays either.
const DIMENSIONS_MAX: i32 = 6;

/// Appends an array.
pub(super) fn put(out: &mut BytesMut, elements: &[Datum], element_type: DataType) -> Option<()> {
    out.put_i32(i32::from(!elements.is_empty()));
    out.put_i32(i32::from(elements.iter().any(Datum::is_null)));
    out.put_u32(element_type.info().wire.oid);
    if elements.is_empty() {
        return Some(());
    }
    out.put_i32(i32::try_from(elements.len()).ok()?);
    out.put_i32(1);
    for element in elements {
        if element.is_null() {
            out.put_i32(NULL_LENGTH);
            continue;
        }
        let start = out.len();
        out.put_i32(0);
        put_binary(out, element, element_type)?;
        let length = i32::try_from(out.len().checked_sub(start + 4)?).ok()?;
        out.get_mut(start..start + 4)?.copy_from_slice(&length.to_be_bytes());
    }
    Some(())
}

/// Reads an array with elements of a type.
pub(in super::super) fn read(bytes: &[u8], element: &TypeInfo) -> Result<Datum, BinaryError> {
    let mut bytes = Bytes(bytes);
    let dimensions = bytes.number()?;
    if dimensions < 0 {
        return Err(invalid(format!("invalid number of dimensions: {dimensions}")));
    }
    if dimensions > DIMENSIONS_MAX {
        let message = format!(
            "number of array dimensions ({dimensions}) exceeds the maximum allowed ({DIMENSIONS_MAX})"
        );
        return Err(SqlError::new(SqlState::ProgramLimitExceeded, message).into());
    }
    if !matches!(bytes.number()?, 0 | 1) {
        return Err(invalid("invalid array flags"));
    }
    check_element(u32::from_be_bytes(bytes.take()?), element)?;
    let elements = match dimensions {
        0 => Vec::new(),
        1 => read_elements(&mut bytes, element)?,
        _ => return Err(multidimensional().into()),
    };
    if !bytes.0.is_empty() {
        return Err(BinaryError::Long);
    }
    Ok(Datum::Array(Elements::new(elements)?))
}

fn check_element(oid: u32, element: &TypeInfo) -> Result<(), SqlError> {
    if oid == element.wire.oid {
        return Ok(());
    }
    let found = TypeInfo::by_oid(oid).map_or("???", |info| info.name);
    let message = format!(
        "binary data has array element type {oid} ({found}) instead of expected {} ({})",
        element.wire.oid, element.name
    );
    Err(SqlError::new(SqlState::DatatypeMismatch, message))
}

fn read_elements(bytes: &mut Bytes<'_>, element: &TypeInfo) -> Result<Vec<Datum>, BinaryError> {
    let (count, first) = (bytes.number()?, bytes.number()?);
    let count = usize::try_from(count).ok().filter(|count| *count <= ARRAY_ELEMENTS_MAX);
    let count = count.ok_or_else(too_many)?;
    if first != 1 && count > 0 {
        return Err(SqlError::unsupported("an array whose subscripts do not begin at 1").into());
    }
    // Grown as elements are read: each is paid for by bytes.
    let mut elements = Vec::new();
    for number in 1..=count {
        let length = bytes.number()?;
        if length == NULL_LENGTH {
            elements.push(Datum::Null);
            continue;
        }
        let value = usize::try_from(length).ok().and_then(|length| bytes.split(length));
        let value = value.ok_or_else(|| invalid("insufficient data left in message"))?;
        elements.push((element.wire.read)(value).map_err(|error| match error {
            BinaryError::Long => invalid(format!("improper binary format in array element {number}")),
            BinaryError::Short | BinaryError::Value(_) => error,
        })?);
    }
    Ok(elements)
}

fn invalid(message: impl Into<String>) -> BinaryError {
    SqlError::new(SqlState::InvalidBinaryRepresentation, message).into()
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn split(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn take(&mut self) -> Result<[u8; 4], BinaryError> {
        let taken = self.split(4).and_then(|taken| <[u8; 4]>::try_from(taken).ok());
        taken.ok_or(BinaryError::Short)
    }

    fn number(&mut self) -> Result<i32, BinaryError> {
        self.take().map(i32::from_be_bytes)
    }
}
