//! PostgreSQL's numbers for types, and the two formats of values.

use quorate_sql::error::SqlError;
use quorate_sql::types::DataType;
use quorate_sql::types::info::TypeInfo;

use super::frame::violation;

/// A type as the protocol names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireType {
    /// PostgreSQL's number.
    pub oid: u32,
    /// Bytes of a value, -1 where they vary.
    pub size: i16,
    /// Length, or precision and scale; -1 for none.
    pub modifier: i32,
}

/// PostgreSQL's number for the names of its catalog, which are text here.
const NAME: u32 = 19;

impl WireType {
    /// The type as clients see it. A literal of no type is text, as in PostgreSQL.
    pub fn of(data_type: &DataType) -> Self {
        let data_type = if *data_type == DataType::Unknown { DataType::TEXT } else { *data_type };
        let info = data_type.info();
        let modifier = info.parameters.map_or(-1, |parameters| (parameters.modifier)(data_type));
        Self { oid: info.wire.oid, size: info.wire.size, modifier }
    }
}

/// The type that a client gives a parameter; `None` where it leaves it to the server.
///
/// # Errors
/// 0A000 for types that Quorate does not have.
pub fn parameter_type(oid: u32) -> Result<Option<DataType>, SqlError> {
    if oid == 0 {
        return Ok(None);
    }
    if oid == NAME {
        return Ok(Some(DataType::TEXT));
    }
    match TypeInfo::by_oid(oid).map(|info| info.base) {
        Some(DataType::Unknown) => Ok(None),
        Some(data_type) => Ok(Some(data_type)),
        None => Err(SqlError::unsupported(format!("a parameter of the type with OID {oid}"))),
    }
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As a person would write it.
    Text,
    /// As bytes.
    Binary,
}

impl Format {
    /// The protocol's number.
    pub const fn code(self) -> i16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }

    fn from_code(code: i16) -> Result<Self, SqlError> {
        match code {
            0 => Ok(Self::Text),
            1 => Ok(Self::Binary),
            _ => Err(violation(format!("invalid format code: {code}"))),
        }
    }
}

/// The formats of a row of values: one for all, or one each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Formats {
    /// All alike.
    All(Format),
    /// One each.
    Each(Vec<Format>),
}

impl Formats {
    /// Everything as text: the simple protocol.
    pub const TEXT: Self = Self::All(Format::Text);
    /// Everything as bytes: a BINARY cursor.
    pub const BINARY: Self = Self::All(Format::Binary);

    /// Reads the codes for `count` values: none for text, one for all, or one each.
    ///
    /// # Errors
    /// Another number of codes, or an unknown code.
    pub fn read(codes: &[i16], count: usize) -> Result<Self, SqlError> {
        match codes {
            [] => Ok(Self::TEXT),
            [code] => Ok(Self::All(Format::from_code(*code)?)),
            codes if codes.len() == count => {
                codes.iter().map(|code| Format::from_code(*code)).collect::<Result<_, _>>().map(Self::Each)
            }
            codes => Err(violation(format!(
                "bind message has {} formats but there are {count} values",
                codes.len()
            ))),
        }
    }

    /// The format of one value.
    pub fn of(&self, position: usize) -> Format {
        match self {
            Self::All(format) => *format,
            Self::Each(formats) => formats.get(position).copied().unwrap_or(Format::Text),
        }
    }
}

#[cfg(test)]
mod tests;
