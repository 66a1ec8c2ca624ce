//! Values as text, in and out, as PostgreSQL 15 reads and prints them (DateStyle ISO, TimeZone UTC,
//! extra_float_digits 1). The wire, COPY and casts all go through here. Each type's own part is in its file; what types of
//! text share about lengths is below.

use crate::error::{SqlError, SqlState};
use crate::types::{DataType, Datum};

/// A value as the client sees it; `None` for NULL.
pub fn to_text(datum: &Datum, data_type: &DataType) -> Option<String> {
    datum.as_text(*data_type)
}

/// Reads a value of a type. Text beyond its length is an error here, as for a column.
///
/// # Errors
/// 22P02 and 22007 where the text is not of the type, 22003 and 22008 out of range, 22001 too long.
pub fn from_text(text: &str, data_type: &DataType) -> Result<Datum, SqlError> {
    (data_type.info().from_text)(text, *data_type)
}

/// Text of a client's bytes.
///
/// # Errors
/// 22021 where they are not UTF-8, or have a zero.
pub fn utf8(bytes: &[u8]) -> Result<&str, SqlError> {
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error.valid_up_to()))?;
    match text.find('\0') {
        Some(at) => Err(not_utf8(bytes, at)),
        None => Ok(text),
    }
}

/// The error for bytes of which those from `at` on are no character: as PostgreSQL, it tells as many of them as the
/// first one says that its character has.
pub fn not_utf8(bytes: &[u8], at: usize) -> SqlError {
    let rest = bytes.get(at..).unwrap_or_default();
    let length = match rest.first() {
        Some(0xf0..=0xf7) => 4,
        Some(0xe0..=0xef) => 3,
        Some(0xc0..=0xdf) => 2,
        Some(_) | None => 1,
    };
    let shown: Vec<String> = rest.iter().take(length).map(|byte| format!("0x{byte:02x}")).collect();
    let message = format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "));
    SqlError::new(SqlState::CharacterNotInRepertoire, message)
}

/// Text of CHAR(n) without the spaces at its end.
pub fn unpadded(text: &str) -> &str {
    text.trim_end_matches(' ')
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

/// PostgreSQL's type modifier of a length.
pub(super) fn length_modifier(length: u32) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX).saturating_add(4)
}

/// The length that has this modifier.
pub(super) fn length_of(modifier: i32) -> Option<u32> {
    u32::try_from(modifier.saturating_sub(4)).ok()
}

/// Text without white space around it.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii_whitespace())
}

/// The error of text that is no value of a type.
pub(super) fn invalid(text: &str, data_type: DataType) -> SqlError {
    SqlError::new(
        SqlState::InvalidTextRepresentation,
        format!("invalid input syntax for type {data_type}: \"{text}\""),
    )
}
