//! Constant rows.

use async_trait::async_trait;

use super::context::{ExecContext, ExecError};
use super::operator::Operator;
use crate::expr::Expr;
use crate::expr::eval::eval;
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
            let row = context.computing().compute(|eval_context| {
                exprs.iter().map(|expr| eval(expr, &[], eval_context)).collect::<Result<Row, _>>()
            });
            batch.push(row.await?);
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}
