//! What has no column is computed while planning.
//!
//! ```text
//! before  month = 1 + 1 AND true       $1 (= 5)      now() > d
//! after   month = 2                    5             '2013-01-01 …' > d
//! ```
//!
//! A part that fails stays as it is: `1/0` is an error only where a row reaches it, and `current_setting('a.b')` where
//! nothing may be known of the session yet. So does what is volatile. NULL as a side of a comparison or
//! of arithmetic makes the whole NULL.

use crate::error::SqlError;
use crate::expr::eval::{EvalContext, eval};
use crate::expr::in_list::InList;
use crate::expr::{BinaryOp, Expr};
use crate::types::{DataType, Datum};

/// The expression with constants computed; parameters, `now()` and settings are constants of the context.
///
/// # Errors
/// 42P02 for a parameter without a value.
pub fn fold_constants(expr: Expr, context: &EvalContext<'_>) -> Result<Expr, SqlError> {
    let expr = expr.map_children(&mut |part| fold_constants(part, context))?;
    let expr = if let Expr::InList { operand, list: InList::Each(list), negated } = expr {
        Expr::InList { operand, list: InList::of(list), negated }
    } else {
        as_in_list(expr)
    };
    let data_type = expr.data_type();
    match &expr {
        Expr::Literal(..) | Expr::Column { .. } => Ok(expr),
        Expr::Call { function, .. } if function.is_volatile() => Ok(expr),
        Expr::Parameter { .. } => Ok(Expr::Literal(eval(&expr, &[], context)?, data_type)),
        Expr::Unary(..)
        | Expr::Binary { .. }
        | Expr::IsNull { .. }
        | Expr::InList { .. }
        | Expr::Quantified { .. }
        | Expr::Like { .. }
        | Expr::Case { .. }
        | Expr::Cast { .. }
        | Expr::Call { .. } => {
            let is_volatile = matches!(&expr, Expr::Call { function, .. } if function.is_volatile());
            if !is_volatile && expr.children().iter().all(|part| matches!(part, Expr::Literal(..))) {
                return Ok(match eval(&expr, &[], context) {
                    Ok(value) => Expr::Literal(value, data_type),
                    Err(_) => expr,
                });
            }
            Ok(simplified(expr))
        }
    }
}

/// `x = ANY (array)` and `x <> ALL (array)` of a constant array are IN lists, which the key and its programs know.
fn as_in_list(expr: Expr) -> Expr {
    let Expr::Quantified { op, operand, array, all } = expr else { return expr };
    if let Expr::Literal(Datum::Null, _) = *array {
        return Expr::Literal(Datum::Null, DataType::Bool);
    }
    let is_in = matches!((op, all), (BinaryOp::Equal, false) | (BinaryOp::NotEqual, true));
    if let Expr::Literal(Datum::Array(elements), data_type) = array.as_ref()
        && is_in
    {
        let element = data_type.element().unwrap_or(DataType::Unknown);
        if !elements.is_empty() {
            return Expr::InList { operand, list: InList::of_elements(elements, element), negated: all };
        }
        // Over no elements a NULL has an answer too, which it has not in a list. What could fail is still computed.
        if matches!(*operand, Expr::Column { .. }) {
            return Expr::Literal(Datum::Bool(all), DataType::Bool);
        }
    }
    Expr::Quantified { op, operand, array, all }
}

/// Parts that one constant side decides.
fn simplified(expr: Expr) -> Expr {
    match expr {
        Expr::Binary { op: op @ (BinaryOp::And | BinaryOp::Or), left, right, data_type } => {
            match (truth(&left), truth(&right)) {
                (Some(value), _) if value == (op == BinaryOp::Or) => *left,
                (_, Some(value)) if value == (op == BinaryOp::Or) => *right,
                (Some(_), _) => *right,
                (_, Some(_)) => *left,
                (None, None) => Expr::Binary { op, left, right, data_type },
            }
        }
        Expr::Binary { left, right, data_type, .. } if is_null(&left) || is_null(&right) => {
            Expr::Literal(Datum::Null, data_type)
        }
        Expr::Case { branches, otherwise, data_type } => case(branches, otherwise, data_type),
        other @ (Expr::Literal(..)
        | Expr::Column { .. }
        | Expr::Parameter { .. }
        | Expr::Unary(..)
        | Expr::Binary { .. }
        | Expr::IsNull { .. }
        | Expr::InList { .. }
        | Expr::Quantified { .. }
        | Expr::Like { .. }
        | Expr::Cast { .. }
        | Expr::Call { .. }) => other,
    }
}

/// The truth value of a constant condition that is not NULL.
fn truth(expr: &Expr) -> Option<bool> {
    match expr {
        Expr::Literal(Datum::Bool(value), _) => Some(*value),
        Expr::Literal(..)
        | Expr::Column { .. }
        | Expr::Parameter { .. }
        | Expr::Unary(..)
        | Expr::Binary { .. }
        | Expr::IsNull { .. }
        | Expr::InList { .. }
        | Expr::Quantified { .. }
        | Expr::Like { .. }
        | Expr::Case { .. }
        | Expr::Cast { .. }
        | Expr::Call { .. } => None,
    }
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(Datum::Null, _))
}

/// Leaves out branches that are never taken, and what stands behind one that always is.
fn case(branches: Vec<(Expr, Expr)>, otherwise: Option<Box<Expr>>, data_type: DataType) -> Expr {
    let mut kept = Vec::with_capacity(branches.len());
    let mut otherwise = otherwise;
    for (when, then) in branches {
        match when {
            Expr::Literal(Datum::Bool(true), _) => {
                otherwise = Some(Box::new(then));
                break;
            }
            Expr::Literal(..) => {}
            when @ (Expr::Column { .. }
            | Expr::Parameter { .. }
            | Expr::Unary(..)
            | Expr::Binary { .. }
            | Expr::IsNull { .. }
            | Expr::InList { .. }
            | Expr::Quantified { .. }
            | Expr::Like { .. }
            | Expr::Case { .. }
            | Expr::Cast { .. }
            | Expr::Call { .. }) => kept.push((when, then)),
        }
    }
    match (kept.is_empty(), otherwise) {
        (true, Some(only)) if only.data_type() == data_type => *only,
        (true, None) => Expr::Literal(Datum::Null, data_type),
        (_, otherwise) => Expr::Case { branches: kept, otherwise, data_type },
    }
}
