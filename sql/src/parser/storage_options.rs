//! What CREATE TABLE says of storage behind its columns, read from the tokens: checked as PostgreSQL does, and without
//! effect, since placement and the store decide.
//!
//! ```text
//! CREATE TABLE t (…) USING heap WITH (fillfactor = 70) TABLESPACE pg_default
//! └── the grammar's ┘└──────────────────── read here ──────────────────────┘
//! ```

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::Source;
use super::cursor::Cursor;
use crate::error::{SqlError, SqlState};
use crate::session::variables::values::boolean;

/// What a storage parameter may be set to.
#[derive(Clone, Copy)]
enum Value {
    Bool,
    Integer(i64, i64),
    /// Numbers and words whose bounds are not looked at.
    Any,
}

/// Storage parameters of PostgreSQL 15.
const PARAMETERS: &[(&str, Value)] = &[
    ("fillfactor", Value::Integer(10, 100)),
    ("toast_tuple_target", Value::Integer(128, 8_160)),
    ("parallel_workers", Value::Integer(0, 1_024)),
    ("user_catalog_table", Value::Bool),
    ("oids", Value::Bool),
];
/// Those that a table's TOAST table has too, as `toast.name`.
const TOAST_PARAMETERS: &[(&str, Value)] = &[
    ("autovacuum_enabled", Value::Bool),
    ("vacuum_truncate", Value::Bool),
    ("vacuum_index_cleanup", Value::Any),
    ("autovacuum_vacuum_threshold", Value::Any),
    ("autovacuum_vacuum_insert_threshold", Value::Any),
    ("autovacuum_analyze_threshold", Value::Any),
    ("autovacuum_vacuum_cost_delay", Value::Any),
    ("autovacuum_vacuum_cost_limit", Value::Any),
    ("autovacuum_freeze_min_age", Value::Any),
    ("autovacuum_freeze_max_age", Value::Any),
    ("autovacuum_freeze_table_age", Value::Any),
    ("autovacuum_multixact_freeze_min_age", Value::Any),
    ("autovacuum_multixact_freeze_max_age", Value::Any),
    ("autovacuum_multixact_freeze_table_age", Value::Any),
    ("log_autovacuum_min_duration", Value::Any),
    ("autovacuum_vacuum_scale_factor", Value::Any),
    ("autovacuum_vacuum_insert_scale_factor", Value::Any),
    ("autovacuum_analyze_scale_factor", Value::Any),
];

/// Takes what is said of storage off the tokens of CREATE TABLE, where nothing else stands behind the columns; returns
/// what of it is to be told of.
///
/// # Errors
/// 42601, 22023 for a parameter or value that PostgreSQL does not have, 42704 for another tablespace or access method.
pub fn take(source: &Source<'_>, tokens: &mut Vec<TokenWithSpan>) -> Result<Vec<&'static str>, SqlError> {
    let Some(end) = end_of_columns(tokens) else { return Ok(Vec::new()) };
    let behind = tokens.get(end..).unwrap_or_default().to_vec();
    let mut cursor = Cursor::new(source, &behind);
    let mut told = Vec::new();
    while let Some(next) = cursor.peek() {
        if cursor.take("using") {
            access_method(&mut cursor)?;
        } else if cursor.take("with") {
            parameters(&mut cursor)?;
            told.push("storage parameters of a table have no effect: its rows are stored as all others");
        } else if cursor.take_all(&["without", "oids"]) {
            // No table has them.
        } else if cursor.take("tablespace") {
            tablespace(&mut cursor)?;
            told.push("TABLESPACE has no effect: placement decides where rows are stored");
        } else if is_of_grammar(next) {
            return Ok(Vec::new());
        } else {
            return Err(cursor.unexpected());
        }
    }
    tokens.truncate(end);
    Ok(told)
}

/// The place behind the parenthesis that closes the columns; `None` where there are none.
fn end_of_columns(tokens: &[TokenWithSpan]) -> Option<usize> {
    let begins_otherwise = |token: &TokenWithSpan| {
        ["as", "of", "like", "partition"].iter().any(|word| super::is_keyword(token, word))
    };
    let mut before = tokens.iter().take_while(|token| token.token != Token::LParen);
    if before.any(begins_otherwise) {
        return None;
    }
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(index + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Words that mean something that is refused by its name.
fn is_of_grammar(token: &TokenWithSpan) -> bool {
    ["inherits", "partition", "on", "as"].iter().any(|word| super::is_keyword(token, word))
}

fn access_method(cursor: &mut Cursor<'_>) -> Result<(), SqlError> {
    let name = cursor.name()?;
    if name.value == "heap" {
        return Ok(());
    }
    let message = format!("access method \"{}\" does not exist", name.value);
    Err(SqlError::new(SqlState::UndefinedObject, message))
}

fn tablespace(cursor: &mut Cursor<'_>) -> Result<(), SqlError> {
    let name = cursor.name()?;
    if name.value == "pg_default" {
        return Ok(());
    }
    let message = format!("tablespace \"{}\" does not exist", name.value);
    Err(SqlError::new(SqlState::UndefinedObject, message))
}

fn parameters(cursor: &mut Cursor<'_>) -> Result<(), SqlError> {
    cursor.expect_token(&Token::LParen)?;
    loop {
        let mut name = cursor.word()?.value;
        if cursor.take_token(&Token::Period) {
            name = format!("{name}.{}", cursor.word()?.value);
        }
        let value = if cursor.take_token(&Token::Eq) { value(cursor)? } else { "true".to_owned() };
        check(&name, &value)?;
        if !cursor.take_token(&Token::Comma) {
            return cursor.expect_token(&Token::RParen);
        }
    }
}

fn value(cursor: &mut Cursor<'_>) -> Result<String, SqlError> {
    let sign = if cursor.take_token(&Token::Minus) { "-" } else { "" };
    match cursor.peek().map(|token| &token.token) {
        Some(Token::Number(digits, _)) => {
            cursor.next();
            Ok(format!("{sign}{digits}"))
        }
        Some(Token::Word(_)) if sign.is_empty() => Ok(cursor.word()?.value),
        _ if sign.is_empty() => cursor.string(),
        _ => Err(cursor.unexpected()),
    }
}

fn check(name: &str, value: &str) -> Result<(), SqlError> {
    let error = |message: String| Err(SqlError::new(SqlState::InvalidParameterValue, message));
    let (own, plain) = match name.strip_prefix("toast.") {
        Some(plain) => (&[][..], plain),
        None => (PARAMETERS, name),
    };
    let Some((_, kind)) = own.iter().chain(TOAST_PARAMETERS).find(|(known, _)| *known == plain) else {
        return error(format!("unrecognized parameter \"{plain}\""));
    };
    match kind {
        Value::Any => Ok(()),
        Value::Bool => match boolean(value) {
            Some(true) if plain == "oids" => Err(SqlError::new(
                SqlState::FeatureNotSupported,
                "tables declared WITH OIDS are not supported",
            )),
            Some(_) => Ok(()),
            None => error(format!("invalid value for boolean option \"{plain}\": {value}")),
        },
        Value::Integer(least, greatest) => match value.parse::<i64>() {
            Ok(number) if (*least..=*greatest).contains(&number) => Ok(()),
            Ok(number) => error(format!("value {number} out of bounds for option \"{plain}\"")).map_err(
                |error: SqlError| {
                    error.with_detail(format!("Valid values are between \"{least}\" and \"{greatest}\"."))
                },
            ),
            Err(_) => error(format!("invalid value for integer option \"{plain}\": {value}")),
        },
    }
}
