//! Operators and collations of the grammar.

use sqlparser::ast::{BinaryOperator, ObjectName, ObjectNamePart};

use crate::error::SqlError;
use crate::expr::BinaryOp;

/// For `~`, `~~` and their like: whether it is LIKE's, whether it is negated, and whether case is ignored.
pub fn pattern_operator(op: &BinaryOperator) -> Option<(bool, bool, bool)> {
    match op {
        BinaryOperator::PGRegexMatch => Some((false, false, false)),
        BinaryOperator::PGRegexNotMatch => Some((false, true, false)),
        BinaryOperator::PGRegexIMatch => Some((false, false, true)),
        BinaryOperator::PGRegexNotIMatch => Some((false, true, true)),
        BinaryOperator::PGLikeMatch => Some((true, false, false)),
        BinaryOperator::PGNotLikeMatch => Some((true, true, false)),
        BinaryOperator::PGILikeMatch => Some((true, false, true)),
        BinaryOperator::PGNotILikeMatch => Some((true, true, true)),
        _ => None,
    }
}

/// The operator of `OPERATOR(pg_catalog.=)`.
///
/// # Errors
/// 0A000 for those that Quorate lacks.
pub fn named_operator(parts: &[String]) -> Result<BinaryOperator, SqlError> {
    let symbol = match parts {
        [symbol] => symbol,
        [schema, symbol] if schema.eq_ignore_ascii_case("pg_catalog") => symbol,
        _ => return Err(SqlError::unsupported(format!("operator {}", parts.join(".")))),
    };
    Ok(match symbol.as_str() {
        "+" => BinaryOperator::Plus,
        "-" => BinaryOperator::Minus,
        "*" => BinaryOperator::Multiply,
        "/" => BinaryOperator::Divide,
        "%" => BinaryOperator::Modulo,
        "||" => BinaryOperator::StringConcat,
        "=" => BinaryOperator::Eq,
        "<>" | "!=" => BinaryOperator::NotEq,
        "<" => BinaryOperator::Lt,
        "<=" => BinaryOperator::LtEq,
        ">" => BinaryOperator::Gt,
        ">=" => BinaryOperator::GtEq,
        "~" => BinaryOperator::PGRegexMatch,
        "!~" => BinaryOperator::PGRegexNotMatch,
        "~*" => BinaryOperator::PGRegexIMatch,
        "!~*" => BinaryOperator::PGRegexNotIMatch,
        "~~" => BinaryOperator::PGLikeMatch,
        "!~~" => BinaryOperator::PGNotLikeMatch,
        "~~*" => BinaryOperator::PGILikeMatch,
        "!~~*" => BinaryOperator::PGNotILikeMatch,
        other => return Err(SqlError::unsupported(format!("operator {other}"))),
    })
}

/// Whether a collation sorts by bytes, as all text does here.
pub fn sorts_by_bytes(collation: &ObjectName) -> bool {
    let parts: Vec<String> = collation
        .0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => match ident.quote_style {
                Some(_) => ident.value.clone(),
                None => ident.value.to_lowercase(),
            },
            ObjectNamePart::Function(_) => String::new(),
        })
        .collect();
    let name = match parts.as_slice() {
        [name] => name,
        [schema, name] if schema == "pg_catalog" => name,
        _ => return false,
    };
    matches!(name.as_str(), "default" | "C" | "POSIX" | "ucs_basic")
}

/// The operator of the grammar in our terms.
///
/// # Errors
/// 0A000 for those that Quorate lacks.
pub fn operator(op: &BinaryOperator) -> Result<BinaryOp, SqlError> {
    Ok(match op {
        BinaryOperator::Plus => BinaryOp::Add,
        BinaryOperator::Minus => BinaryOp::Subtract,
        BinaryOperator::Multiply => BinaryOp::Multiply,
        BinaryOperator::Divide => BinaryOp::Divide,
        BinaryOperator::Modulo => BinaryOp::Modulo,
        BinaryOperator::StringConcat => BinaryOp::Concat,
        BinaryOperator::Eq => BinaryOp::Equal,
        BinaryOperator::NotEq => BinaryOp::NotEqual,
        BinaryOperator::Lt => BinaryOp::Less,
        BinaryOperator::LtEq => BinaryOp::LessOrEqual,
        BinaryOperator::Gt => BinaryOp::Greater,
        BinaryOperator::GtEq => BinaryOp::GreaterOrEqual,
        BinaryOperator::And => BinaryOp::And,
        BinaryOperator::Or => BinaryOp::Or,
        other => return Err(SqlError::unsupported(format!("operator {other}"))),
    })
}

/// Whether it compares: such operators do not follow each other.
pub fn is_comparison(op: BinaryOp) -> bool {
    matches!(
        op,
        BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Less
            | BinaryOp::LessOrEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterOrEqual
    )
}
