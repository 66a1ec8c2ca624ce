//! DROP TABLE, ALTER TABLE and TRUNCATE: our own reading of them.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::ast::{Name, Statement};
use super::cursor::Cursor;
use crate::error::SqlError;

/// What stands behind DROP.
///
/// # Errors
/// 42601; 0A000 for what cannot be dropped.
pub fn drop_table(cursor: &mut Cursor<'_>, first: &TokenWithSpan) -> Result<Statement, SqlError> {
    if !cursor.take("table") {
        let what = cursor.word()?;
        return Err(cursor.source.unsupported(&format!("DROP {}", what.value.to_uppercase()), first));
    }
    let if_exists = cursor.take_all(&["if", "exists"]);
    let mut names = vec![cursor.table_name()?];
    while cursor.take_token(&Token::Comma) {
        names.push(cursor.table_name()?);
    }
    nothing_depends(cursor);
    Ok(Statement::DropTable { if_exists, names })
}

/// What stands behind ALTER: only a key that is added to a table.
///
/// # Errors
/// 42601; 0A000 for all other changes.
pub fn alter(cursor: &mut Cursor<'_>, first: &TokenWithSpan) -> Result<Statement, SqlError> {
    if !cursor.take("table") {
        let what = cursor.word()?;
        return Err(cursor.source.unsupported(&format!("ALTER {}", what.value.to_uppercase()), first));
    }
    let if_exists = cursor.take_all(&["if", "exists"]);
    let table = alone(cursor)?;
    let unsupported = |cursor: &Cursor<'_>| cursor.source.unsupported("this form of ALTER TABLE", first);
    if !cursor.take("add") {
        return Err(if cursor.peek().is_none() { cursor.unexpected() } else { unsupported(cursor) });
    }
    let name = if cursor.take("constraint") { Some(cursor.name()?) } else { None };
    if !cursor.take_all(&["primary", "key"]) {
        return Err(if cursor.peek().is_none() { cursor.unexpected() } else { unsupported(cursor) });
    }
    if cursor.take_all(&["using", "index"]) {
        return Err(unsupported(cursor));
    }
    let columns = cursor.names_in_parentheses()?;
    if columns.is_empty() {
        return Err(cursor.unexpected());
    }
    Ok(Statement::AddPrimaryKey { if_exists, table, name, columns })
}

/// What stands behind TRUNCATE.
///
/// # Errors
/// 42601.
pub fn truncate(cursor: &mut Cursor<'_>) -> Result<Statement, SqlError> {
    cursor.take("table");
    let mut names = vec![alone(cursor)?];
    while cursor.take_token(&Token::Comma) {
        names.push(alone(cursor)?);
    }
    let restarts = cursor.take_all(&["restart", "identity"]);
    if !restarts {
        cursor.take_all(&["continue", "identity"]);
    }
    nothing_depends(cursor);
    Ok(Statement::Truncate { names, restarts })
}

/// A table; that it has no others below it goes without saying.
fn alone(cursor: &mut Cursor<'_>) -> Result<Name, SqlError> {
    cursor.take("only");
    let name = cursor.table_name()?;
    cursor.take_token(&Token::Mul);
    Ok(name)
}

/// What depends on a table, a default that takes values of its sequence, is refused either way.
fn nothing_depends(cursor: &mut Cursor<'_>) {
    let _ = cursor.take("cascade") || cursor.take("restrict");
}
