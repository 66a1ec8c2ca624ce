//! Text to statements. The grammar of queries and tables is sqlparser's; this folder is the only place that knows it,
//! and turns its tree into ours ([`ast`]). Transactions, SHOW, SET, EXPLAIN and COPY are read from the tokens by
//! ourselves, because their grammar there lacks what Quorate has, or has too much.
//!
//! A text is cut into tokens once, the tokens into statements at semicolons; each statement's tokens go to
//! [`utility`] first and to the grammar otherwise. Invariant: a statement that is let through is bounded in size and
//! depth ([`limits`]), so that everything behind may recurse over it.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the grammar has far more than we read; what is left is refused"
)]

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{SqlError, SqlState};
use crate::limits::{RECURSION_MAX, STATEMENT_MAX_BYTES};

mod array;
pub mod ast;
mod clauses;
mod copy;
mod cursor;
mod cursors;
mod data_type;
mod expr;
mod from;
mod lacking;
mod limits;
mod literals;
mod maintenance;
mod names;
mod operator;
mod place;
mod position;
mod query;
pub mod reserved;
mod schema;
mod sequence;
mod session;
pub mod size;
mod statement;
mod storage_options;
mod table;
mod utility;

#[cfg(test)]
mod tests;

use ast::Statement;
use position::Positions;
pub(crate) use reserved::is_reserved;

/// Reads all statements of a text; empty ones are left out.
///
/// # Errors
/// 42601 with the position of the fault, 0A000 for what Quorate does not offer, 54000 beyond the limits.
pub fn parse(text: &str) -> Result<Vec<Statement>, SqlError> {
    if text.len() > STATEMENT_MAX_BYTES {
        return Err(SqlError::new(
            SqlState::ProgramLimitExceeded,
            format!("statement of {} bytes is beyond the limit of {STATEMENT_MAX_BYTES} bytes", text.len()),
        )
        .with_hint("Use COPY to load many rows, or several statements."));
    }
    size::check_tokens(text)?;
    let source = Source { text, positions: Positions::new(text) };
    let mut statements = Vec::new();
    for tokens in source.split()? {
        statements.push(source.statement(tokens)?);
    }
    Ok(statements)
}

/// A text with what is needed to point into it.
struct Source<'a> {
    text: &'a str,
    positions: Positions,
}

impl Source<'_> {
    /// All tokens but white space and comments.
    fn tokens(&self) -> Result<Vec<TokenWithSpan>, SqlError> {
        literals::read(self, literals::tokens(self)?)
    }

    /// The tokens of each statement.
    fn split(&self) -> Result<Vec<Vec<TokenWithSpan>>, SqlError> {
        let mut statements = Vec::new();
        let mut current = Vec::new();
        for token in self.tokens()? {
            if token.token == Token::SemiColon {
                statements.push(std::mem::take(&mut current));
            } else {
                current.push(token);
            }
        }
        statements.push(current);
        statements.retain(|tokens| !tokens.is_empty());
        Ok(statements)
    }

    /// One statement.
    fn statement(&self, tokens: Vec<TokenWithSpan>) -> Result<Statement, SqlError> {
        match utility::parse(self, &tokens)? {
            Some(statement) => Ok(statement),
            None if tokens.first().is_some_and(|first| is_keyword(first, "create")) => {
                self.create_table(tokens)
            }
            None => self.by_grammar(tokens),
        }
    }

    /// CREATE TABLE, of which the grammar reads all but what is said of storage.
    fn create_table(&self, mut tokens: Vec<TokenWithSpan>) -> Result<Statement, SqlError> {
        let ignored = storage_options::take(self, &mut tokens)?;
        let mut statement = self.by_grammar(tokens)?;
        if let Statement::CreateTable(create) = &mut statement {
            create.ignored = ignored;
        }
        Ok(statement)
    }

    /// A query, INSERT, UPDATE, DELETE or CREATE TABLE.
    fn by_grammar(&self, mut tokens: Vec<TokenWithSpan>) -> Result<Statement, SqlError> {
        let clauses = clauses::take(self, &mut tokens)?;
        lacking::check(self, &tokens)?;
        let mut statement = self.grammar(tokens, |parser, source| {
            let statement = parser.parse_statement()?;
            Ok(statement::convert(source, statement))
        })?;
        clauses.put(&mut statement)?;
        Ok(statement)
    }

    /// Runs the grammar over all of the tokens, unless they say something too complex.
    fn grammar<T>(
        &self,
        tokens: Vec<TokenWithSpan>,
        read: impl FnOnce(&mut Parser<'_>, &Self) -> Result<Result<T, SqlError>, ParserError>,
    ) -> Result<T, SqlError> {
        limits::check_depth(&tokens, &self.positions)?;
        let dialect = PostgreSqlDialect {};
        let mut parser =
            Parser::new(&dialect).with_recursion_limit(RECURSION_MAX).with_tokens_with_locations(tokens);
        let converted = read(&mut parser, self).map_err(|error| self.parser_error(&error, &parser))?;
        let rest = parser.peek_token();
        if rest.token != Token::EOF {
            return Err(self.near(&rest));
        }
        converted
    }

    /// The grammar's error in PostgreSQL's words.
    fn parser_error(&self, error: &ParserError, parser: &Parser<'_>) -> SqlError {
        let message = match error {
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
            ParserError::RecursionLimitExceeded => {
                return SqlError::new(SqlState::StatementTooComplex, "statement is nested too deep");
            }
        };
        let found = match position::location_in(message) {
            Some(location) => parser.clone_token_at(location),
            None => None,
        };
        let error = match found {
            Some(token) if token.token == Token::LBracket && message.starts_with("Expected: =,") => {
                return self.unsupported("an assignment to an element of an array", &token);
            }
            Some(token) => self.near(&token),
            None => self.at_end(),
        };
        match message.strip_prefix("Expected: ").and_then(|rest| rest.split_once(", found:")) {
            Some((expected, _)) => error.with_detail(format!("Expected {expected}.")),
            None => error.with_detail(format!("{}.", position::without_location(message))),
        }
    }

    /// `syntax error at or near` this token.
    fn near(&self, token: &TokenWithSpan) -> SqlError {
        if token.token == Token::EOF {
            return self.at_end();
        }
        let word = self.positions.slice(self.text, token.span);
        let shown = if word.is_empty() { token.token.to_string() } else { word };
        SqlError::new(SqlState::SyntaxError, format!("syntax error at or near \"{shown}\""))
            .at(self.positions.of(token.span.start))
    }

    /// `syntax error at end of input`.
    fn at_end(&self) -> SqlError {
        SqlError::new(SqlState::SyntaxError, "syntax error at end of input").at(self.positions.end())
    }

    /// Something that Quorate lacks, at a token.
    fn unsupported(&self, what: &str, token: &TokenWithSpan) -> SqlError {
        SqlError::unsupported(what).at(self.positions.of(token.span.start))
    }
}

/// Finds tokens again in a parser that has failed.
trait TokenAt {
    /// The token that starts here.
    fn clone_token_at(&self, location: sqlparser::tokenizer::Location) -> Option<TokenWithSpan>;
}

impl TokenAt for Parser<'_> {
    fn clone_token_at(&self, location: sqlparser::tokenizer::Location) -> Option<TokenWithSpan> {
        let mut index = 0;
        loop {
            let token = self.token_at(index);
            if token.token == Token::EOF || token.span.start == location {
                return (token.token != Token::EOF).then(|| token.clone());
            }
            index += 1;
        }
    }
}

/// Whether a token is this keyword, unquoted.
fn is_keyword(token: &TokenWithSpan, keyword: &str) -> bool {
    match &token.token {
        Token::Word(word) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword),
        _ => false,
    }
}

fn lower_first(message: &str) -> String {
    let mut characters = message.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}
