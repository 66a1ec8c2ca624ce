//! PostgreSQL's numbers for types, and the two formats of values.

use quorate_sql::error::SqlError;
use quorate_sql::types::DataType;

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

const BOOL: u32 = 16;
const INT8: u32 = 20;
const INT2: u32 = 21;
const INT4: u32 = 23;
const TEXT: u32 = 25;
const NAME: u32 = 19;
const FLOAT4: u32 = 700;
const FLOAT8: u32 = 701;
const UNKNOWN: u32 = 705;
const BPCHAR: u32 = 1042;
const VARCHAR: u32 = 1043;
const DATE: u32 = 1082;
const TIMESTAMP: u32 = 1114;
const TIMESTAMPTZ: u32 = 1184;
const NUMERIC: u32 = 1700;
/// What PostgreSQL adds to lengths and precisions in a modifier.
const MODIFIER_OFFSET: i32 = 4;

impl WireType {
    /// The type as clients see it. A literal of no type is text, as in PostgreSQL.
    pub fn of(data_type: &DataType) -> Self {
        let fixed = |oid, size| Self { oid, size, modifier: -1 };
        match data_type {
            DataType::Bool => fixed(BOOL, 1),
            DataType::Int2 => fixed(INT2, 2),
            DataType::Int4 => fixed(INT4, 4),
            DataType::Int8 => fixed(INT8, 8),
            DataType::Float4 => fixed(FLOAT4, 4),
            DataType::Float8 => fixed(FLOAT8, 8),
            DataType::Numeric { precision, scale } => {
                let modifier = precision.map_or(-1, |precision| numeric_modifier(precision, *scale));
                Self { oid: NUMERIC, size: -1, modifier }
            }
            DataType::Text | DataType::Unknown => fixed(TEXT, -1),
            DataType::Varchar { length_max } => {
                Self { oid: VARCHAR, size: -1, modifier: length_max.map_or(-1, length_modifier) }
            }
            DataType::Char { length } => {
                Self { oid: BPCHAR, size: -1, modifier: length.map_or(-1, length_modifier) }
            }
            DataType::Date => fixed(DATE, 4),
            DataType::Timestamp => fixed(TIMESTAMP, 8),
            DataType::TimestampTz => fixed(TIMESTAMPTZ, 8),
        }
    }
}

fn length_modifier(length: u32) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX - MODIFIER_OFFSET).saturating_add(MODIFIER_OFFSET)
}

fn numeric_modifier(precision: u32, scale: i32) -> i32 {
    let precision = i32::try_from(precision).unwrap_or(0).min(0x7fff);
    ((precision << 16) | (scale & 0x7ff)).saturating_add(MODIFIER_OFFSET)
}

/// The type that a client gives a parameter; `None` where it leaves it to the server.
///
/// # Errors
/// 0A000 for types that Quorate does not have.
pub fn parameter_type(oid: u32) -> Result<Option<DataType>, SqlError> {
    let data_type = match oid {
        0 | UNKNOWN => return Ok(None),
        BOOL => DataType::Bool,
        INT2 => DataType::Int2,
        INT4 => DataType::Int4,
        INT8 => DataType::Int8,
        FLOAT4 => DataType::Float4,
        FLOAT8 => DataType::Float8,
        NUMERIC => DataType::Numeric { precision: None, scale: 0 },
        TEXT | NAME => DataType::Text,
        VARCHAR => DataType::Varchar { length_max: None },
        BPCHAR => DataType::Char { length: None },
        DATE => DataType::Date,
        TIMESTAMP => DataType::Timestamp,
        TIMESTAMPTZ => DataType::TimestampTz,
        _ => return Err(SqlError::unsupported(format!("a parameter of the type with OID {oid}"))),
    };
    Ok(Some(data_type))
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
