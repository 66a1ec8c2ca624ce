//! Operators: which exist for which types, and the casts of their sides.

use super::Binder;
use super::coerce::explicit_cast;
use super::common_type::{arithmetic, compared};
use crate::error::{SqlError, SqlState};
use crate::expr::{BinaryOp, Expr, ScalarFunction, UnaryOp};
use crate::parser::ast::UnaryOperator;
use crate::types::DataType;

/// The error of an operator that does not exist for these types.
pub fn undefined(op: &str, left: DataType, right: DataType, position: u32) -> SqlError {
    let message = format!("operator does not exist: {} {op} {}", left.base(), right.base());
    SqlError::new(SqlState::UndefinedFunction, message)
        .with_hint(
            "No operator matches the given name and argument types. You might need to add explicit type casts.",
        )
        .at(position)
}

impl Binder<'_> {
    /// `left op right`.
    ///
    /// # Errors
    /// 42883 where the operator does not exist for the types, 42804 for AND and OR.
    pub(super) fn binary(&self, op: BinaryOp, sides: (Expr, Expr), position: u32) -> Result<Expr, SqlError> {
        let (left, right) = (self.parameters.retyped(sides.0), self.parameters.retyped(sides.1));
        match op {
            BinaryOp::And | BinaryOp::Or => {
                let left = self.condition(left, op.symbol(), position)?;
                let right = self.condition(right, op.symbol(), position)?;
                Ok(tree(op, left, right, DataType::Bool))
            }
            BinaryOp::Concat if is_array(&left) || is_array(&right) => {
                self.concat_arrays(left, right, position)
            }
            BinaryOp::Concat => self.concat(left, right, position),
            BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulo => {
                self.arithmetic(op, left, right, position)
            }
            BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Less
            | BinaryOp::LessOrEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterOrEqual => self.comparison(op, left, right, position),
        }
    }

    fn comparison(&self, op: BinaryOp, left: Expr, right: Expr, position: u32) -> Result<Expr, SqlError> {
        let (left_type, right_type) = (left.data_type(), right.data_type());
        let undefined = || undefined(op.symbol(), left_type, right_type, position);
        let (left_to, right_to) = compared(left_type, right_type).ok_or_else(undefined)?;
        let left = self.coerce(left, left_to, position)?.ok_or_else(undefined)?;
        let right = self.coerce(right, right_to, position)?.ok_or_else(undefined)?;
        Ok(tree(op, left, right, DataType::Bool))
    }

    /// `nullif(a, b)`: the sides are compared as by `=`, and the first is the result.
    ///
    /// # Errors
    /// 42883 where they cannot be compared.
    pub(super) fn null_if(&self, sides: (Expr, Expr), position: u32) -> Result<Expr, SqlError> {
        let compared = self.binary(BinaryOp::Equal, sides, position)?;
        let Expr::Binary { left, right, .. } = compared else { return Ok(compared) };
        let data_type = left.data_type();
        let function = ScalarFunction::NullIf;
        Ok(Expr::Call { function, arguments: vec![*left, *right], data_type })
    }

    /// Text with text, or with anything that is written as text.
    fn concat(&self, left: Expr, right: Expr, position: u32) -> Result<Expr, SqlError> {
        let is_text = |data_type: DataType| data_type.is_text() || data_type == DataType::Unknown;
        let (left_type, right_type) = (left.data_type(), right.data_type());
        if !is_text(left_type) && !is_text(right_type) {
            return Err(undefined("||", left_type, right_type, position));
        }
        let as_text = |expr: Expr| {
            if is_text(expr.data_type()) {
                let text = self.coerce(expr.clone(), DataType::TEXT, position)?;
                Ok::<_, SqlError>(text.unwrap_or(expr))
            } else {
                Ok(explicit_cast(expr, DataType::TEXT))
            }
        };
        Ok(tree(BinaryOp::Concat, as_text(left)?, as_text(right)?, DataType::TEXT))
    }

    fn arithmetic(&self, op: BinaryOp, left: Expr, right: Expr, position: u32) -> Result<Expr, SqlError> {
        let (left_type, right_type) = (left.data_type(), right.data_type());
        if left_type == DataType::Unknown && right_type == DataType::Unknown {
            return Err(not_unique(op, left_type, right_type, position));
        }
        let is_time =
            |data_type| matches!(data_type, DataType::Date | DataType::Timestamp | DataType::TimestampTz);
        if is_time(left_type) || is_time(right_type) {
            return self.date_arithmetic(op, left, right, position);
        }
        let undefined = || undefined(op.symbol(), left_type, right_type, position);
        let common = arithmetic(left_type, right_type).ok_or_else(undefined)?;
        if op == BinaryOp::Modulo && common.is_float() {
            return Err(undefined());
        }
        let left = self.coerce(left, common, position)?.ok_or_else(undefined)?;
        let right = self.coerce(right, common, position)?.ok_or_else(undefined)?;
        Ok(tree(op, left, right, common))
    }

    /// Dates with days; what would need INTERVAL is not offered.
    fn date_arithmetic(
        &self,
        op: BinaryOp,
        left: Expr,
        right: Expr,
        position: u32,
    ) -> Result<Expr, SqlError> {
        use DataType::{Date, Int2, Int4, Timestamp, TimestampTz, Unknown};
        let (left_type, right_type) = (left.data_type(), right.data_type());
        let undefined = || undefined(op.symbol(), left_type, right_type, position);
        let (left_to, right_to, result) = match (op, left_type, right_type) {
            (BinaryOp::Subtract, Date | Unknown, Date) | (BinaryOp::Subtract, Date, Unknown) => {
                (Date, Date, Int4)
            }
            (BinaryOp::Add | BinaryOp::Subtract, Date, Int2 | Int4) => (Date, Int4, Date),
            (BinaryOp::Add, Int2 | Int4, Date) => (Int4, Date, Date),
            // Days, or an interval.
            (BinaryOp::Add, Date, Unknown) | (BinaryOp::Add, Unknown, Date) => {
                return Err(not_unique(op, left_type, right_type, position));
            }
            (BinaryOp::Subtract, Date | Timestamp | TimestampTz, Date | Timestamp | TimestampTz)
            | (BinaryOp::Add | BinaryOp::Subtract, Timestamp | TimestampTz, Unknown) => {
                return Err(SqlError::unsupported("INTERVAL").at(position));
            }
            _ => return Err(undefined()),
        };
        let left = self.coerce(left, left_to, position)?.ok_or_else(undefined)?;
        let right = self.coerce(right, right_to, position)?.ok_or_else(undefined)?;
        Ok(tree(op, left, right, result))
    }

    /// `- x`, `+ x`, `NOT x`.
    ///
    /// # Errors
    /// 42883 for signs of what is no number, 42804 for NOT of what is no condition.
    pub(super) fn unary(&self, op: UnaryOperator, operand: Expr, position: u32) -> Result<Expr, SqlError> {
        let data_type = operand.data_type();
        let sign = match op {
            UnaryOperator::Not => {
                let operand = self.condition(operand, "NOT", position)?;
                return Ok(Expr::Unary(UnaryOp::Not, Box::new(operand)));
            }
            UnaryOperator::Plus => "+",
            UnaryOperator::Minus => "-",
        };
        if !data_type.is_number() {
            let (state, what) = if data_type == DataType::Unknown {
                (SqlState::AmbiguousFunction, "is not unique")
            } else {
                (SqlState::UndefinedFunction, "does not exist")
            };
            let message = format!("operator {what}: {sign} {}", data_type.base());
            return Err(SqlError::new(state, message)
                .with_hint(
                    "No operator matches the given name and argument type. You might need to add an explicit type cast.",
                )
                .at(position));
        }
        Ok(match op {
            UnaryOperator::Minus => Expr::Unary(UnaryOp::Negate, Box::new(operand)),
            UnaryOperator::Plus | UnaryOperator::Not => operand,
        })
    }
}

/// What to do about a call that several functions could be.
pub const NOT_UNIQUE_HINT: &str =
    "Could not choose a best candidate function. You might need to add explicit type casts.";

fn is_array(expr: &Expr) -> bool {
    expr.data_type().element().is_some()
}

fn not_unique(op: BinaryOp, left: DataType, right: DataType, position: u32) -> SqlError {
    let message = format!("operator is not unique: {} {} {}", left.base(), op.symbol(), right.base());
    SqlError::new(SqlState::AmbiguousFunction, message)
        .with_hint("Could not choose a best candidate operator. You might need to add explicit type casts.")
        .at(position)
}

fn tree(op: BinaryOp, left: Expr, right: Expr, data_type: DataType) -> Expr {
    Expr::Binary { op, left: Box::new(left), right: Box::new(right), data_type }
}
