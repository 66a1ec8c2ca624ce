//! Reads a statement's tokens from the left, for the grammar that is our own.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::ast::Name;
use super::reserved::is_no_name;
use super::{Source, is_keyword};
use crate::error::SqlError;

/// A place in the tokens of a statement.
#[derive(Clone)]
pub struct Cursor<'a> {
    /// The text they are of.
    pub source: &'a Source<'a>,
    tokens: &'a [TokenWithSpan],
}

impl<'a> Cursor<'a> {
    /// At the first token.
    pub fn new(source: &'a Source<'a>, tokens: &'a [TokenWithSpan]) -> Self {
        Self { source, tokens }
    }

    /// The next token.
    pub fn peek(&self) -> Option<&'a TokenWithSpan> {
        self.tokens.first()
    }

    /// Takes the next token.
    pub fn next(&mut self) -> Option<&'a TokenWithSpan> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    /// All that is left.
    pub fn rest(&self) -> &'a [TokenWithSpan] {
        self.tokens
    }

    /// Takes all that is left.
    pub fn take_rest(&mut self) -> &'a [TokenWithSpan] {
        std::mem::take(&mut self.tokens)
    }

    /// Takes what stands in parentheses, if a parenthesis comes next.
    ///
    /// # Errors
    /// 42601 where it is not closed, or nothing is in it.
    pub fn take_parentheses(&mut self) -> Result<Option<&'a [TokenWithSpan]>, SqlError> {
        if !self.take_token(&Token::LParen) {
            return Ok(None);
        }
        if self.peek().is_some_and(|token| token.token == Token::RParen) {
            return Err(self.unexpected());
        }
        let mut open = 1_usize;
        let end = self.tokens.iter().position(|token| {
            match token.token {
                Token::LParen => open += 1,
                Token::RParen => open -= 1,
                _ => {}
            }
            open == 0
        });
        let parts = end.and_then(|end| self.tokens.split_at_checked(end));
        let (inside, rest) = parts.ok_or_else(|| self.source.at_end())?;
        self.tokens = rest;
        self.next();
        Ok(Some(inside))
    }

    /// Takes the next token if it is this keyword.
    pub fn take(&mut self, keyword: &str) -> bool {
        let found = self.peek().is_some_and(|token| is_keyword(token, keyword));
        if found {
            self.next();
        }
        found
    }

    /// Takes these keywords if all of them come next.
    pub fn take_all(&mut self, keywords: &[&str]) -> bool {
        let found = self.tokens.len() >= keywords.len()
            && keywords.iter().zip(self.tokens).all(|(keyword, token)| is_keyword(token, keyword));
        if found {
            self.tokens = self.tokens.get(keywords.len()..).unwrap_or_default();
        }
        found
    }

    /// Takes the next token if it is this one.
    pub fn take_token(&mut self, wanted: &Token) -> bool {
        let found = self.peek().is_some_and(|token| token.token == *wanted);
        if found {
            self.next();
        }
        found
    }

    /// Takes this keyword.
    ///
    /// # Errors
    /// 42601 where something else comes.
    pub fn expect(&mut self, keyword: &str) -> Result<(), SqlError> {
        if self.take(keyword) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Takes this token.
    ///
    /// # Errors
    /// 42601 where something else comes.
    pub fn expect_token(&mut self, wanted: &Token) -> Result<(), SqlError> {
        if self.take_token(wanted) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// 42601 where something is.
    pub fn expect_end(&self) -> Result<(), SqlError> {
        if self.tokens.is_empty() { Ok(()) } else { Err(self.unexpected()) }
    }

    /// The error of the next token.
    pub fn unexpected(&self) -> SqlError {
        self.peek().map_or_else(|| self.source.at_end(), |token| self.source.near(token))
    }

    /// Takes a word, whether it is a keyword or not, folded.
    ///
    /// # Errors
    /// 42601 where no word comes.
    pub fn word(&mut self) -> Result<Name, SqlError> {
        let Some(TokenWithSpan { token: Token::Word(word), span }) = self.peek() else {
            return Err(self.unexpected());
        };
        self.next();
        let value = match word.quote_style {
            Some(_) => word.value.clone(),
            None => word.value.to_lowercase(),
        };
        Ok(Name { value, position: self.source.positions.of(span.start) })
    }

    /// Takes the name of a table, column or variable.
    ///
    /// # Errors
    /// 42601 where none comes.
    pub fn name(&mut self) -> Result<Name, SqlError> {
        match self.peek().map(|token| &token.token) {
            Some(Token::Word(word)) if word.quote_style.is_some() || !is_no_name(&word.value) => self.word(),
            _ => Err(self.unexpected()),
        }
    }

    /// Takes the name of a table, with the schema `public` before it or without.
    ///
    /// # Errors
    /// 42601 where none comes, 0A000 for other schemas.
    pub fn table_name(&mut self) -> Result<Name, SqlError> {
        let first = self.name()?;
        if !self.take_token(&Token::Period) {
            return Ok(first);
        }
        let table = self.word()?;
        if first.value == "public" {
            return Ok(Name { value: table.value, position: first.position });
        }
        Err(SqlError::unsupported(format!("schema \"{}\"", first.value)).at(first.position))
    }

    /// Takes a list of names in parentheses; none where no parenthesis comes.
    ///
    /// # Errors
    /// 42601 where the list is none.
    pub fn names_in_parentheses(&mut self) -> Result<Vec<Name>, SqlError> {
        let mut names = Vec::new();
        if !self.take_token(&Token::LParen) {
            return Ok(names);
        }
        loop {
            names.push(self.name()?);
            if !self.take_token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)?;
        Ok(names)
    }

    /// Takes a string literal.
    ///
    /// # Errors
    /// 42601 where none comes.
    pub fn string(&mut self) -> Result<String, SqlError> {
        match self.peek().map(|token| &token.token) {
            Some(Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text)) => {
                self.next();
                Ok(text.clone())
            }
            _ => Err(self.unexpected()),
        }
    }
}
