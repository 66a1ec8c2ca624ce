//! `GROUP BY` and aggregates where the ranges could not do it.

use async_trait::async_trait;

use super::context::{ExecContext, ExecError};
use super::groups::Groups;
use super::operator::{Operator, take_batch};
use crate::error::SqlError;
use crate::expr::eval::{EvalContext, eval};
use crate::expr::{Aggregate, Expr};
use crate::types::{Datum, Row};

/// Groups its whole input by hashing.
pub struct AggregateRows {
    input: Box<dyn Operator>,
    group_by: Vec<Expr>,
    aggregates: Vec<Aggregate>,
    groups: Option<std::vec::IntoIter<Row>>,
}

impl AggregateRows {
    /// Groups of `input`.
    pub fn new(input: Box<dyn Operator>, group_by: Vec<Expr>, aggregates: Vec<Aggregate>) -> Self {
        Self { input, group_by, aggregates, groups: None }
    }

    async fn group(&mut self, context: &mut ExecContext<'_>) -> Result<Vec<Row>, ExecError> {
        let mut groups = Groups::new(self.group_by.len(), self.aggregates.clone());
        while let Some(rows) = self.input.next(context).await? {
            for row in rows {
                let (group_by, aggregates) = (&self.group_by, &self.aggregates);
                let grouped = context
                    .computing()
                    .compute(|eval_context| grouped((group_by, aggregates), &row, eval_context));
                let (keys, arguments) = grouped.await?;
                groups.add(keys, &arguments)?;
            }
        }
        Ok(groups.finish()?)
    }
}

/// A row's group keys, and the argument of each aggregate.
fn grouped(
    (group_by, aggregates): (&[Expr], &[Aggregate]),
    row: &[Datum],
    context: &EvalContext<'_>,
) -> Result<(Row, Vec<Option<Datum>>), SqlError> {
    let keys = group_by.iter().map(|expr| eval(expr, row, context)).collect::<Result<_, _>>()?;
    let argument = |aggregate: &Aggregate| {
        aggregate.argument.as_ref().map(|argument| eval(argument, row, context)).transpose()
    };
    Ok((keys, aggregates.iter().map(argument).collect::<Result<_, _>>()?))
}

#[async_trait]
impl Operator for AggregateRows {
    async fn next(&mut self, context: &mut ExecContext<'_>) -> Result<Option<Vec<Row>>, ExecError> {
        if self.groups.is_none() {
            self.groups = Some(self.group(context).await?.into_iter());
        }
        Ok(self.groups.as_mut().and_then(take_batch))
    }
}
