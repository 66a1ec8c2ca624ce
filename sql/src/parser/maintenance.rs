//! VACUUM, ANALYZE and CHECKPOINT, read from their tokens: their options are checked as PostgreSQL does, and mean nothing.

use sqlparser::tokenizer::Token;

use super::ast::Name;
use super::ast::session::{Maintenance, SessionStatement};
use super::cursor::Cursor;
use crate::error::{SqlError, SqlState};
use crate::session::variables::values::boolean;

/// Options of VACUUM, and whether each is on or off.
const VACUUM_OPTIONS: &[(&str, bool)] = &[
    ("full", true),
    ("freeze", true),
    ("verbose", true),
    ("analyze", true),
    ("disable_page_skipping", true),
    ("skip_locked", true),
    ("index_cleanup", false),
    ("process_toast", true),
    ("truncate", true),
    ("parallel", false),
];
const ANALYZE_OPTIONS: &[(&str, bool)] = &[("verbose", true), ("skip_locked", true)];

/// `VACUUM [(options)] [tables]`, and the older form with words.
pub fn vacuum(cursor: &mut Cursor<'_>) -> Result<SessionStatement, SqlError> {
    let analyzes = if cursor.take_token(&Token::LParen) {
        options(cursor, Maintenance::Vacuum, VACUUM_OPTIONS)?
    } else {
        cursor.take("full");
        cursor.take("freeze");
        cursor.take("verbose");
        cursor.take("analyze") || cursor.take("analyse")
    };
    let tables = tables(cursor)?;
    if !analyzes && tables.iter().any(|(_, columns)| !columns.is_empty()) {
        let message = "ANALYZE option must be specified when a column list is provided";
        return Err(SqlError::new(SqlState::FeatureNotSupported, message));
    }
    Ok(SessionStatement::Maintain { what: Maintenance::Vacuum, tables })
}

/// `ANALYZE [(options)] [tables]`.
pub fn analyze(cursor: &mut Cursor<'_>) -> Result<SessionStatement, SqlError> {
    if cursor.take_token(&Token::LParen) {
        options(cursor, Maintenance::Analyze, ANALYZE_OPTIONS)?;
    } else {
        cursor.take("verbose");
    }
    Ok(SessionStatement::Maintain { what: Maintenance::Analyze, tables: tables(cursor)? })
}

/// `CHECKPOINT`.
pub fn checkpoint() -> SessionStatement {
    SessionStatement::Maintain { what: Maintenance::Checkpoint, tables: Vec::new() }
}

/// Options in parentheses; tells whether ANALYZE is on.
fn options(cursor: &mut Cursor<'_>, what: Maintenance, known: &[(&str, bool)]) -> Result<bool, SqlError> {
    let mut analyzes = false;
    loop {
        let option = cursor.word()?;
        let error = |message| Err(SqlError::new(SqlState::SyntaxError, message));
        let name = if option.value == "analyse" { "analyze" } else { option.value.as_str() };
        let Some((_, is_bool)) = known.iter().find(|(known, _)| *known == name) else {
            let message = format!("unrecognized {} option \"{name}\"", what.name());
            return error(message).map_err(|error: SqlError| error.at(option.position));
        };
        let value = value(cursor)?;
        let truth = value.as_deref().map_or(Some(true), boolean);
        if *is_bool && truth.is_none() {
            return error(format!("{name} requires a Boolean value"));
        }
        if name == "analyze" {
            analyzes = truth == Some(true);
        }
        if !cursor.take_token(&Token::Comma) {
            break;
        }
    }
    cursor.expect_token(&Token::RParen)?;
    Ok(analyzes)
}

/// The value of an option, where it has one.
fn value(cursor: &mut Cursor<'_>) -> Result<Option<String>, SqlError> {
    match cursor.peek().map(|token| &token.token) {
        Some(Token::Comma | Token::RParen) => Ok(None),
        Some(Token::Number(digits, _)) => {
            cursor.next();
            Ok(Some(digits.clone()))
        }
        Some(Token::Word(_)) => Ok(Some(cursor.word()?.value)),
        _ => cursor.string().map(Some),
    }
}

fn tables(cursor: &mut Cursor<'_>) -> Result<Vec<(Name, Vec<Name>)>, SqlError> {
    let mut tables = Vec::new();
    if cursor.peek().is_none() {
        return Ok(tables);
    }
    loop {
        tables.push((cursor.table_name()?, cursor.names_in_parentheses()?));
        if !cursor.take_token(&Token::Comma) {
            return Ok(tables);
        }
    }
}
