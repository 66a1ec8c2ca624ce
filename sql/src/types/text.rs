//! Values as text, in and out, as PostgreSQL 15 reads and prints them (DateStyle ISO, TimeZone UTC,
//! extra_float_digits 1). The wire, COPY and casts all go through here.

use crate::error::{SqlError, SqlState};
use crate::types::{DataType, Datum, datetime, float, numeric};

/// A value as the client sees it; `None` for NULL.
pub fn to_text(datum: &Datum, data_type: &DataType) -> Option<String> {
    Some(match datum {
        Datum::Null => return None,
        Datum::Bool(value) => if *value { "t" } else { "f" }.to_owned(),
        Datum::Int(value) => value.to_string(),
        Datum::Float(value) => float::to_text(*value, *data_type),
        Datum::Numeric(value) => numeric::to_text(value),
        Datum::Text(value) | Datum::Char(value) => value.clone(),
        Datum::Date(days) => datetime::date_to_text(*days),
        Datum::Timestamp(micros) if *data_type == DataType::TimestampTz => {
            datetime::timestamp_to_text(*micros, "+00")
        }
        Datum::Timestamp(micros) => datetime::timestamp_to_text(*micros, ""),
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
        DataType::Float4 | DataType::Float8 => float::parse(text, *data_type).map(Datum::Float),
        DataType::Numeric { precision: None, .. } => numeric::parse(text).map(Datum::Numeric),
        DataType::Numeric { precision: Some(precision), scale } => {
            numeric::fit(&numeric::parse(text)?, precision, scale).map(Datum::Numeric)
        }
        DataType::Text => Ok(Datum::Text(text.to_owned())),
        DataType::Varchar { length_max } => fit_text(text, length_max).map(Datum::Text),
        DataType::Char { length } => fit_char(text, length).map(Datum::Char),
        DataType::Date => datetime::parse::parse_date(text).map(Datum::Date),
        DataType::Timestamp => datetime::parse::parse_timestamp(text).map(Datum::Timestamp),
        DataType::TimestampTz => datetime::parse::parse_timestamptz(text).map(Datum::Timestamp),
        DataType::Unknown => Ok(Datum::Text(text.to_owned())),
    }
}

/// Text for a column of at most `length_max` characters; spaces beyond it are dropped.
///
/// # Errors
/// 22001 where other characters are beyond it.
pub fn fit_text(text: &str, length_max: Option<u32>) -> Result<String, SqlError> {
    fit(text, length_max, DataType::Varchar { length_max })
}

/// Text for CHAR(n): filled up with spaces; spaces beyond the length are dropped.
///
/// # Errors
/// 22001 where other characters are beyond it.
pub fn fit_char(text: &str, length: Option<u32>) -> Result<String, SqlError> {
    Ok(padded(fit(text, length, DataType::Char { length })?, length))
}

/// Text for CHAR(n) where it may be cut.
pub fn cut_char(text: &str, length: Option<u32>) -> String {
    padded(cut(text, length), length)
}

/// The first so many characters.
pub fn cut(text: &str, length: Option<u32>) -> String {
    match length {
        Some(length) => text.chars().take(usize::try_from(length).unwrap_or(usize::MAX)).collect(),
        None => text.to_owned(),
    }
}

fn padded(mut text: String, length: Option<u32>) -> String {
    let length = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let missing = length.saturating_sub(text.chars().count());
    text.extend(std::iter::repeat_n(' ', missing));
    text
}

fn fit(text: &str, length: Option<u32>, data_type: DataType) -> Result<String, SqlError> {
    let Some(length) = length else { return Ok(text.to_owned()) };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let Some((end, _)) = text.char_indices().nth(length) else { return Ok(text.to_owned()) };
    let (kept, beyond) = text.split_at(end);
    if beyond.chars().all(|c| c == ' ') {
        return Ok(kept.to_owned());
    }
    let message = format!("value too long for type {data_type}");
    Err(SqlError::new(SqlState::StringDataRightTruncation, message))
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
