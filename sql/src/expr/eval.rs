//! Computes an expression on a row: SQL's three-valued logic, PostgreSQL's errors.
//!
//! Invariant: evaluation has no effects and reads nothing but the row and its context, so that ranges, the executor
//! and constant folding get the same answers. What is volatile is computed by the executor alone: the functions of the session
//! and of sequences ask, and change, what the context gives them
//! ([`ScalarFunction::is_volatile`](crate::expr::ScalarFunction::is_volatile)).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use crate::error::{SqlError, SqlState};
use crate::expr::objects::{Objects, cast_to_reg};
use crate::expr::sequences::Sequences;
use crate::expr::{BinaryOp, Expr, UnaryOp, arithmetic, in_list, like, quantified};
use crate::functions;
use crate::types::cast::cast;
use crate::types::compare::compare;
use crate::types::{DataType, Datum};

/// What an expression may depend on besides its row.
#[derive(Clone, Copy, Debug, Default)]
pub struct EvalContext<'a> {
    /// Values of `$1`, `$2`, …, of the types that the binder inferred.
    pub parameters: &'a [Datum],
    /// `now()`: microseconds since 1970 in UTC at the transaction's start.
    pub now_micros: i64,
    /// The executor's sequences; nobody else has any.
    pub sequences: Option<&'a dyn Sequences>,
    /// The catalog, where it is at hand.
    pub objects: Option<&'a dyn Objects>,
    /// The session; `None` where there is none, as on a range, or where nothing may be known of it yet.
    pub session: Option<&'a dyn SessionAccess>,
}

/// What functions ask of the session that a statement runs in, and change there.
pub trait SessionAccess: fmt::Debug + Sync {
    /// The value of a setting.
    ///
    /// # Errors
    /// 42704 for one that there is not.
    fn setting(&self, name: &str) -> Result<String, SqlError>;

    /// Sets a setting, until the session's or (`local`) the transaction's end; `None` sets its default. Gives its value.
    ///
    /// # Errors
    /// Those of SET.
    fn set(&self, name: &str, value: Option<&str>, local: bool) -> Result<String, SqlError>;

    /// Lets the statement sleep for so long, as soon as it can.
    fn sleep(&self, micros: u64);

    /// How long the statement has to sleep now.
    fn take_sleep(&self) -> Option<Duration>;
}

/// The value of an expression on a row.
///
/// # Errors
/// Those of SQL: 22012, 22003, 22P02, …; 42P02 for a parameter without a value; XX000 for a column that the row lacks.
pub fn eval(expr: &Expr, row: &[Datum], context: &EvalContext<'_>) -> Result<Datum, SqlError> {
    value(expr, row, context).map(Cow::into_owned)
}

/// Whether a condition is true on a row; NULL is not.
///
/// # Errors
/// As [`eval`].
pub fn is_true(condition: &Expr, row: &[Datum], context: &EvalContext<'_>) -> Result<bool, SqlError> {
    Ok(matches!(value(condition, row, context)?.as_ref(), Datum::Bool(true)))
}

/// As [`eval`], without copying what the row or the expression holds already.
fn value<'a>(
    expr: &'a Expr,
    row: &'a [Datum],
    context: &EvalContext<'a>,
) -> Result<Cow<'a, Datum>, SqlError> {
    let computed = match expr {
        Expr::Literal(datum, _) => return Ok(Cow::Borrowed(datum)),
        Expr::Column { index, .. } => return column(row, *index).map(Cow::Borrowed),
        Expr::Parameter { index, .. } => return parameter(context, *index).map(Cow::Borrowed),
        Expr::Unary(op, operand) => unary(*op, operand, row, context)?,
        Expr::Binary { op, left, right, data_type } => match op {
            BinaryOp::And | BinaryOp::Or => logic(*op, (left, right), row, context)?,
            BinaryOp::Add
            | BinaryOp::Subtract
            | BinaryOp::Multiply
            | BinaryOp::Divide
            | BinaryOp::Modulo
            | BinaryOp::Concat
            | BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Less
            | BinaryOp::LessOrEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterOrEqual => {
                let left = value(left, row, context)?;
                let right = value(right, row, context)?;
                binary(*op, &left, &right, *data_type)?
            }
        },
        Expr::IsNull { operand, negated } => Datum::Bool(value(operand, row, context)?.is_null() != *negated),
        Expr::InList { operand, list, negated } => {
            let operand = value(operand, row, context)?;
            let found = match operand.is_null() {
                true => None,
                false => in_list::find(&operand, list, |item| value(item, row, context))?,
            };
            negate_if(*negated, found)
        }
        Expr::Quantified { op, operand, array, all } => {
            let operand = value(operand, row, context)?;
            let array = value(array, row, context)?;
            negate_if(false, quantified::holds(*op, &operand, &array, *all)?)
        }
        Expr::Like { operand, pattern, negated, case_insensitive } => {
            let text = value(operand, row, context)?;
            let pattern = value(pattern, row, context)?;
            negate_if(*negated, like::like(&text, &pattern, *case_insensitive)?)
        }
        Expr::Case { branches, otherwise, .. } => return case(branches, otherwise.as_deref(), row, context),
        Expr::Cast { operand, to, .. } if to.is_reg() => {
            cast_to_reg(value(operand, row, context)?.into_owned(), *to, context)?
        }
        Expr::Cast { operand, to, kind } => {
            let from = operand.data_type();
            cast(value(operand, row, context)?.into_owned(), from, *to, *kind)?
        }
        Expr::Call { function, arguments, data_type } => {
            functions::call(*function, &Arguments { arguments, row, context: *context }, *data_type)?
        }
    };
    Ok(Cow::Owned(computed))
}

/// Arguments of a call, computed as the function asks for them.
pub struct Arguments<'a> {
    arguments: &'a [Expr],
    row: &'a [Datum],
    /// What they are computed with.
    pub context: EvalContext<'a>,
}

impl<'a> Arguments<'a> {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.arguments.len()
    }

    /// Type of the argument at this position.
    pub fn data_type(&self, index: usize) -> DataType {
        self.arguments.get(index).map_or(DataType::Unknown, Expr::data_type)
    }

    /// The value of the argument at this position; NULL where it was not given.
    ///
    /// # Errors
    /// As [`eval`].
    pub fn get(&self, index: usize) -> Result<Cow<'a, Datum>, SqlError> {
        match self.arguments.get(index) {
            Some(argument) => value(argument, self.row, &self.context),
            None => Ok(Cow::Owned(Datum::Null)),
        }
    }
}

fn column(row: &[Datum], index: usize) -> Result<&Datum, SqlError> {
    row.get(index).ok_or_else(|| {
        SqlError::new(
            SqlState::InternalError,
            format!("an expression asks for column {index} of a row with {} columns", row.len()),
        )
    })
}

fn parameter<'a>(context: &EvalContext<'a>, index: usize) -> Result<&'a Datum, SqlError> {
    context.parameters.get(index).ok_or_else(|| {
        SqlError::new(SqlState::UndefinedParameter, format!("there is no parameter ${}", index + 1))
    })
}

fn unary(op: UnaryOp, operand: &Expr, row: &[Datum], context: &EvalContext<'_>) -> Result<Datum, SqlError> {
    let operand_type = operand.data_type();
    let operand = value(operand, row, context)?;
    match (op, operand.as_ref()) {
        (_, Datum::Null) => Ok(Datum::Null),
        (UnaryOp::Not, Datum::Bool(value)) => Ok(Datum::Bool(!value)),
        (UnaryOp::Negate, number) => arithmetic::negate(number, operand_type),
        (UnaryOp::Not, _) => Err(mistyped("NOT")),
    }
}

/// The error of a tree that the binder should not have made.
pub fn mistyped(what: &str) -> SqlError {
    SqlError::new(SqlState::InternalError, format!("{what} got a value of a type that it does not take"))
}

/// `AND` and `OR`: the left side alone decides where it can.
fn logic(
    op: BinaryOp,
    sides: (&Expr, &Expr),
    row: &[Datum],
    context: &EvalContext<'_>,
) -> Result<Datum, SqlError> {
    let decisive = op == BinaryOp::Or;
    let left = truth(&*value(sides.0, row, context)?)?;
    if left == Some(decisive) {
        return Ok(Datum::Bool(decisive));
    }
    let right = truth(&*value(sides.1, row, context)?)?;
    Ok(match (left, right) {
        (_, Some(right)) if right == decisive => Datum::Bool(decisive),
        (Some(_), Some(_)) => Datum::Bool(!decisive),
        (None, _) | (_, None) => Datum::Null,
    })
}

fn truth(datum: &Datum) -> Result<Option<bool>, SqlError> {
    if let Datum::Bool(value) = datum {
        return Ok(Some(*value));
    }
    if datum.is_null() { Ok(None) } else { Err(mistyped("a condition")) }
}

fn negate_if(negated: bool, truth: Option<bool>) -> Datum {
    truth.map_or(Datum::Null, |value| Datum::Bool(value != negated))
}

/// An operator other than AND and OR: NULL on either side gives NULL.
fn binary(op: BinaryOp, left: &Datum, right: &Datum, data_type: DataType) -> Result<Datum, SqlError> {
    if left.is_null() || right.is_null() {
        return Ok(Datum::Null);
    }
    let ordered = |wanted: fn(Ordering) -> bool| Ok(Datum::Bool(wanted(compare(left, right))));
    match op {
        BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulo => {
            arithmetic::binary(op, left, right, data_type)
        }
        BinaryOp::Concat => match (left, right) {
            (Datum::Text(left), Datum::Text(right)) => Ok(Datum::Text(format!("{left}{right}"))),
            _ => Err(mistyped("||")),
        },
        BinaryOp::Equal => ordered(Ordering::is_eq),
        BinaryOp::NotEqual => ordered(Ordering::is_ne),
        BinaryOp::Less => ordered(Ordering::is_lt),
        BinaryOp::LessOrEqual => ordered(Ordering::is_le),
        BinaryOp::Greater => ordered(Ordering::is_gt),
        BinaryOp::GreaterOrEqual => ordered(Ordering::is_ge),
        BinaryOp::And | BinaryOp::Or => Err(mistyped("AND or OR")),
    }
}

fn case<'a>(
    branches: &'a [(Expr, Expr)],
    otherwise: Option<&'a Expr>,
    row: &'a [Datum],
    context: &EvalContext<'a>,
) -> Result<Cow<'a, Datum>, SqlError> {
    for (when, then) in branches {
        if is_true(when, row, context)? {
            return value(then, row, context);
        }
    }
    otherwise.map_or(Ok(Cow::Owned(Datum::Null)), |otherwise| value(otherwise, row, context))
}
