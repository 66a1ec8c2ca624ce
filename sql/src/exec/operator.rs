//! The operators' common shape, and the tree of them that a query becomes.

use async_trait::async_trait;

use super::aggregate::AggregateRows;
use super::context::{ExecContext, ExecError};
use super::distinct::Distinct;
use super::filter::Filter;
use super::limit::Limit;
use super::project::Project;
use super::scan::Scan;
use super::sort::Sort;
use super::system_scan::SystemScan;
use super::table_function::CallRows;
use super::values::Values;
use crate::error::SqlError;
use crate::limits::BATCH_ROWS;
use crate::plan::node::Query;
use crate::types::Row;

/// Yields rows in batches.
#[async_trait]
pub trait Operator: Send {
    /// The next rows, at least one; `None` at the end.
    async fn next(&mut self, context: &mut ExecContext<'_>) -> Result<Option<Vec<Row>>, ExecError>;
}

/// The operators of a query.
///
/// # Errors
/// 54000 for what is too large to be sent to the ranges.
pub fn build(query: Query) -> Result<Box<dyn Operator>, SqlError> {
    build_numbered(query, &mut 0)
}

/// Numbers the nodes, parents first, as EXPLAIN prints them.
fn build_numbered(query: Query, next_number: &mut usize) -> Result<Box<dyn Operator>, SqlError> {
    let number = *next_number;
    *next_number += 1;
    let mut below = |query: Box<Query>| build_numbered(*query, next_number);
    let inner: Box<dyn Operator> = match query {
        Query::Values { rows } => Box::new(Values::new(rows)),
        Query::Function { function, arguments, ordinality } => {
            Box::new(CallRows::new(function, arguments, ordinality))
        }
        Query::Scan { table, access, reverse, pushed } => {
            Box::new(Scan::new(number, &table, access, (reverse, pushed))?)
        }
        Query::SystemScan { table, filter } => Box::new(SystemScan::new(table, filter)),
        Query::Filter(input, predicate) => Box::new(Filter::new(below(input)?, predicate)),
        Query::Project(input, exprs) => Box::new(Project::new(below(input)?, exprs)),
        Query::Aggregate { input, group_by, aggregates } => {
            Box::new(AggregateRows::new(below(input)?, group_by, aggregates))
        }
        Query::Sort { input, keys, limit } => Box::new(Sort::new(below(input)?, keys, limit)),
        Query::Distinct(input) => Box::new(Distinct::new(below(input)?)),
        Query::Limit { input, offset, limit } => Box::new(Limit::new(below(input)?, offset, limit)),
    };
    Ok(Box::new(Counted { number, inner }))
}

/// Counts the rows of an operator.
struct Counted {
    number: usize,
    inner: Box<dyn Operator>,
}

#[async_trait]
impl Operator for Counted {
    async fn next(&mut self, context: &mut ExecContext<'_>) -> Result<Option<Vec<Row>>, ExecError> {
        context.limits.cancel.check()?;
        let rows = self.inner.next(context).await?;
        context.sleep().await?;
        context.profile.add_rows(self.number, rows.as_ref().map_or(0, Vec::len));
        Ok(rows)
    }
}

/// Gives out rows that an operator has made, batch by batch.
pub fn take_batch(rows: &mut std::vec::IntoIter<Row>) -> Option<Vec<Row>> {
    let batch: Vec<Row> = rows.take(BATCH_ROWS).collect();
    (!batch.is_empty()).then_some(batch)
}
