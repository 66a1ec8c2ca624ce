//! What the grammar knows of arrays, to ours: `ARRAY[…]`, subscripts, ANY and ALL.

use sqlparser::ast::{AccessExpr, Array, BinaryOperator, Expr as SqlExpr, Subscript};

use super::ast::{Expr, ExprKind};
use super::expr::{Convert, Converted};
use super::operator::operator;
use super::place;
use crate::error::{SqlError, SqlState};
use crate::limits::ARRAY_ELEMENTS_MAX;

impl Convert<'_> {
    /// `ARRAY[a, b]`.
    ///
    /// # Errors
    /// 42601 without the word, 54000 for too many elements, and those of the elements.
    pub(super) fn array(&self, array: Array, position: u32) -> Converted {
        if !array.named {
            return Err(misplaced_bracket(position));
        }
        if array.elem.len() > ARRAY_ELEMENTS_MAX {
            let message = format!("array size exceeds the maximum allowed ({ARRAY_ELEMENTS_MAX})");
            return Err(SqlError::new(SqlState::ProgramLimitExceeded, message).at(position));
        }
        Ok(Expr { position, kind: ExprKind::Array(self.list(array.elem)?) })
    }

    /// `x op ANY (array)`, `x op ALL (array)`.
    ///
    /// # Errors
    /// 0A000 for subqueries, and for operators that Quorate lacks.
    pub(super) fn quantified(
        &self,
        (left, op, right): (SqlExpr, &BinaryOperator, SqlExpr),
        all: bool,
    ) -> Converted {
        let position = self.position(place::of_expr(&left));
        let op = operator(op).map_err(|error| error.at(position))?;
        let (operand, array) = (Box::new(self.expr(left)?), Box::new(self.expr(right)?));
        Ok(Expr { position, kind: ExprKind::Quantified { op, operand, array, all } })
    }

    /// `x[1]`; the `x` may be a column with its table in front.
    ///
    /// # Errors
    /// 0A000 for slices, for more than one subscript, and for fields of composite values.
    pub(super) fn subscript(&self, root: SqlExpr, chain: Vec<AccessExpr>) -> Converted {
        let position = self.position(place::of_expr(&root));
        let lacking = |what: &str| Err(SqlError::unsupported(what).at(position));
        let mut chain = chain.into_iter().peekable();
        let operand = match root {
            SqlExpr::Identifier(name) => {
                let mut names = vec![name];
                while let Some(AccessExpr::Dot(SqlExpr::Identifier(name))) =
                    chain.next_if(|access| matches!(access, AccessExpr::Dot(SqlExpr::Identifier(_))))
                {
                    names.push(name);
                }
                self.column(names)?
            }
            root @ (SqlExpr::CompoundIdentifier(_) | SqlExpr::Nested(_) | SqlExpr::Value(_)) => {
                self.expr(root)?
            }
            // The grammar of PostgreSQL wants parentheses around all else.
            _ => return Err(misplaced_bracket(position)),
        };
        let index = match chain.next() {
            Some(AccessExpr::Subscript(Subscript::Index { index })) => self.expr(index)?,
            Some(AccessExpr::Subscript(Subscript::Slice { .. })) => return lacking("a slice of an array"),
            Some(AccessExpr::Dot(_)) | None => return lacking("a field of a composite value"),
        };
        match chain.next() {
            None => {}
            Some(AccessExpr::Subscript(_)) => return lacking("a multidimensional array"),
            Some(AccessExpr::Dot(_)) => return lacking("a field of a composite value"),
        }
        let kind = ExprKind::Subscript { operand: Box::new(operand), index: Box::new(index) };
        Ok(Expr { position, kind })
    }
}

/// The error of a bracket where none may be.
fn misplaced_bracket(position: u32) -> SqlError {
    SqlError::new(SqlState::SyntaxError, "syntax error at or near \"[\"").at(position)
}
