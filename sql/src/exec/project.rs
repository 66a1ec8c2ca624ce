//! Computes expressions over each row.

use async_trait::async_trait;

use super::context::{ExecContext, ExecError};
use super::operator::Operator;
use crate::expr::Expr;
use crate::expr::eval::eval;
use crate::types::Row;

/// The select list.
pub struct Project {
    input: Box<dyn Operator>,
    exprs: Vec<Expr>,
}

impl Project {
    /// `exprs` over each row of `input`.
    pub fn new(input: Box<dyn Operator>, exprs: Vec<Expr>) -> Self {
        Self { input, exprs }
    }
}

#[async_trait]
impl Operator for Project {
    async fn next(&mut self, context: &mut ExecContext<'_>) -> Result<Option<Vec<Row>>, ExecError> {
        let Some(rows) = self.input.next(context).await? else { return Ok(None) };
        let mut projected = Vec::with_capacity(rows.len());
        for row in rows {
            let exprs = &self.exprs;
            let computed = context.computing().compute(|eval_context| {
                exprs.iter().map(|expr| eval(expr, &row, eval_context)).collect::<Result<Row, _>>()
            });
            projected.push(computed.await?);
        }
        Ok(Some(projected))
    }
}
