//! The casts that bring expressions to the types that their surroundings want.

use super::Binder;
use crate::error::{SqlError, SqlState};
use crate::expr::{CastKind, Expr};
use crate::types::cast::{CastRule, cast_rule};
use crate::types::text::from_text;
use crate::types::{DataType, Datum};

impl Binder<'_> {
    /// The expression as a value of another type, where PostgreSQL casts implicitly; `None` where it does not. A cast
    /// that leaves the value as it is ([`is_relabeled`]) is left out.
    ///
    /// # Errors
    /// A literal that is not of the type.
    pub(super) fn coerce(&self, expr: Expr, to: DataType, position: u32) -> Result<Option<Expr>, SqlError> {
        let to = to.base();
        let from = expr.data_type();
        if from == DataType::Unknown && to != DataType::Unknown {
            return self.coerce_unknown(expr, to, position);
        }
        if from.base() == to {
            return Ok(Some(expr));
        }
        if cast_rule(from, to) != Some(CastRule::Implicit) {
            return Ok(None);
        }
        if !is_relabeled(from, to) {
            return Ok(Some(explicit_cast(expr, to)));
        }
        Ok(Some(if let Expr::Literal(value, _) = expr { Expr::Literal(value, to) } else { expr }))
    }

    /// A string literal, NULL or parameter takes the type that its surroundings want.
    fn coerce_unknown(&self, expr: Expr, to: DataType, position: u32) -> Result<Option<Expr>, SqlError> {
        match expr {
            Expr::Literal(Datum::Null, _) => Ok(Some(Expr::Literal(Datum::Null, to))),
            // What a name means is looked up in the catalog as the statement is planned.
            Expr::Literal(name, _) if to.is_reg() => {
                Ok(Some(explicit_cast(Expr::Literal(name, DataType::TEXT), to)))
            }
            Expr::Parameter { index, .. } if to.is_reg() => {
                let learnt = self.parameters.learn(index, DataType::TEXT);
                Ok(Some(explicit_cast(Expr::Parameter { index, data_type: learnt }, to)))
            }
            Expr::Literal(Datum::Text(text), _) => {
                let value = from_text(&text, &to).map_err(|error| error.at(position))?;
                Ok(Some(Expr::Literal(value, to)))
            }
            Expr::Parameter { index, .. } => {
                let learnt = self.parameters.learn(index, to);
                self.coerce(Expr::Parameter { index, data_type: learnt }, to, position)
            }
            expr @ (Expr::Literal(..)
            | Expr::Column { .. }
            | Expr::Unary(..)
            | Expr::Binary { .. }
            | Expr::IsNull { .. }
            | Expr::InList { .. }
            | Expr::Quantified { .. }
            | Expr::Like { .. }
            | Expr::Case { .. }
            | Expr::Cast { .. }
            | Expr::Call { .. }) => Ok(Some(explicit_cast(expr, to))),
        }
    }

    /// The expression with an unknown type made TEXT, as PostgreSQL does where nothing else decides.
    ///
    /// # Errors
    /// None in practice: any literal is a text.
    pub(super) fn settle(&self, expr: Expr, position: u32) -> Result<Expr, SqlError> {
        if expr.data_type() != DataType::Unknown {
            return Ok(expr);
        }
        self.coerce(expr.clone(), DataType::TEXT, position).map(|settled| settled.unwrap_or(expr))
    }

    /// A condition.
    ///
    /// # Errors
    /// 42804 where it is no truth value; `clause` says whose.
    pub(super) fn condition(&self, expr: Expr, clause: &str, position: u32) -> Result<Expr, SqlError> {
        let from = expr.data_type();
        self.coerce(expr, DataType::Bool, position)?.ok_or_else(|| {
            let message = format!("argument of {clause} must be type boolean, not type {from}");
            SqlError::new(SqlState::DatatypeMismatch, message).at(position)
        })
    }

    /// A value for a column: assignment casts, length and precision included.
    ///
    /// # Errors
    /// 42804 where the types do not fit; those of a literal that is not of the type.
    pub(super) fn assign(
        &self,
        expr: Expr,
        column: (&str, DataType),
        position: u32,
    ) -> Result<Expr, SqlError> {
        let (name, to) = column;
        if let Expr::Literal(Datum::Text(text), DataType::Unknown) = &expr {
            let value = from_text(text, &to).map_err(|error| error.at(position))?;
            return Ok(Expr::Literal(value, to));
        }
        let expr = if expr.data_type() == DataType::Unknown {
            self.coerce_unknown(expr, to.base(), position)?.unwrap_or(Expr::Literal(Datum::Null, to))
        } else {
            expr
        };
        let from = expr.data_type();
        let widens = is_relabeled(from, to) && cast_rule(from, to) == Some(CastRule::Implicit);
        if matches!(expr, Expr::Literal(Datum::Null, _)) {
            return Ok(Expr::Literal(Datum::Null, to));
        }
        if from == to || widens {
            return Ok(expr);
        }
        match cast_rule(from, to) {
            Some(CastRule::Implicit | CastRule::Assignment) => {
                Ok(Expr::Cast { operand: Box::new(expr), to, kind: CastKind::Assignment })
            }
            Some(CastRule::Explicit) | None => {
                let message = format!(
                    "column \"{name}\" is of type {} but expression is of type {}",
                    to.base(),
                    from.base()
                );
                Err(SqlError::new(SqlState::DatatypeMismatch, message)
                    .with_hint("You will need to rewrite or cast the expression.")
                    .at(position))
            }
        }
    }
}

/// Whether each value of a type is one of the other as it is: wider integers and floats, and text without a limit.
fn is_relabeled(from: DataType, to: DataType) -> bool {
    if let (Some(from), Some(to)) = (from.element(), to.element()) {
        return is_relabeled(from, to);
    }
    (from.is_integer() && to.is_integer())
        || (from == DataType::Float4 && to == DataType::Float8)
        || (matches!(from, DataType::Text | DataType::Varchar { .. })
            && matches!(to, DataType::Text | DataType::Varchar { length_max: None }))
        || (matches!(from, DataType::Name | DataType::QuotedChar) && to == DataType::Text)
}

/// A cast as the user would write it.
pub fn explicit_cast(expr: Expr, to: DataType) -> Expr {
    Expr::Cast { operand: Box::new(expr), to, kind: CastKind::Explicit }
}
