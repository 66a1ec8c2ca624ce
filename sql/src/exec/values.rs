//! Constant rows.

use async_trait::async_trait;

use super::context::{Computing, ExecContext, ExecError};
use super::operator::Operator;
use crate::error::SqlError;
use crate::expr::Expr;
use crate::expr::eval::{EvalContext, eval};
use crate::limits::BATCH_ROWS;
use crate::types::Row;

/// `VALUES`, and the one row of a SELECT without FROM.
pub struct Values {
    rows: std::vec::IntoIter<Vec<Expr>>,
}

impl Values {
    /// These rows.
    pub fn new(rows: Vec<Vec<Expr>>) -> Self {
        Self { rows: rows.into_iter() }
    }
}

#[async_trait]
impl Operator for Values {
    async fn next(&mut self, context: &mut ExecContext<'_>) -> Result<Option<Vec<Row>>, ExecError> {
        let mut batch = Vec::new();
        for exprs in self.rows.by_ref().take(BATCH_ROWS) {
            batch.push(match context.computing().at_once(|eval_context| row_of(&exprs, eval_context)) {
                Some(row) => row?,
                // Seldom: kept out of the future of all rows.
                None => Box::pin(later(&exprs, context.computing())).await?,
            });
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}

fn row_of(exprs: &[Expr], context: &EvalContext<'_>) -> Result<Row, SqlError> {
    let mut row = Row::with_capacity(exprs.len());
    for expr in exprs {
        row.push(eval(expr, &[], context)?);
    }
    Ok(row)
}

async fn later(exprs: &[Expr], computing: Computing<'_>) -> Result<Row, SqlError> {
    computing.compute(|context| row_of(exprs, context)).await
}
