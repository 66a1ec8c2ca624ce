//! Keeps the rows for which a predicate is true.

use async_trait::async_trait;

use super::context::{ExecContext, ExecError};
use super::operator::Operator;
use crate::expr::Expr;
use crate::expr::eval::is_true;
use crate::types::Row;

/// `WHERE` and `HAVING` where the ranges did not do it.
pub struct Filter {
    input: Box<dyn Operator>,
    predicate: Expr,
}

impl Filter {
    /// Rows of `input` for which `predicate` is true.
    pub fn new(input: Box<dyn Operator>, predicate: Expr) -> Self {
        Self { input, predicate }
    }
}

#[async_trait]
impl Operator for Filter {
    async fn next(&mut self, context: &mut ExecContext<'_>) -> Result<Option<Vec<Row>>, ExecError> {
        while let Some(rows) = self.input.next(context).await? {
            let mut kept = Vec::with_capacity(rows.len());
            for row in rows {
                let predicate = &self.predicate;
                let is_kept =
                    context.computing().compute(|eval_context| is_true(predicate, &row, eval_context));
                if is_kept.await? {
                    kept.push(row);
                }
            }
            if !kept.is_empty() {
                return Ok(Some(kept));
            }
        }
        Ok(None)
    }
}
