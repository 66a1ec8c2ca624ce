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
        clauses.identities = take_identities(source, tokens)?;
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
            // Columns stand in the order of the text.
            let before = create.columns.partition_point(|column| column.name.position < position);
            let Some(column) = before.checked_sub(1).and_then(|at| create.columns.get_mut(at)) else {
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

fn is_identity(tokens: &[TokenWithSpan]) -> bool {
    let comes = |words: &[&str]| {
        tokens.len() >= words.len() && words.iter().zip(tokens).all(|(word, token)| is_keyword(token, word))
    };
    comes(&ALWAYS) || comes(&BY_DEFAULT)
}

/// Takes the clauses of all identity columns out.
fn take_identities(
    source: &Source<'_>,
    tokens: &mut Vec<TokenWithSpan>,
) -> Result<Vec<(u32, Identity, SequenceOptions)>, SqlError> {
    let mut taken = Vec::new();
    let mut kept = Vec::with_capacity(tokens.len());
    let mut rest = tokens.as_slice();
    while let Some((first, behind)) = rest.split_first() {
        if is_identity(rest) {
            let mut cursor = Cursor::new(source, rest);
            taken.push(identity(&mut cursor)?);
            rest = cursor.rest();
        } else {
            kept.push(first.clone());
            rest = behind;
        }
    }
    *tokens = kept;
    Ok(taken)
}

fn identity(cursor: &mut Cursor<'_>) -> Result<(u32, Identity, SequenceOptions), SqlError> {
    let position = cursor.peek().map_or(0, |token| cursor.source.positions.of(token.span.start));
    let identity = if cursor.take_all(&ALWAYS) { Identity::Always } else { Identity::ByDefault };
    let _ = identity == Identity::ByDefault && cursor.take_all(&BY_DEFAULT);
    let mut options = SequenceOptions::default();
    if cursor.take_token(&Token::LParen) {
        options = sequence::options(cursor)?;
        cursor.expect_token(&Token::RParen)?;
    }
    Ok((position, identity, options))
}
