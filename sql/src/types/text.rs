//! Values as text, in and out, as PostgreSQL 15 reads and prints them (DateStyle ISO, TimeZone UTC,
//! extra_float_digits 1). The wire, COPY and casts all go through here.

use crate::error::{SqlError, SqlState};
use crate::types::{DataType, Datum, datetime, numeric};

/// A value as the client sees it; `None` for NULL.
pub fn to_text(datum: &Datum, data_type: &DataType) -> Option<String> {
    Some(match datum {
        Datum::Null => return None,
        Datum::Bool(value) => if *value { "t" } else { "f" }.to_owned(),
        Datum::Int(value) => value.to_string(),
        Datum::Float(value) => float_to_text(*value),
        Datum::Numeric(value) => numeric::to_text(value),
        Datum::Text(value) => value.clone(),
        Datum::Date(days) => datetime::date_to_text(*days),
        Datum::Timestamp(micros) if *data_type == DataType::TimestampTz => {
            format!("{}+00", datetime::timestamp_to_text(*micros))
        }
        Datum::Timestamp(micros) => datetime::timestamp_to_text(*micros),
    })
}

/// Reads a value of a type. Text beyond its length is an error here, as for a column.
///
/// # Errors
/// 22P02 and 22007 where the text is not of the type, 22003 and 22008 out of range, 22001 too long.
pub fn from_text(text: &str, data_type: &DataType) -> Result<Datum, SqlError> {
    match *data_type {
        DataType::Bool => parse_bool(text).map(Datum::Bool),
        DataType::Int2 => parse_int(text, *data_type, i64::from(i16::MIN)..=i64::from(i16::MAX)),
        DataType::Int4 => parse_int(text, *data_type, i64::from(i32::MIN)..=i64::from(i32::MAX)),
        DataType::Int8 => parse_int(text, *data_type, i64::MIN..=i64::MAX),
        DataType::Float8 => parse_float(text).map(Datum::Float),
        DataType::Numeric { precision: None, .. } => numeric::parse(text).map(Datum::Numeric),
        DataType::Numeric { precision: Some(precision), scale } => {
            numeric::fit(&numeric::parse(text)?, precision, scale).map(Datum::Numeric)
        }
        DataType::Text { length_max } => fit_text(text, length_max).map(Datum::Text),
        DataType::Date => datetime::parse_date(text).map(Datum::Date),
        DataType::Timestamp => datetime::parse_timestamp(text).map(Datum::Timestamp),
        DataType::TimestampTz => datetime::parse_timestamptz(text).map(Datum::Timestamp),
        DataType::Unknown => Ok(Datum::Text(text.to_owned())),
    }
}

/// Text for a column of at most `length_max` characters; spaces beyond it are dropped.
///
/// # Errors
/// 22001 where other characters are beyond it.
pub fn fit_text(text: &str, length_max: Option<u32>) -> Result<String, SqlError> {
    let Some(length_max) = length_max else { return Ok(text.to_owned()) };
    let length = usize::try_from(length_max).unwrap_or(usize::MAX);
    let Some((end, _)) = text.char_indices().nth(length) else { return Ok(text.to_owned()) };
    let (kept, beyond) = text.split_at(end);
    if beyond.chars().all(|c| c == ' ') {
        return Ok(kept.to_owned());
    }
    Err(SqlError::new(
        SqlState::StringDataRightTruncation,
        format!("value too long for type character varying({length_max})"),
    ))
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii_whitespace())
}

fn invalid(text: &str, data_type: DataType) -> SqlError {
    SqlError::new(
        SqlState::InvalidTextRepresentation,
        format!("invalid input syntax for type {data_type}: \"{text}\""),
    )
}

/// Any unique prefix of true, false, yes, no, on, off, or 1 and 0.
fn parse_bool(text: &str) -> Result<bool, SqlError> {
    let word = trimmed(text).to_ascii_lowercase();
    let is_prefix = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    if is_prefix("true", 1) || is_prefix("yes", 1) || word == "on" || word == "1" {
        return Ok(true);
    }
    if is_prefix("false", 1) || is_prefix("no", 1) || is_prefix("off", 2) || word == "0" {
        return Ok(false);
    }
    Err(invalid(text, DataType::Bool))
}

fn parse_int(
    text: &str,
    data_type: DataType,
    range: std::ops::RangeInclusive<i64>,
) -> Result<Datum, SqlError> {
    let word = trimmed(text);
    let digits = word.strip_prefix(['+', '-']).unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid(text, data_type));
    }
    word.parse::<i64>().ok().filter(|value| range.contains(value)).map(Datum::Int).ok_or_else(|| {
        SqlError::new(
            SqlState::NumericValueOutOfRange,
            format!("value \"{text}\" is out of range for type {data_type}"),
        )
    })
}

fn parse_float(text: &str) -> Result<f64, SqlError> {
    let word = trimmed(text);
    let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word);
    let lower = unsigned.to_ascii_lowercase();
    let named = matches!(lower.as_str(), "nan" | "inf" | "infinity");
    if !named && !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(invalid(text, DataType::Float8));
    }
    let value = word.parse::<f64>().map_err(|_| invalid(text, DataType::Float8))?;
    let mantissa = lower.split('e').next().unwrap_or_default();
    let vanished = value == 0.0 && mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    if !named && (value.is_infinite() || vanished) {
        return Err(SqlError::new(
            SqlState::NumericValueOutOfRange,
            format!("\"{text}\" is out of range for type double precision"),
        ));
    }
    Ok(value)
}

/// The shortest digits that read back as the same double; an exponent below -4 or from 15 on is written out.
pub fn float_to_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..15).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}
