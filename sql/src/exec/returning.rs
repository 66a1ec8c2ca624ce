//! RETURNING: what a change of rows gives back. Nothing leaves before the statement has done all of its work, and one that
//! commits alone has committed.

use super::context::Computing;
use super::memory::{Budget, row_bytes};
use crate::error::SqlError;
use crate::expr::Expr;
use crate::expr::eval::{EvalContext, eval};
use crate::types::{Datum, Row};

/// The rows that a statement returns.
pub struct Returning {
    exprs: Option<Vec<Expr>>,
    rows: Vec<Row>,
    budget: Budget,
}

impl Returning {
    /// Of these expressions over the table's row; without them nothing is returned.
    pub fn new(exprs: Option<Vec<Expr>>) -> Self {
        Self { exprs, rows: Vec::new(), budget: Budget::new("RETURNING") }
    }

    /// Whether anything is returned.
    pub fn is_wanted(&self) -> bool {
        self.exprs.is_some()
    }

    /// Adds what is returned of a row that was written, or removed.
    ///
    /// # Errors
    /// Those of the expressions; 53200.
    pub async fn add(&mut self, row: &[Datum], computing: Computing<'_>) -> Result<(), SqlError> {
        let Some(exprs) = &self.exprs else { return Ok(()) };
        let compute = |context: &EvalContext<'_>| {
            exprs.iter().map(|expr| eval(expr, row, context)).collect::<Result<Row, _>>()
        };
        let returned = computing.compute(compute).await?;
        self.budget.add(row_bytes(&returned))?;
        self.rows.push(returned);
        Ok(())
    }

    /// All of them; `None` without RETURNING.
    pub fn into_rows(self) -> Option<Vec<Row>> {
        let Self { exprs, rows, .. } = self;
        exprs.map(|_| rows)
    }
}

/// What a change of rows has done.
pub struct Changed {
    /// Rows.
    pub count: u64,
    /// What it returns of them, where it does.
    pub returned: Option<Vec<Row>>,
}
