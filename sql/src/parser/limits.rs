//! How complex a statement may be, counted on its tokens before anything recurses over it.
//!
//! A chain `1 + 1 + …` is as deep a tree as it is long, whatever the grammar's limit of nesting says; so operators are
//! counted along each chain, and those of the parentheses around it count too. Chains of AND and OR may be longer,
//! because they are made into balanced trees.

use crate::limits::{CONDITIONS_MAX, NESTING_MAX, OPERATORS_MAX};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_keyword;
use super::position::Positions;
use crate::error::{SqlError, SqlState};

/// Operators counted at one level of parentheses.
#[derive(Clone, Copy, Default)]
struct Level {
    operators: usize,
    conditions: usize,
}

/// Operators that are words, of expressions and of queries.
const CHAINING: [&str; 17] = [
    "not",
    "is",
    "in",
    "like",
    "ilike",
    "similar",
    "between",
    "collate",
    "at",
    "isnull",
    "notnull",
    "escape",
    "operator",
    "overlaps",
    "union",
    "intersect",
    "except",
];

/// Refuses statements whose trees would be too deep.
///
/// # Errors
/// 54001.
pub fn check_depth(tokens: &[TokenWithSpan], positions: &Positions) -> Result<(), SqlError> {
    let mut outer = Vec::new();
    let mut level = Level::default();
    for token in tokens {
        match &token.token {
            Token::LParen | Token::LBracket => open(&mut outer, &mut level),
            _ if is_keyword(token, "case") => open(&mut outer, &mut level),
            Token::RParen => level = outer.pop().unwrap_or_default(),
            Token::RBracket => {
                level = outer.pop().unwrap_or_default();
                // What stands behind may go on from it: `a[1][2]`, `int[][]`.
                level.operators += 1;
            }
            _ if is_keyword(token, "end") => level = outer.pop().unwrap_or_default(),
            Token::Comma => level = outer.last().copied().unwrap_or_default(),
            _ if is_keyword(token, "and") || is_keyword(token, "or") => {
                level.conditions += 1;
                level.operators = outer.last().map_or(0, |level| level.operators);
            }
            other if is_operator(other) || CHAINING.iter().any(|word| is_keyword(token, word)) => {
                level.operators += 1;
            }
            _ => {}
        }
        if outer.len() > NESTING_MAX || level.operators > OPERATORS_MAX || level.conditions > CONDITIONS_MAX {
            return Err(SqlError::new(SqlState::StatementTooComplex, "statement is too complex")
                .with_detail(format!(
                    "More than {NESTING_MAX} levels of parentheses and CASE, or {OPERATORS_MAX} operators or \
                     {CONDITIONS_MAX} conditions in a row."
                ))
                .at(positions.of(token.span.start)));
        }
    }
    Ok(())
}

fn open(outer: &mut Vec<Level>, level: &mut Level) {
    outer.push(*level);
    level.operators += 1;
}

fn is_operator(token: &Token) -> bool {
    !matches!(
        token,
        Token::Word(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::DollarQuotedString(_)
            | Token::Placeholder(_)
            | Token::Period
    )
}
