//! `+ - * / %` and negation over numbers and dates, with PostgreSQL's checks.
//!
//! The binder has cast both sides to one number type; only dates take days as integers.

use bigdecimal::BigDecimal;

use crate::error::SqlError;
use crate::expr::BinaryOp;
use crate::expr::eval::mistyped;
use crate::types::cast::{check_integer, integer_out_of_range};
use crate::types::numeric::{self, division_by_zero};
use crate::types::{DataType, Datum, datetime, float};

/// `left op right` for values that are not NULL; `data_type` is the result's.
///
/// # Errors
/// 22012 for a division by zero, 22003 and 22008 beyond the type's range.
pub fn binary(op: BinaryOp, left: &Datum, right: &Datum, data_type: DataType) -> Result<Datum, SqlError> {
    match (left, right) {
        (Datum::Int(left), Datum::Int(right)) => {
            let value = integers(op, *left, *right, data_type)?;
            check_integer(value, data_type).map(Datum::Int)
        }
        (Datum::Float(left), Datum::Float(right)) => floats(op, *left, *right, data_type).map(Datum::Float),
        (Datum::Numeric(left), Datum::Numeric(right)) => numerics(op, left, right).map(Datum::Numeric),
        (Datum::Date(days), Datum::Int(count)) => dates(op, *days, *count),
        (Datum::Int(count), Datum::Date(days)) if op == BinaryOp::Add => dates(op, *days, *count),
        (Datum::Date(left), Datum::Date(right)) if op == BinaryOp::Subtract => {
            let days = datetime::days_between(*left, *right)?;
            check_integer(days, DataType::Int4).map(Datum::Int)
        }
        _ => Err(mistyped("arithmetic")),
    }
}

/// `- value`, which is not NULL.
///
/// # Errors
/// 22003 for the smallest integer of a type.
pub fn negate(value: &Datum, data_type: DataType) -> Result<Datum, SqlError> {
    if let Datum::Int(value) = value {
        let negated = value.checked_neg().ok_or_else(|| integer_out_of_range(data_type))?;
        check_integer(negated, data_type).map(Datum::Int)
    } else if let Datum::Float(value) = value {
        Ok(Datum::Float(-value))
    } else if let Datum::Numeric(value) = value {
        Ok(Datum::Numeric(-value.clone()))
    } else {
        Err(mistyped("negation"))
    }
}

fn not_arithmetic() -> SqlError {
    mistyped("an operator that is not arithmetic")
}

fn integers(op: BinaryOp, left: i64, right: i64, data_type: DataType) -> Result<i64, SqlError> {
    let divides = matches!(op, BinaryOp::Divide | BinaryOp::Modulo);
    if divides && right == 0 {
        return Err(division_by_zero());
    }
    let value = match op {
        BinaryOp::Add => left.checked_add(right),
        BinaryOp::Subtract => left.checked_sub(right),
        BinaryOp::Multiply => left.checked_mul(right),
        BinaryOp::Divide => left.checked_div(right),
        BinaryOp::Modulo => Some(left.checked_rem(right).unwrap_or(0)),
        BinaryOp::Concat
        | BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Less
        | BinaryOp::LessOrEqual
        | BinaryOp::Greater
        | BinaryOp::GreaterOrEqual
        | BinaryOp::And
        | BinaryOp::Or => return Err(not_arithmetic()),
    };
    value.ok_or_else(|| integer_out_of_range(data_type))
}

fn floats(op: BinaryOp, left: f64, right: f64, data_type: DataType) -> Result<f64, SqlError> {
    if op == BinaryOp::Divide && right == 0.0 && !left.is_nan() {
        return Err(division_by_zero());
    }
    let value = match op {
        BinaryOp::Add => left + right,
        BinaryOp::Subtract => left - right,
        BinaryOp::Multiply => left * right,
        BinaryOp::Divide => left / right,
        BinaryOp::Modulo
        | BinaryOp::Concat
        | BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Less
        | BinaryOp::LessOrEqual
        | BinaryOp::Greater
        | BinaryOp::GreaterOrEqual
        | BinaryOp::And
        | BinaryOp::Or => return Err(not_arithmetic()),
    };
    // Of two REALs a double has twice the bits that it takes to round only once in effect.
    let value = if data_type == DataType::Float4 { f64::from(float::single(value)) } else { value };
    check_float(value, op, left, right)
}

/// Refuses results that only their rounding to infinity or zero explains.
fn check_float(value: f64, op: BinaryOp, left: f64, right: f64) -> Result<f64, SqlError> {
    if value.is_infinite() && left.is_finite() && right.is_finite() {
        return Err(float::overflow());
    }
    let vanished = match op {
        BinaryOp::Multiply => left != 0.0 && right != 0.0,
        BinaryOp::Divide => left != 0.0 && right.is_finite(),
        BinaryOp::Add
        | BinaryOp::Subtract
        | BinaryOp::Modulo
        | BinaryOp::Concat
        | BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Less
        | BinaryOp::LessOrEqual
        | BinaryOp::Greater
        | BinaryOp::GreaterOrEqual
        | BinaryOp::And
        | BinaryOp::Or => false,
    };
    if value == 0.0 && vanished {
        return Err(float::underflow());
    }
    Ok(value)
}

fn numerics(op: BinaryOp, left: &BigDecimal, right: &BigDecimal) -> Result<BigDecimal, SqlError> {
    match op {
        BinaryOp::Add => numeric::add(left, right),
        BinaryOp::Subtract => numeric::subtract(left, right),
        BinaryOp::Multiply => numeric::multiply(left, right),
        BinaryOp::Divide => numeric::divide(left, right),
        BinaryOp::Modulo => numeric::remainder(left, right),
        BinaryOp::Concat
        | BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Less
        | BinaryOp::LessOrEqual
        | BinaryOp::Greater
        | BinaryOp::GreaterOrEqual
        | BinaryOp::And
        | BinaryOp::Or => Err(not_arithmetic()),
    }
}

/// A date some days later or earlier.
fn dates(op: BinaryOp, days: i32, count: i64) -> Result<Datum, SqlError> {
    let count = match op {
        BinaryOp::Add => count,
        BinaryOp::Subtract => -count,
        BinaryOp::Multiply
        | BinaryOp::Divide
        | BinaryOp::Modulo
        | BinaryOp::Concat
        | BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Less
        | BinaryOp::LessOrEqual
        | BinaryOp::Greater
        | BinaryOp::GreaterOrEqual
        | BinaryOp::And
        | BinaryOp::Or => return Err(not_arithmetic()),
    };
    datetime::add_days(days, count).map(Datum::Date)
}
