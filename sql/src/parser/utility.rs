//! Transactions, SHOW, SET, EXPLAIN, DROP TABLE, sequences and session statements, read from their tokens.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::ast::{Name, Savepoint, Statement};
use super::cursor::Cursor;
use super::{Source, copy, is_keyword, schema, sequence, session};
use crate::error::SqlError;

/// First words of statements that PostgreSQL has and Quorate does not.
const UNSUPPORTED: &[&str] = &[
    "call", "cluster", "comment", "do", "grant", "import", "listen", "load", "merge", "notify", "reassign",
    "refresh", "reindex", "revoke", "security", "table", "with",
];

/// Reads a statement of ours; `None` for those that belong to the grammar.
///
/// # Errors
/// 42601, and 0A000 for statements that Quorate lacks.
pub fn parse(source: &Source<'_>, tokens: &[TokenWithSpan]) -> Result<Option<Statement>, SqlError> {
    let mut cursor = Cursor::new(source, tokens);
    let Some(first) = cursor.peek() else { return Ok(None) };
    if begins_dml(first) {
        return Ok(None);
    }
    let Token::Word(word) = &first.token else { return Err(cursor.unexpected()) };
    if let Some(statement) = session::parse(cursor.clone(), first)? {
        return Ok(Some(statement));
    }
    let keyword = word.value.to_lowercase();
    if UNSUPPORTED.contains(&keyword.as_str()) {
        cursor.next();
        return Err(source.unsupported(&keyword.to_uppercase(), first));
    }
    cursor.next();
    let statement = match keyword.as_str() {
        "create" if cursor.take("sequence") => sequence::create(&mut cursor)?,
        "create" => return create(&cursor, first),
        "drop" if cursor.take("sequence") => sequence::drop(&mut cursor)?,
        "drop" => schema::drop_table(&mut cursor, first)?,
        "alter" if cursor.take("sequence") => sequence::alter(&mut cursor, first)?,
        "alter" => schema::alter(&mut cursor, first)?,
        "truncate" => schema::truncate(&mut cursor)?,
        "begin" => begin(&mut cursor, false)?,
        "start" => {
            cursor.expect("transaction")?;
            begin(&mut cursor, true)?
        }
        "commit" | "end" => end(&mut cursor, first, Statement::Commit)?,
        "rollback" | "abort" => rollback(&mut cursor, first)?,
        "savepoint" => Statement::Savepoint(Savepoint::Set(cursor.name()?)),
        "release" => {
            cursor.take("savepoint");
            Statement::Savepoint(Savepoint::Release(cursor.name()?))
        }
        "show" => show(&mut cursor)?,
        "set" => set(&mut cursor)?,
        "reset" => reset(&mut cursor)?,
        "explain" => return explain(cursor).map(Some),
        "copy" => return copy::parse(cursor).map(Some),
        "discard" => {
            cursor.expect("all")?;
            Statement::DiscardAll
        }
        "deallocate" => deallocate(&mut cursor)?,
        _ => return Err(source.near(first)),
    };
    cursor.expect_end()?;
    Ok(Some(statement))
}

/// `CREATE TABLE` is the grammar's; everything else that can be created is not offered.
fn create(cursor: &Cursor<'_>, first: &TokenWithSpan) -> Result<Option<Statement>, SqlError> {
    let Some(what) = cursor.peek() else { return Err(cursor.unexpected()) };
    if super::is_keyword(what, "table") {
        return Ok(None);
    }
    match &what.token {
        Token::Word(word) => {
            Err(cursor.source.unsupported(&format!("CREATE {}", word.value.to_uppercase()), first))
        }
        _ => Err(cursor.unexpected()),
    }
}

/// The modes behind BEGIN. Every level of isolation is served as SERIALIZABLE, which is at least as strict.
fn begin(cursor: &mut Cursor<'_>, starts: bool) -> Result<Statement, SqlError> {
    let _ = !starts && (cursor.take("work") || cursor.take("transaction"));
    if cursor.peek().is_none() {
        return Ok(Statement::Begin { read_only: None, starts });
    }
    Ok(Statement::Begin { read_only: session::modes(cursor)?.read_only, starts })
}

fn end(cursor: &mut Cursor<'_>, first: &TokenWithSpan, statement: Statement) -> Result<Statement, SqlError> {
    let _ = cursor.take("work") || cursor.take("transaction");
    if cursor.take_all(&["and", "no", "chain"]) {
        return Ok(statement);
    }
    for (word, name) in [("and", "AND CHAIN"), ("prepared", "PREPARED")] {
        if cursor.take(word) {
            return Err(cursor.source.unsupported(name, first));
        }
    }
    Ok(statement)
}

/// `ROLLBACK`, or `ROLLBACK TO` a savepoint; ABORT knows none, and is refused behind.
fn rollback(cursor: &mut Cursor<'_>, first: &TokenWithSpan) -> Result<Statement, SqlError> {
    let ended = end(cursor, first, Statement::Rollback)?;
    if !super::is_keyword(first, "rollback") || !cursor.take("to") {
        return Ok(ended);
    }
    cursor.take("savepoint");
    Ok(Statement::Savepoint(Savepoint::RollbackTo(cursor.name()?)))
}

fn show(cursor: &mut Cursor<'_>) -> Result<Statement, SqlError> {
    if cursor.take("jobs") {
        return Ok(Statement::ShowJobs);
    }
    if cursor.take("tables") {
        return Ok(Statement::ShowTables);
    }
    if cursor.take_all(&["ranges", "from", "table"]) {
        return Ok(Statement::ShowRanges { table: cursor.table_name()? });
    }
    if cursor.take_all(&["cluster", "settings"]) {
        return Ok(Statement::ShowClusterSettings);
    }
    Ok(Statement::ShowVariable { name: variable(cursor)? })
}

/// A variable's name, perhaps with dots, or one of PostgreSQL's names in words.
fn variable(cursor: &mut Cursor<'_>) -> Result<Name, SqlError> {
    let position = cursor.peek().map_or(0, |token| cursor.source.positions.of(token.span.start));
    for (words, name) in [
        (&["time", "zone"][..], "timezone"),
        (&["transaction", "isolation", "level"], "transaction_isolation"),
        (&["session", "authorization"], "session_authorization"),
    ] {
        if cursor.take_all(words) {
            return Ok(Name { value: name.to_owned(), position });
        }
    }
    dotted(cursor)
}

fn dotted(cursor: &mut Cursor<'_>) -> Result<Name, SqlError> {
    let mut name = cursor.word()?;
    while cursor.take_token(&Token::Period) {
        name.value.push('.');
        name.value.push_str(&cursor.word()?.value);
    }
    Ok(name)
}

fn set(cursor: &mut Cursor<'_>) -> Result<Statement, SqlError> {
    if cursor.take_all(&["cluster", "setting"]) {
        let name = dotted(cursor)?;
        let value = assigned(cursor)?;
        return Ok(Statement::SetClusterSetting { name, value });
    }
    let position = cursor.peek().map_or(0, |token| cursor.source.positions.of(token.span.start));
    let named = |value: &str| Name { value: value.to_owned(), position };
    let local = cursor.take("local");
    let _ = !local && cursor.take("session");
    let (name, value) = if cursor.take_all(&["time", "zone"]) {
        if let Some(interval) = cursor.peek().filter(|token| is_keyword(token, "interval")) {
            return Err(cursor.source.unsupported("SET TIME ZONE INTERVAL", interval));
        }
        (named("timezone"), values(cursor)?)
    } else if cursor.take("names") {
        (named("client_encoding"), values(cursor)?)
    } else {
        let name = dotted(cursor)?;
        (name, assigned(cursor)?)
    };
    Ok(Statement::SetVariable { name, value, local, resets: false })
}

/// `= value` or `TO value`.
fn assigned(cursor: &mut Cursor<'_>) -> Result<Option<String>, SqlError> {
    if !cursor.take_token(&Token::Eq) && !cursor.take("to") {
        return Err(cursor.unexpected());
    }
    values(cursor)
}

/// The rest of the statement as a value: words, strings and numbers by commas; `DEFAULT` is `None`.
fn values(cursor: &mut Cursor<'_>) -> Result<Option<String>, SqlError> {
    if cursor.take("default") {
        return Ok(None);
    }
    let mut all = Vec::new();
    loop {
        all.push(value(cursor)?);
        if !cursor.take_token(&Token::Comma) {
            return Ok(Some(all.join(", ")));
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

fn reset(cursor: &mut Cursor<'_>) -> Result<Statement, SqlError> {
    if cursor.take("all") {
        return Ok(Statement::ResetAll);
    }
    if cursor.take_all(&["cluster", "setting"]) {
        return Ok(Statement::SetClusterSetting { name: dotted(cursor)?, value: None });
    }
    Ok(Statement::SetVariable { name: variable(cursor)?, value: None, local: false, resets: true })
}

fn explain(mut cursor: Cursor<'_>) -> Result<Statement, SqlError> {
    let analyze = if cursor.take_token(&Token::LParen) {
        explain_options(&mut cursor)?
    } else {
        let analyze = cursor.take("analyze");
        cursor.take("verbose");
        analyze
    };
    let Some(first) = cursor.peek() else { return Err(cursor.unexpected()) };
    // Only what the grammar reads can be explained, so that EXPLAIN does not recurse into itself.
    if !begins_dml(first) {
        return Err(cursor.source.unsupported("EXPLAIN of this statement", first));
    }
    let statement = cursor.source.by_grammar(cursor.rest().to_vec())?;
    Ok(Statement::Explain { analyze, statement: Box::new(statement) })
}

/// Whether a statement that starts so is a query or a change of rows.
pub fn begins_dml(first: &TokenWithSpan) -> bool {
    first.token == Token::LParen
        || ["select", "values", "insert", "update", "delete"]
            .iter()
            .any(|word| super::is_keyword(first, word))
}

/// Options in parentheses, of which only ANALYZE changes anything; tells whether it is on.
fn explain_options(cursor: &mut Cursor<'_>) -> Result<bool, SqlError> {
    let mut analyze = false;
    loop {
        let option = cursor.word()?;
        let off = cursor.take("false") || cursor.take("off");
        let _ = !off && (cursor.take("true") || cursor.take("on"));
        match option.value.as_str() {
            "analyze" => analyze = !off,
            "costs" | "verbose" | "timing" | "summary" => {}
            other => {
                let what = format!("EXPLAIN option {}", other.to_uppercase());
                return Err(SqlError::unsupported(what).at(option.position));
            }
        }
        if !cursor.take_token(&Token::Comma) {
            break;
        }
    }
    cursor.expect_token(&Token::RParen)?;
    Ok(analyze)
}

fn deallocate(cursor: &mut Cursor<'_>) -> Result<Statement, SqlError> {
    cursor.take("prepare");
    let name = if cursor.take("all") { None } else { Some(cursor.word()?) };
    Ok(Statement::Deallocate { name })
}
