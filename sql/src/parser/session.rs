//! Statements about the session, read from their tokens: prepared statements, modes of transactions, DISCARD, LOCK.
//! Cursors and upkeep have files of their own.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::ast::session::{Discard, Execute, Modes, Prepare, SessionStatement};
use super::ast::{Name, Statement};
use super::cursor::Cursor;
use super::expr::Convert;
use super::{cursors, data_type, maintenance, utility};
use crate::error::SqlError;

/// Reads a statement about the session; `None` for all others.
///
/// # Errors
/// 42601, and 0A000 for what Quorate lacks.
pub fn parse(mut cursor: Cursor<'_>, first: &TokenWithSpan) -> Result<Option<Statement>, SqlError> {
    let Token::Word(word) = &first.token else { return Ok(None) };
    cursor.next();
    let statement = match word.value.to_lowercase().as_str() {
        "declare" => cursors::declare(&mut cursor)?,
        "fetch" => cursors::fetch(&mut cursor, false)?,
        "move" => cursors::fetch(&mut cursor, true)?,
        "close" => cursors::close(&mut cursor)?,
        "prepare" => prepare(&mut cursor, first)?,
        "execute" => execute(&mut cursor)?,
        "unlisten" => unlisten(&mut cursor)?,
        "discard" => match discard(&mut cursor)? {
            Some(what) => SessionStatement::Discard(what),
            None => return Ok(None),
        },
        "set" | "reset" => match set(&mut cursor, super::is_keyword(first, "reset"))? {
            Some(statement) => statement,
            None => return Ok(None),
        },
        "vacuum" => maintenance::vacuum(&mut cursor)?,
        "analyze" | "analyse" => maintenance::analyze(&mut cursor)?,
        "checkpoint" => maintenance::checkpoint(),
        "lock" => lock(&mut cursor, first)?,
        _ => return Ok(None),
    };
    cursor.expect_end()?;
    Ok(Some(Statement::Session(statement)))
}

fn prepare(cursor: &mut Cursor<'_>, first: &TokenWithSpan) -> Result<SessionStatement, SqlError> {
    if cursor.take("transaction") {
        return Err(cursor.source.unsupported("PREPARE TRANSACTION", first));
    }
    let name = cursor.name()?;
    let types = match cursor.take_parentheses()? {
        Some(tokens) => types(cursor, tokens)?,
        None => Vec::new(),
    };
    cursor.expect("as")?;
    let text_bytes = cursor.rest().iter().map(|token| token.token.to_string().len() + 1).sum();
    let statement = Box::new(preparable(cursor)?);
    Ok(SessionStatement::Prepare(Prepare { name, types, statement, text_bytes }))
}

/// The rest of a statement, which is a query or a change of rows.
pub fn preparable(cursor: &mut Cursor<'_>) -> Result<Statement, SqlError> {
    let Some(first) = cursor.peek() else { return Err(cursor.unexpected()) };
    for what in ["with", "merge", "table"] {
        if super::is_keyword(first, what) {
            return Err(cursor.source.unsupported(&what.to_uppercase(), first));
        }
    }
    if !utility::begins_dml(first) {
        return Err(cursor.unexpected());
    }
    cursor.source.by_grammar(cursor.take_rest().to_vec())
}

/// Types by commas; `unknown` leaves one open.
fn types(cursor: &Cursor<'_>, tokens: &[TokenWithSpan]) -> Result<Vec<Option<DataTypeName>>, SqlError> {
    let Some(first) = tokens.first() else { return Err(cursor.unexpected()) };
    let position = cursor.source.positions.of(first.span.start);
    cursor.source.grammar(tokens.to_vec(), |parser, _| {
        let types = parser.parse_comma_separated(sqlparser::parser::Parser::parse_data_type)?;
        let one = |name: &sqlparser::ast::DataType| {
            let data_type = data_type::convert(name).map_err(|error| error.at(position))?;
            Ok((data_type != DataTypeName::Unknown).then_some(data_type))
        };
        Ok(types.iter().map(one).collect())
    })
}

type DataTypeName = crate::types::DataType;

fn execute(cursor: &mut Cursor<'_>) -> Result<SessionStatement, SqlError> {
    let name = cursor.name()?;
    let arguments = match cursor.take_parentheses()? {
        Some(tokens) => cursor.source.grammar(tokens.to_vec(), |parser, source| {
            let exprs = parser.parse_comma_separated(sqlparser::parser::Parser::parse_expr)?;
            let convert = Convert::new(source);
            Ok(exprs.into_iter().map(|expr| convert.expr(expr)).collect())
        })?,
        None => Vec::new(),
    };
    Ok(SessionStatement::Execute(Execute { name, arguments }))
}

fn unlisten(cursor: &mut Cursor<'_>) -> Result<SessionStatement, SqlError> {
    if !cursor.take_token(&Token::Mul) {
        cursor.name()?;
    }
    Ok(SessionStatement::Unlisten)
}

/// What is discarded; `None` for ALL, which is read elsewhere.
fn discard(cursor: &mut Cursor<'_>) -> Result<Option<Discard>, SqlError> {
    if cursor.take("all") {
        return Ok(None);
    }
    for (word, what) in [
        ("plans", Discard::Plans),
        ("temp", Discard::Temp),
        ("temporary", Discard::Temp),
        ("sequences", Discard::Sequences),
    ] {
        if cursor.take(word) {
            return Ok(Some(what));
        }
    }
    Err(cursor.unexpected())
}

/// Forms of SET and RESET that name no variable; `None` for all others.
fn set(cursor: &mut Cursor<'_>, is_reset: bool) -> Result<Option<SessionStatement>, SqlError> {
    if !is_reset {
        if cursor.take_all(&["session", "characteristics", "as", "transaction"]) {
            return modes(cursor).map(|modes| Some(SessionStatement::SetModes { of_session: true, modes }));
        }
        if cursor.take("transaction") {
            if let Some(snapshot) = cursor.peek().filter(|token| super::is_keyword(token, "snapshot")) {
                return Err(cursor.source.unsupported("SET TRANSACTION SNAPSHOT", snapshot));
            }
            return modes(cursor).map(|modes| Some(SessionStatement::SetModes { of_session: false, modes }));
        }
    }
    let _ = !is_reset && (cursor.take("local") || (is_session_scope(cursor) && cursor.take("session")));
    let is_role = cursor.take("role");
    if !is_role && !cursor.take_all(&["session", "authorization"]) {
        return Ok(None);
    }
    let keeps = is_reset || if is_role { cursor.take("none") } else { cursor.take("default") };
    match cursor.peek() {
        Some(other) if !keeps => {
            let what = if is_role { "SET ROLE" } else { "SET SESSION AUTHORIZATION" };
            Err(cursor.source.unsupported(what, other))
        }
        Some(_) => Err(cursor.unexpected()),
        None if keeps => Ok(Some(SessionStatement::KeepRole { is_reset })),
        None => Err(cursor.unexpected()),
    }
}

/// Whether SESSION says how long something holds, rather than whose authorization is set.
fn is_session_scope(cursor: &Cursor<'_>) -> bool {
    !cursor.rest().get(1).is_some_and(|second| super::is_keyword(second, "authorization"))
}

/// Modes of a transaction, at least one, by commas or without.
pub fn modes(cursor: &mut Cursor<'_>) -> Result<Modes, SqlError> {
    let mut modes = Modes::default();
    loop {
        if cursor.take_all(&["isolation", "level"]) {
            modes.isolation = Some(isolation_level(cursor)?);
        } else if cursor.take_all(&["read", "only"]) {
            modes.read_only = Some(true);
        } else if cursor.take_all(&["read", "write"]) {
            modes.read_only = Some(false);
        } else if cursor.take("deferrable") {
            modes.deferrable = Some(true);
        } else if cursor.take_all(&["not", "deferrable"]) {
            modes.deferrable = Some(false);
        } else {
            return Err(cursor.unexpected());
        }
        if cursor.peek().is_none() {
            return Ok(modes);
        }
        cursor.take_token(&Token::Comma);
    }
}

fn isolation_level(cursor: &mut Cursor<'_>) -> Result<&'static str, SqlError> {
    const LEVELS: &[(&[&str], &str)] = &[
        (&["serializable"], "serializable"),
        (&["repeatable", "read"], "repeatable read"),
        (&["read", "committed"], "read committed"),
        (&["read", "uncommitted"], "read uncommitted"),
    ];
    let found = LEVELS.iter().find(|(words, _)| cursor.take_all(words));
    found.map(|(_, level)| *level).ok_or_else(|| cursor.unexpected())
}

/// `LOCK TABLE t IN ACCESS SHARE MODE`; the modes that really lock are refused.
fn lock(cursor: &mut Cursor<'_>, first: &TokenWithSpan) -> Result<SessionStatement, SqlError> {
    const MODES: &[&[&str]] = &[
        &["access", "share"],
        &["row", "share"],
        &["row", "exclusive"],
        &["share", "update", "exclusive"],
        &["share", "row", "exclusive"],
        &["share"],
        &["access", "exclusive"],
        &["exclusive"],
    ];
    cursor.take("table");
    let mut tables: Vec<Name> = Vec::new();
    loop {
        cursor.take("only");
        tables.push(cursor.table_name()?);
        cursor.take_token(&Token::Mul);
        if !cursor.take_token(&Token::Comma) {
            break;
        }
    }
    let mode = if cursor.take("in") {
        let found = MODES.iter().find(|words| cursor.take_all(words));
        let mode = found.ok_or_else(|| cursor.unexpected())?;
        cursor.expect("mode")?;
        mode.join(" ").to_uppercase()
    } else {
        "ACCESS EXCLUSIVE".to_owned()
    };
    cursor.take("nowait");
    cursor.expect_end()?;
    if mode != "ACCESS SHARE" {
        return Err(cursor.source.unsupported(&format!("LOCK TABLE IN {mode} MODE"), first));
    }
    Ok(SessionStatement::Lock { tables })
}
