//! Clauses that are taken out of a statement's tokens before the grammar reads them, as it lacks them or reads them wrong:
//! `GENERATED … AS IDENTITY (…)` of a column, `OVERRIDING … VALUE` of INSERT.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::ast::Statement;
use super::ast::sequence::{Generated, Overriding, SequenceOptions};
use super::cursor::Cursor;
use super::{Source, is_keyword, sequence};
use crate::catalog::descriptor::Identity;
use crate::error::{SqlError, SqlState};

/// What was taken out.
#[derive(Debug, Default)]
pub struct Clauses {
    /// Identity columns: where the clause stands.
    identities: Vec<(u32, Identity, SequenceOptions)>,
    overriding: Option<Overriding>,
}

/// Takes the clauses out of a statement.
///
/// # Errors
/// 42601 for options of an identity column that are none.
pub fn take(source: &Source<'_>, tokens: &mut Vec<TokenWithSpan>) -> Result<Clauses, SqlError> {
    let mut clauses = Clauses::default();
    let starts = |words: &[&str]| {
        tokens.len() > words.len()
            && words.iter().zip(tokens.iter()).all(|(word, token)| is_keyword(token, word))
    };
    if starts(&["insert"]) {
        clauses.overriding = take_overriding(tokens);
    } else if starts(&["create", "table"]) {
        while let Some(start) = identity_at(tokens) {
            clauses.identities.push(take_identity(source, tokens, start)?);
        }
    }
    Ok(clauses)
}

impl Clauses {
    /// Puts them where they belong in what the grammar has read.
    ///
    /// # Errors
    /// 42601 for a column with two of them.
    pub fn put(self, statement: &mut Statement) -> Result<(), SqlError> {
        if let Statement::Insert(insert) = statement {
            insert.overriding = self.overriding;
        }
        let Statement::CreateTable(create) = statement else { return Ok(()) };
        for (position, identity, options) in self.identities {
            let before = create.columns.iter_mut().filter(|column| column.name.position < position);
            let Some(column) = before.max_by_key(|column| column.name.position) else {
                return Err(SqlError::new(SqlState::SyntaxError, "syntax error at or near \"generated\"")
                    .at(position));
            };
            let (name, table) = (&column.name.value, &create.name.value);
            let both =
                format!("both default and identity specified for column \"{name}\" of table \"{table}\"");
            let (message, position) = match &column.generated {
                None if column.default.is_some() => (both, position),
                None => {
                    column.generated = Some(Generated::Identity(identity, Box::new(options)));
                    continue;
                }
                Some(Generated::Serial) => (both, 0),
                Some(Generated::Identity(..)) => {
                    let message = format!(
                        "multiple identity specifications for column \"{name}\" of table \"{table}\""
                    );
                    (message, position)
                }
            };
            return Err(SqlError::new(SqlState::SyntaxError, message).at(position));
        }
        Ok(())
    }
}

/// `OVERRIDING SYSTEM VALUE` stands behind the table and its columns, before the rows.
fn take_overriding(tokens: &mut Vec<TokenWithSpan>) -> Option<Overriding> {
    let is_row = |token: &TokenWithSpan| {
        ["values", "select", "default", "with"].iter().any(|word| is_keyword(token, word))
    };
    let rows = tokens.iter().position(is_row)?;
    let start = rows.checked_sub(3)?;
    let kind = match tokens.get(start..rows)? {
        [overriding, kind, value] if is_keyword(overriding, "overriding") && is_keyword(value, "value") => {
            kind
        }
        _ => return None,
    };
    let overriding = if is_keyword(kind, "system") {
        Overriding::System
    } else if is_keyword(kind, "user") {
        Overriding::User
    } else {
        return None;
    };
    tokens.drain(start..rows);
    Some(overriding)
}

const ALWAYS: [&str; 4] = ["generated", "always", "as", "identity"];
const BY_DEFAULT: [&str; 5] = ["generated", "by", "default", "as", "identity"];

fn identity_at(tokens: &[TokenWithSpan]) -> Option<usize> {
    let comes = |rest: &[TokenWithSpan], words: &[&str]| {
        rest.len() >= words.len() && words.iter().zip(rest).all(|(word, token)| is_keyword(token, word))
    };
    (0..tokens.len()).find(|start| {
        let rest = tokens.get(*start..).unwrap_or_default();
        comes(rest, &ALWAYS) || comes(rest, &BY_DEFAULT)
    })
}

fn take_identity(
    source: &Source<'_>,
    tokens: &mut Vec<TokenWithSpan>,
    start: usize,
) -> Result<(u32, Identity, SequenceOptions), SqlError> {
    let mut cursor = Cursor::new(source, tokens.get(start..).unwrap_or_default());
    let position = cursor.peek().map_or(0, |token| source.positions.of(token.span.start));
    let identity = if cursor.take_all(&ALWAYS) { Identity::Always } else { Identity::ByDefault };
    let _ = identity == Identity::ByDefault && cursor.take_all(&BY_DEFAULT);
    let mut options = SequenceOptions::default();
    if cursor.take_token(&Token::LParen) {
        options = sequence::options(&mut cursor)?;
        cursor.expect_token(&Token::RParen)?;
    }
    let end = tokens.len() - cursor.rest().len();
    tokens.drain(start..end);
    Ok((position, identity, options))
}
