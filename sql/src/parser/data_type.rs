//! Type names to types: those with parameters here, others by the names that types say of themselves.

use sqlparser::ast::{ArrayElemTypeDef, CharacterLength, DataType as SqlType, ExactNumberInfo};

use crate::error::{SqlError, SqlState};
use crate::types::DataType;
use crate::types::info::TypeInfo;
use crate::types::numeric::NUMERIC_PRECISION_MAX;

/// Longest declared length of text in characters, as in PostgreSQL.
const TEXT_LENGTH_MAX: u64 = 10_485_760;

/// The type of this name.
///
/// # Errors
/// 0A000 for types that Quorate lacks, 22023 for lengths and precisions that no type has.
pub fn convert(data_type: &SqlType) -> Result<DataType, SqlError> {
    Ok(match data_type {
        SqlType::Float(info) => float(*info)?,
        SqlType::Numeric(info) | SqlType::Decimal(info) | SqlType::Dec(info) => numeric(*info)?,
        SqlType::Varchar(length) | SqlType::CharacterVarying(length) | SqlType::CharVarying(length) => {
            DataType::Varchar { length_max: length.map(|length| text_length(length, "varchar")).transpose()? }
        }
        SqlType::Char(length) | SqlType::Character(length) => {
            DataType::Char { length: Some(length.map_or(Ok(1), |length| text_length(length, "char"))?) }
        }
        SqlType::Custom(name, parameters) if name.to_string().eq_ignore_ascii_case("bpchar") => {
            let length = match parameters.as_slice() {
                [] => return Err(SqlError::unsupported("bpchar without a length")),
                [length] => length.parse::<u64>().ok(),
                _ => None,
            };
            let length = length.ok_or_else(|| invalid("invalid type modifier"))?;
            let length = CharacterLength::IntegerLength { length, unit: None };
            DataType::Char { length: Some(text_length(length, "char")?) }
        }
        // As in PostgreSQL, numbers of elements and of dimensions say nothing; values of more dimensions are refused.
        SqlType::Array(
            ArrayElemTypeDef::SquareBracket(element, _) | ArrayElemTypeDef::Qualified(element, _),
        ) => {
            let element = convert(element)?;
            let array = if element.element().is_some() { Some(element) } else { element.array() };
            array.ok_or_else(|| SqlError::unsupported(format!("type {data_type}")))?
        }
        SqlType::Timestamp(Some(6), zone) => return convert(&SqlType::Timestamp(None, *zone)),
        other => match TypeInfo::by_sql_name(&other.to_string()) {
            Some(info) => info.base,
            None => return Err(SqlError::unsupported(format!("type {other}"))),
        },
    })
}

/// The type of a `SERIAL` column; `None` for other names of types.
pub fn serial(data_type: &SqlType) -> Option<DataType> {
    let SqlType::Custom(name, parameters) = data_type else { return None };
    let serials = [
        ("serial", DataType::Int4),
        ("serial4", DataType::Int4),
        ("bigserial", DataType::Int8),
        ("serial8", DataType::Int8),
        ("smallserial", DataType::Int2),
        ("serial2", DataType::Int2),
    ];
    let name = name.to_string();
    let found = serials.iter().find(|(serial, _)| parameters.is_empty() && name.eq_ignore_ascii_case(serial));
    found.map(|(_, data_type)| *data_type)
}

fn numeric(info: ExactNumberInfo) -> Result<DataType, SqlError> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(DataType::NUMERIC),
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
    };
    let checked =
        u32::try_from(precision).ok().filter(|precision| (1..=NUMERIC_PRECISION_MAX).contains(precision));
    let precision = checked.ok_or_else(|| {
        invalid(format!("NUMERIC precision {precision} must be between 1 and {NUMERIC_PRECISION_MAX}"))
    })?;
    let limit = i64::from(NUMERIC_PRECISION_MAX);
    let checked = i32::try_from(scale).ok().filter(|_| (-limit..=limit).contains(&scale));
    let scale = checked
        .ok_or_else(|| invalid(format!("NUMERIC scale {scale} must be between -{limit} and {limit}")))?;
    Ok(DataType::Numeric { precision: Some(precision), scale })
}

/// `FLOAT(p)`: REAL up to 24 bits.
fn float(info: ExactNumberInfo) -> Result<DataType, SqlError> {
    match info {
        ExactNumberInfo::None => Ok(DataType::Float8),
        ExactNumberInfo::Precision(0) => Err(invalid("precision for type float must be at least 1 bit")),
        ExactNumberInfo::Precision(1..=24) => Ok(DataType::Float4),
        ExactNumberInfo::Precision(25..=53) => Ok(DataType::Float8),
        ExactNumberInfo::Precision(_) => Err(invalid("precision for type float must be less than 54 bits")),
        ExactNumberInfo::PrecisionAndScale(..) => Err(SqlError::unsupported("FLOAT with a scale")),
    }
}

fn text_length(length: CharacterLength, name: &str) -> Result<u32, SqlError> {
    let length = match length {
        CharacterLength::IntegerLength { length, unit: None } => length,
        other => return Err(SqlError::unsupported(format!("length {other} of text"))),
    };
    match u32::try_from(length) {
        Ok(0) => Err(invalid(format!("length for type {name} must be at least 1"))),
        Ok(checked) if length <= TEXT_LENGTH_MAX => Ok(checked),
        _ => Err(invalid(format!("length for type {name} cannot exceed {TEXT_LENGTH_MAX}"))),
    }
}

fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::InvalidParameterValue, message)
}
