//! CREATE, ALTER and DROP SEQUENCE, and the options of sequences, read from their tokens: the grammar takes these in one order
//! only, and not all of them.

use sqlparser::ast::{DataType as SqlType, Expr, FunctionArg, FunctionArgExpr, Value};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::ast::sequence::{ColumnName, SequenceOptions, SequenceStatement};
use super::ast::{Name, Statement};
use super::cursor::Cursor;
use crate::error::{SqlError, SqlState};
use crate::types::info::TypeInfo;

/// Behind `CREATE SEQUENCE`.
///
/// # Errors
/// 42601.
pub fn create(cursor: &mut Cursor<'_>) -> Result<Statement, SqlError> {
    let if_not_exists = cursor.take_all(&["if", "not", "exists"]);
    let name = cursor.table_name()?;
    let options = options(cursor)?;
    Ok(Statement::Sequence(SequenceStatement::Create { if_not_exists, name, options }))
}

/// Behind `ALTER SEQUENCE`.
///
/// # Errors
/// 42601; 0A000 for a new name, owner or schema.
pub fn alter(cursor: &mut Cursor<'_>, first: &TokenWithSpan) -> Result<Statement, SqlError> {
    let if_exists = cursor.take_all(&["if", "exists"]);
    let name = cursor.table_name()?;
    for word in ["rename", "owner", "set"] {
        if cursor.take(word) {
            let what = format!("ALTER SEQUENCE {}", word.to_uppercase());
            return Err(cursor.source.unsupported(&what, first));
        }
    }
    if cursor.peek().is_none() {
        return Err(cursor.unexpected());
    }
    let options = options(cursor)?;
    Ok(Statement::Sequence(SequenceStatement::Alter { if_exists, name, options }))
}

/// Behind `DROP SEQUENCE`.
///
/// # Errors
/// 42601.
pub fn drop(cursor: &mut Cursor<'_>) -> Result<Statement, SqlError> {
    let if_exists = cursor.take_all(&["if", "exists"]);
    let mut names = vec![cursor.table_name()?];
    while cursor.take_token(&Token::Comma) {
        names.push(cursor.table_name()?);
    }
    let cascade = cursor.take("cascade");
    let _ = !cascade && cursor.take("restrict");
    Ok(Statement::Sequence(SequenceStatement::Drop { if_exists, names, cascade }))
}

/// All options up to the end, or to what is none.
///
/// # Errors
/// 42601, also for an option that is there twice; 22003 for a number beyond BIGINT.
pub fn options(cursor: &mut Cursor<'_>) -> Result<SequenceOptions, SqlError> {
    let mut options = SequenceOptions::default();
    while let Some(token) = cursor.peek() {
        let position = cursor.source.positions.of(token.span.start);
        let is_new = option(cursor, &mut options)?;
        match is_new {
            None => break,
            Some(true) => {}
            Some(false) => {
                let message = "conflicting or redundant options";
                return Err(SqlError::new(SqlState::SyntaxError, message).at(position));
            }
        }
    }
    Ok(options)
}

/// Reads an option; `None` where none comes, and whether it was not there before.
fn option(cursor: &mut Cursor<'_>, options: &mut SequenceOptions) -> Result<Option<bool>, SqlError> {
    let is_new = if cursor.take("as") {
        options.data_type.replace(data_type(cursor)?).is_none()
    } else if cursor.take("increment") {
        cursor.take("by");
        options.increment.replace(number(cursor)?).is_none()
    } else if cursor.take_all(&["no", "minvalue"]) {
        options.min.replace(None).is_none()
    } else if cursor.take("minvalue") {
        options.min.replace(Some(number(cursor)?)).is_none()
    } else if cursor.take_all(&["no", "maxvalue"]) {
        options.max.replace(None).is_none()
    } else if cursor.take("maxvalue") {
        options.max.replace(Some(number(cursor)?)).is_none()
    } else if cursor.take("start") {
        cursor.take("with");
        options.start.replace(number(cursor)?).is_none()
    } else if cursor.take("restart") {
        let has_number = cursor.take("with") || is_number(cursor);
        let number = if has_number { Some(number(cursor)?) } else { None };
        options.restart.replace(number).is_none()
    } else if cursor.take("cache") {
        options.cache.replace(number(cursor)?).is_none()
    } else if cursor.take_all(&["no", "cycle"]) {
        options.cycles.replace(false).is_none()
    } else if cursor.take("cycle") {
        options.cycles.replace(true).is_none()
    } else if cursor.take_all(&["owned", "by"]) {
        options.owner.replace(owner(cursor)?).is_none()
    } else {
        return Ok(None);
    };
    Ok(Some(is_new))
}

fn data_type(cursor: &mut Cursor<'_>) -> Result<crate::types::DataType, SqlError> {
    let name = cursor.word()?;
    let Some(info) = TypeInfo::by_sql_name(&name.value) else {
        let message = format!("type \"{}\" does not exist", name.value);
        return Err(SqlError::new(SqlState::UndefinedObject, message).at(name.position));
    };
    if !info.base.is_integer() {
        let message = "sequence type must be smallint, integer, or bigint";
        return Err(SqlError::new(SqlState::InvalidParameterValue, message).at(name.position));
    }
    Ok(info.base)
}

fn is_number(cursor: &Cursor<'_>) -> bool {
    matches!(cursor.peek().map(|token| &token.token), Some(Token::Number(..) | Token::Minus | Token::Plus))
}

fn number(cursor: &mut Cursor<'_>) -> Result<i64, SqlError> {
    let sign = if cursor.take_token(&Token::Minus) { "-" } else { "" };
    let _ = sign.is_empty() && cursor.take_token(&Token::Plus);
    let Some(TokenWithSpan { token: Token::Number(digits, _), .. }) = cursor.peek() else {
        return Err(cursor.unexpected());
    };
    let text = format!("{sign}{digits}");
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let message = format!("invalid input syntax for type bigint: \"{text}\"");
        return Err(SqlError::new(SqlState::InvalidTextRepresentation, message));
    }
    cursor.next();
    text.parse().map_err(|_| {
        let message = format!("value \"{text}\" is out of range for type bigint");
        SqlError::new(SqlState::NumericValueOutOfRange, message)
    })
}

/// `NONE`, `t.c` or `public.t.c`.
fn owner(cursor: &mut Cursor<'_>) -> Result<Option<ColumnName>, SqlError> {
    let mut parts = vec![cursor.name()?];
    while cursor.take_token(&Token::Period) {
        parts.push(cursor.word()?);
    }
    match parts.as_slice() {
        [none] if none.value == "none" => Ok(None),
        [table, column] => Ok(Some(ColumnName { table: table.clone(), column: column.clone() })),
        [schema, table, column] if schema.value == "public" => {
            let table = Name { value: table.value.clone(), position: schema.position };
            Ok(Some(ColumnName { table, column: column.clone() }))
        }
        [schema, _, _] => {
            Err(SqlError::unsupported(format!("schema \"{}\"", schema.value)).at(schema.position))
        }
        _ => Err(SqlError::new(SqlState::SyntaxError, "invalid OWNED BY option")
            .with_hint("Specify OWNED BY table.column or OWNED BY NONE.")),
    }
}

/// Takes the cast off an argument that names a sequence, `'s'::regclass` or `CAST('s' AS regclass)`: a name is all that these
/// functions take.
pub fn without_regclass(argument: &mut FunctionArg) {
    if let FunctionArg::Unnamed(FunctionArgExpr::Expr(name)) = argument
        && let Expr::Cast { data_type: SqlType::Regclass, expr, .. } = name
    {
        let inner = std::mem::replace(expr.as_mut(), Expr::value(Value::Null));
        *name = inner;
    }
}
