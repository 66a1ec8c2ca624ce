//! `COPY`, with both of PostgreSQL's spellings of its options.

use sqlparser::tokenizer::Token;

use super::ast::{Copy, CopyDirection, CopyFormat, CopyOptions, CopySource, Name, Statement};
use super::cursor::Cursor;
use super::utility::begins_dml;
use crate::error::{SqlError, SqlState};

/// Options as they were given.
#[derive(Default)]
struct Given {
    format: Option<CopyFormat>,
    header: bool,
    freeze: bool,
    null: Option<String>,
    delimiter: Option<u8>,
    quote: Option<u8>,
    escape: Option<u8>,
}

/// Reads what follows the word COPY.
///
/// # Errors
/// 42601, 0A000 for files, programs and other options.
pub fn parse(mut cursor: Cursor<'_>) -> Result<Statement, SqlError> {
    let source = source(&mut cursor)?;
    let direction = if cursor.take("from") {
        CopyDirection::From
    } else {
        cursor.expect("to")?;
        CopyDirection::To
    };
    if direction == CopyDirection::From && matches!(source, CopySource::Query(_)) {
        return Err(SqlError::new(
            SqlState::SyntaxError,
            "COPY from a query is not possible, only to STDOUT",
        ));
    }
    let stream = match direction {
        CopyDirection::From => "stdin",
        CopyDirection::To => "stdout",
    };
    if !cursor.take(stream) {
        let Some(token) = cursor.peek() else { return Err(cursor.unexpected()) };
        let error = cursor.source.unsupported("COPY with a file or program of the server", token);
        return Err(error.with_hint("Use STDIN or STDOUT, or psql's \\copy."));
    }
    let given = options(&mut cursor)?;
    cursor.expect_end()?;
    let freeze = given.freeze;
    if freeze && direction == CopyDirection::To {
        return Err(SqlError::new(
            SqlState::FeatureNotSupported,
            "COPY freeze only available using COPY FROM",
        ));
    }
    Ok(Statement::Copy(Copy { source, direction, options: complete(given)?, freeze }))
}

fn source(cursor: &mut Cursor<'_>) -> Result<CopySource, SqlError> {
    if cursor.peek().is_none_or(|token| token.token != Token::LParen) {
        return Ok(CopySource::Table { name: cursor.table_name()?, columns: cursor.names_in_parentheses()? });
    }
    let start = cursor.rest();
    let mut depth = 0_usize;
    let mut length = 0;
    while let Some(token) = cursor.next() {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        length += 1;
        if depth == 0 {
            break;
        }
    }
    let inner = start.get(1..length - 1).filter(|_| depth == 0).ok_or_else(|| cursor.unexpected())?;
    let Some(first) = inner.first() else { return Err(cursor.unexpected()) };
    let unsupported = || cursor.source.unsupported("COPY of a statement other than a query", first);
    if !begins_dml(first) {
        return Err(unsupported());
    }
    match cursor.source.by_grammar(inner.to_vec())? {
        Statement::Query(query) => Ok(CopySource::Query(query)),
        _ => Err(unsupported()),
    }
}

fn options(cursor: &mut Cursor<'_>) -> Result<Given, SqlError> {
    let mut given = Given::default();
    let _ = cursor.take("with");
    if cursor.take_token(&Token::LParen) {
        loop {
            let name = cursor.word()?;
            modern_option(cursor, &name, &mut given)?;
            if !cursor.take_token(&Token::Comma) {
                break;
            }
        }
        cursor.expect_token(&Token::RParen)?;
        return Ok(given);
    }
    while cursor.peek().is_some() {
        let name = cursor.word()?;
        old_option(cursor, &name, &mut given)?;
    }
    Ok(given)
}

/// An option of `WITH (FORMAT csv, HEADER true, …)`.
fn modern_option(cursor: &mut Cursor<'_>, name: &Name, given: &mut Given) -> Result<(), SqlError> {
    match name.value.as_str() {
        "format" => {
            let format = match cursor.peek().map(|token| &token.token) {
                Some(Token::SingleQuotedString(_)) => cursor.string()?,
                _ => cursor.word()?.value,
            };
            given.format = Some(format_named(&format, name)?);
        }
        "header" => given.header = truth(cursor, true)?,
        "freeze" => given.freeze = truth(cursor, false)?,
        "encoding" => encoding(&cursor.string()?, name)?,
        _ => return text_option(cursor, name, given),
    }
    Ok(())
}

/// An option of `CSV HEADER NULL 'NA' …`.
fn old_option(cursor: &mut Cursor<'_>, name: &Name, given: &mut Given) -> Result<(), SqlError> {
    match name.value.as_str() {
        "csv" => given.format = Some(CopyFormat::Csv),
        "header" => given.header = true,
        "freeze" => given.freeze = true,
        "encoding" => {
            cursor.take("as");
            encoding(&cursor.string()?, name)?;
        }
        _ => {
            cursor.take("as");
            return text_option(cursor, name, given);
        }
    }
    Ok(())
}

fn text_option(cursor: &mut Cursor<'_>, name: &Name, given: &mut Given) -> Result<(), SqlError> {
    match name.value.as_str() {
        "null" => given.null = Some(cursor.string()?),
        "delimiter" | "delimiters" => given.delimiter = Some(one_byte(&cursor.string()?, name)?),
        "quote" => given.quote = Some(one_byte(&cursor.string()?, name)?),
        "escape" => given.escape = Some(one_byte(&cursor.string()?, name)?),
        other => {
            let what = format!("COPY option {}", other.to_uppercase());
            return Err(SqlError::unsupported(what).at(name.position));
        }
    }
    Ok(())
}

fn format_named(format: &str, name: &Name) -> Result<CopyFormat, SqlError> {
    match format.to_lowercase().as_str() {
        "csv" => Ok(CopyFormat::Csv),
        "text" => Ok(CopyFormat::Text),
        "binary" => Err(SqlError::unsupported("COPY format binary").at(name.position)),
        _ => Err(invalid(format!("COPY format \"{format}\" not recognized")).at(name.position)),
    }
}

/// `HEADER` or `FREEZE` alone, or with a truth value.
fn truth(cursor: &mut Cursor<'_>, is_header: bool) -> Result<bool, SqlError> {
    let Some(token) = cursor.peek() else { return Err(cursor.unexpected()) };
    let value = match &token.token {
        Token::Comma | Token::RParen => return Ok(true),
        Token::Word(word) => word.value.to_lowercase(),
        Token::SingleQuotedString(text) => text.to_lowercase(),
        Token::Number(digits, _) => digits.clone(),
        _ => return Err(cursor.unexpected()),
    };
    let truth = match value.as_str() {
        "true" | "on" | "1" => true,
        "false" | "off" | "0" => false,
        "match" if is_header => return Err(cursor.source.unsupported("COPY option HEADER MATCH", token)),
        _ if is_header => return Err(invalid("header requires a Boolean value or \"match\"")),
        _ => return Err(SqlError::new(SqlState::SyntaxError, "freeze requires a Boolean value")),
    };
    cursor.next();
    Ok(truth)
}

fn encoding(encoding: &str, name: &Name) -> Result<(), SqlError> {
    let plain: String = encoding.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    if matches!(plain.as_str(), "utf8" | "unicode") {
        return Ok(());
    }
    Err(SqlError::unsupported(format!("COPY encoding {encoding}")).at(name.position))
}

fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::InvalidParameterValue, message)
}

fn one_byte(text: &str, name: &Name) -> Result<u8, SqlError> {
    match text.as_bytes() {
        [byte] if !matches!(byte, b'\n' | b'\r' | 0) => Ok(*byte),
        _ => {
            Err(invalid(format!("COPY {} must be a single one-byte character", name.value)).at(name.position))
        }
    }
}

/// Fills in the defaults of the format, and refuses options that do not go together.
fn complete(given: Given) -> Result<CopyOptions, SqlError> {
    let format = given.format.unwrap_or(CopyFormat::Text);
    if format == CopyFormat::Text && (given.quote.is_some() || given.escape.is_some()) {
        let option = if given.quote.is_some() { "quote" } else { "escape" };
        return Err(SqlError::unsupported(format!("COPY {option} outside of CSV mode")));
    }
    let (delimiter, null) = match format {
        CopyFormat::Text => (b'\t', "\\N"),
        CopyFormat::Csv => (b',', ""),
    };
    let quote = given.quote.unwrap_or(b'"');
    let options = CopyOptions {
        format,
        header: given.header,
        null: given.null.unwrap_or_else(|| null.to_owned()),
        delimiter: given.delimiter.unwrap_or(delimiter),
        quote,
        escape: given.escape.unwrap_or(quote),
    };
    if format == CopyFormat::Csv && options.delimiter == options.quote {
        return Err(invalid("COPY delimiter and quote must be different"));
    }
    if options.null.as_bytes().contains(&options.delimiter) {
        return Err(invalid("COPY delimiter character must not appear in the NULL specification"));
    }
    Ok(options)
}
