//! Type names to types: those with parameters here, others by the names that types say of themselves.

use sqlparser::ast::{ArrayElemTypeDef, CharacterLength, DataType as SqlType, ExactNumberInfo, ObjectName};

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
        SqlType::Custom(name, parameters) if parameters.is_empty() && name.0.len() > 1 => {
            return in_schema(name);
        }
        SqlType::Timestamp(Some(6), zone) => return convert(&SqlType::Timestamp(None, *zone)),
        // In quotes a name is itself, but that of `"char"`.
        SqlType::Custom(name, parameters) if parameters.is_empty() && is_quoted_name(name) => {
            return in_quotes(name);
        }
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

fn is_quoted_name(name: &ObjectName) -> bool {
    name.to_string().starts_with('"')
}

/// A type whose name stands in quotes: its name in the catalog.
fn in_quotes(name: &ObjectName) -> Result<DataType, SqlError> {
    let text = name.to_string();
    let found = TypeInfo::by_catalog_name(text.trim_matches('"'));
    found.map(|info| info.base).ok_or_else(|| SqlError::unsupported(format!("type {name}")))
}

/// A type by its name in PostgreSQL's catalog, behind the catalog's schema.
fn in_schema(name: &ObjectName) -> Result<DataType, SqlError> {
    let parts: Vec<String> = name.0.iter().map(|part| part.to_string().replace('"', "")).collect();
    let found = match parts.as_slice() {
        [schema, name] if schema.eq_ignore_ascii_case("pg_catalog") => {
            let name = name.to_lowercase();
            TypeInfo::by_catalog_name(&name).or_else(|| TypeInfo::by_sql_name(&name))
        }
        _ => None,
    };
    found.map(|info| info.base).ok_or_else(|| SqlError::unsupported(format!("type {name}")))
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
