//! Bound expressions as bytes: within scan programs and as defaults in table descriptors.
//!
//! An expression is a number for its kind and then its parts, depth first. Invariant: reading never recurses deeper than
//! [`EXPR_DEPTH_MAX`] and reserves no memory that the bytes do not pay for, whatever the bytes are.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use crate::expr::in_list::InList;
use crate::expr::{Aggregate, AggregateFunction, BinaryOp, CastKind, Expr, ScalarFunction, UnaryOp};
use crate::limits::EXPR_DEPTH_MAX;
use crate::storage::datum_format::{put_datum, read_datum};
use crate::storage::type_format::{self, put_type, read_type};

/// Whether an expression is too deeply nested to be sent. Looks no deeper than the limit.
pub fn is_too_deep(expr: &Expr) -> bool {
    fn beyond(expr: &Expr, left: u32) -> bool {
        let Some(left) = left.checked_sub(1) else { return true };
        expr.children().into_iter().any(|child| beyond(child, left))
    }
    beyond(expr, EXPR_DEPTH_MAX)
}

/// The newest generation of types, functions and kinds that an expression has, from 1: formats with expressions have a version
/// for each. Functions over arrays have an array's type in their call.
pub fn generation(expr: &Expr) -> u8 {
    let mut newest = 1;
    expr.walk(&mut |part| {
        let function = if let Expr::Call { function, .. } = part { function.generation() } else { 1 };
        let kind = if matches!(part, Expr::Quantified { .. }) { 3 } else { 1 };
        newest = newest.max(type_format::generation(part.data_type())).max(function).max(kind);
    });
    newest
}

/// Appends an expression.
pub fn put_expr(out: &mut Writer, expr: &Expr) {
    match expr {
        Expr::Literal(datum, data_type) => {
            put_datum(out.u8(1), datum);
            put_type(out, *data_type);
        }
        Expr::Column { index, data_type } => put_type(out.u8(2).count(*index), *data_type),
        Expr::Parameter { index, data_type } => put_type(out.u8(3).count(*index), *data_type),
        Expr::Unary(op, operand) => put_expr(out.u8(4).u8(unary_number(*op)), operand),
        Expr::Binary { op, left, right, data_type } => {
            put_type(out.u8(5).u8(binary_number(*op)), *data_type);
            put_expr(out, left);
            put_expr(out, right);
        }
        Expr::IsNull { operand, negated } => put_expr(out.u8(6).bool(*negated), operand),
        Expr::InList { operand, list, negated } => {
            put_expr(out.u8(7).bool(*negated), operand);
            match list {
                InList::Each(list) => put_exprs(out, list),
                InList::Constants(constants) => {
                    let all = constants.literals();
                    out.count(all.len());
                    all.for_each(|constant| put_expr(out, &constant));
                }
            }
        }
        Expr::Quantified { op, operand, array, all } => {
            put_expr(out.u8(12).u8(binary_number(*op)).bool(*all), operand);
            put_expr(out, array);
        }
        Expr::Like { operand, pattern, negated, case_insensitive } => {
            put_expr(out.u8(8).bool(*negated).bool(*case_insensitive), operand);
            put_expr(out, pattern);
        }
        Expr::Case { branches, otherwise, data_type } => {
            put_type(out.u8(9), *data_type);
            out.count(branches.len());
            for (when, then) in branches {
                put_expr(out, when);
                put_expr(out, then);
            }
            put_optional_expr(out, otherwise.as_deref());
        }
        Expr::Cast { operand, to, kind } => {
            put_type(out.u8(10).u8(cast_number(*kind)), *to);
            put_expr(out, operand);
        }
        Expr::Call { function, arguments, data_type } => {
            put_type(out.u8(11).text(function.name()), *data_type);
            put_exprs(out, arguments);
        }
    }
}

/// Appends a list of expressions with its length.
pub fn put_exprs(out: &mut Writer, exprs: &[Expr]) {
    out.count(exprs.len());
    exprs.iter().for_each(|expr| put_expr(out, expr));
}

/// Appends an expression that may be missing.
pub fn put_optional_expr(out: &mut Writer, expr: Option<&Expr>) {
    out.bool(expr.is_some());
    if let Some(expr) = expr {
        put_expr(out, expr);
    }
}

/// Appends an aggregate.
pub fn put_aggregate(out: &mut Writer, aggregate: &Aggregate) {
    out.u8(aggregate_number(aggregate.function)).bool(aggregate.distinct);
    put_type(out, aggregate.data_type);
    put_optional_expr(out, aggregate.argument.as_ref());
}

/// Reads what [`put_expr`] wrote.
///
/// # Errors
/// The bytes do not follow the format, or nest too deeply.
pub fn read_expr(reader: &mut Reader<'_>) -> Result<Expr, CodecError> {
    read_nested(reader, EXPR_DEPTH_MAX)
}

/// Reads what [`put_exprs`] wrote.
///
/// # Errors
/// As [`read_expr`].
pub fn read_exprs(reader: &mut Reader<'_>) -> Result<Vec<Expr>, CodecError> {
    read_list(reader, EXPR_DEPTH_MAX)
}

/// Reads what [`put_optional_expr`] wrote.
///
/// # Errors
/// As [`read_expr`].
pub fn read_optional_expr(reader: &mut Reader<'_>) -> Result<Option<Expr>, CodecError> {
    if reader.bool()? { read_expr(reader).map(Some) } else { Ok(None) }
}

/// Reads what [`put_aggregate`] wrote.
///
/// # Errors
/// As [`read_expr`].
pub fn read_aggregate(reader: &mut Reader<'_>) -> Result<Aggregate, CodecError> {
    let function = aggregate_of(reader.u8()?)?;
    let distinct = reader.bool()?;
    let data_type = read_type(reader)?;
    let argument = read_optional_expr(reader)?;
    Ok(Aggregate { function, argument, distinct, data_type })
}

fn read_list(reader: &mut Reader<'_>, left: u32) -> Result<Vec<Expr>, CodecError> {
    let count = reader.items()?;
    // Grown as items are read: a count is paid for by bytes, but an expression takes more memory than a byte.
    let mut exprs = Vec::new();
    for _ in 0..count {
        exprs.push(read_nested(reader, left)?);
    }
    Ok(exprs)
}

fn read_boxed(reader: &mut Reader<'_>, left: u32) -> Result<Box<Expr>, CodecError> {
    read_nested(reader, left).map(Box::new)
}

fn read_nested(reader: &mut Reader<'_>, left: u32) -> Result<Expr, CodecError> {
    let left = left.checked_sub(1).ok_or(invalid("depth of an expression", 0))?;
    Ok(match reader.u8()? {
        1 => {
            let datum = read_datum(reader)?;
            Expr::Literal(datum, read_type(reader)?)
        }
        2 => Expr::Column { index: reader.count()?, data_type: read_type(reader)? },
        3 => Expr::Parameter { index: reader.count()?, data_type: read_type(reader)? },
        4 => {
            let op = unary_of(reader.u8()?)?;
            Expr::Unary(op, read_boxed(reader, left)?)
        }
        5 => {
            let op = binary_of(reader.u8()?)?;
            let data_type = read_type(reader)?;
            Expr::Binary { op, left: read_boxed(reader, left)?, right: read_boxed(reader, left)?, data_type }
        }
        6 => Expr::IsNull { negated: reader.bool()?, operand: read_boxed(reader, left)? },
        7 => Expr::InList {
            negated: reader.bool()?,
            operand: read_boxed(reader, left)?,
            list: InList::of(read_list(reader, left)?),
        },
        8 => Expr::Like {
            negated: reader.bool()?,
            case_insensitive: reader.bool()?,
            operand: read_boxed(reader, left)?,
            pattern: read_boxed(reader, left)?,
        },
        9 => read_case(reader, left)?,
        10 => {
            let kind = cast_of(reader.u8()?)?;
            Expr::Cast { to: read_type(reader)?, operand: read_boxed(reader, left)?, kind }
        }
        11 => {
            let function = ScalarFunction::from_name(reader.text()?).ok_or(invalid("function", 0))?;
            Expr::Call { function, data_type: read_type(reader)?, arguments: read_list(reader, left)? }
        }
        12 => {
            let op = binary_of(reader.u8()?)?;
            let all = reader.bool()?;
            Expr::Quantified { op, all, operand: read_boxed(reader, left)?, array: read_boxed(reader, left)? }
        }
        other => return Err(invalid("kind of an expression", other)),
    })
}

fn read_case(reader: &mut Reader<'_>, left: u32) -> Result<Expr, CodecError> {
    let data_type = read_type(reader)?;
    let count = reader.items()?;
    let mut branches = Vec::new();
    for _ in 0..count {
        branches.push((read_nested(reader, left)?, read_nested(reader, left)?));
    }
    let otherwise = if reader.bool()? { Some(read_boxed(reader, left)?) } else { None };
    Ok(Expr::Case { branches, otherwise, data_type })
}

fn invalid(what: &'static str, found: u8) -> CodecError {
    CodecError::Invalid { what, found: u64::from(found) }
}

/// Writes a closed enum's numbers once, for both directions.
macro_rules! numbers {
    ($kind:ident, $number:ident, $of:ident, $what:literal, $($variant:ident = $value:literal,)*) => {
        fn $number(value: $kind) -> u8 {
            match value { $($kind::$variant => $value,)* }
        }

        fn $of(number: u8) -> Result<$kind, CodecError> {
            match number { $($value => Ok($kind::$variant),)* other => Err(invalid($what, other)) }
        }
    };
}

numbers! { UnaryOp, unary_number, unary_of, "operator", Negate = 1, Not = 2, }
numbers! { BinaryOp, binary_number, binary_of, "operator",
    Add = 1, Subtract = 2, Multiply = 3, Divide = 4, Modulo = 5, Concat = 6, Equal = 7, NotEqual = 8, Less = 9,
    LessOrEqual = 10, Greater = 11, GreaterOrEqual = 12, And = 13, Or = 14,
}
numbers! { CastKind, cast_number, cast_of, "kind of a cast", Explicit = 1, Assignment = 2, }
numbers! { AggregateFunction, aggregate_number, aggregate_of, "aggregate",
    CountAll = 1, Count = 2, Sum = 3, Min = 4, Max = 5, Avg = 6, ArrayAgg = 7,
}
