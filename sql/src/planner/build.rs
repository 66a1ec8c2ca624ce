//! From bound statements to plans: parameters and the clock become constants, then the rules of
//! [`crate::optimize`] run.
//!
//! Invariant: what ranges run of a plan holds no parameter and no `now()`, so that it can be sent to them as it is.

use std::sync::Arc;

use crate::bind::select_scan;
use crate::bind::{BoundDml, BoundInsert, BoundQuery, BoundReturning};
use crate::catalog::descriptor::TableDescriptor;
use crate::error::{SqlError, SqlState};
use crate::expr::Expr;
use crate::expr::eval::{EvalContext, eval};
use crate::optimize::{fold_constants, optimize};
use crate::plan::node::{OnConflict, Plan, Query};
use crate::types::Datum;

/// Plans a statement for these parameters.
///
/// # Errors
/// 22023 for a negative LIMIT or OFFSET, 42P02 for a parameter without a value.
pub fn plan(statement: &BoundDml, context: &EvalContext<'_>) -> Result<Plan, SqlError> {
    Ok(match statement {
        BoundDml::Query(query) => Plan::Query { query: plan_query(query, context)? },
        BoundDml::Insert(insert) => self::insert(insert, context)?,
        BoundDml::Update(update) => Plan::Update {
            table: Arc::clone(&update.table),
            source: plan_query(&rows_of(&update.table, update.filter.as_ref()), context)?,
            assignments: constants_of(update.assignments.clone(), context)?,
            returning: returned(update.returning.as_ref(), context)?,
        },
        BoundDml::Delete(delete) => Plan::Delete {
            table: Arc::clone(&delete.table),
            source: plan_query(&rows_of(&delete.table, delete.filter.as_ref()), context)?,
            returning: returned(delete.returning.as_ref(), context)?,
        },
    })
}

/// Plans a query for these parameters.
///
/// # Errors
/// As [`plan`].
pub fn plan_query(query: &BoundQuery, context: &EvalContext<'_>) -> Result<Query, SqlError> {
    limited(query, context).map(optimize)
}

/// The query's tree with constants in place of parameters, and with its limit.
fn limited(query: &BoundQuery, context: &EvalContext<'_>) -> Result<Query, SqlError> {
    let tree = query.tree.clone().map_exprs(&mut |expr| fold_constants(expr, context))?;
    let limit = row_count(query.limit.as_ref(), "LIMIT", context)?;
    let offset = row_count(query.offset.as_ref(), "OFFSET", context)?.unwrap_or(0);
    if limit.is_none() && offset == 0 {
        return Ok(tree);
    }
    Ok(Query::Limit { input: Box::new(tree), offset, limit })
}

/// The value of LIMIT or OFFSET; NULL is as if it were not there.
fn row_count(count: Option<&Expr>, clause: &str, context: &EvalContext<'_>) -> Result<Option<u64>, SqlError> {
    let Some(count) = count else { return Ok(None) };
    let Datum::Int(count) = eval(count, &[], context)? else { return Ok(None) };
    u64::try_from(count).map(Some).map_err(|_| {
        let state = if clause == "LIMIT" {
            SqlState::InvalidRowCountInLimit
        } else {
            SqlState::InvalidRowCountInOffset
        };
        SqlError::new(state, format!("{clause} must not be negative"))
    })
}

fn insert(insert: &BoundInsert, context: &EvalContext<'_>) -> Result<Plan, SqlError> {
    let columns = insert.columns.iter().cloned().map(|column| fold_constants(column, context));
    let columns = columns.collect::<Result<_, _>>()?;
    let source = Query::Project(Box::new(limited(&insert.source, context)?), columns);
    let on_conflict = match insert.on_conflict.clone() {
        OnConflict::Update { assignments, filter } => OnConflict::Update {
            assignments: constants_of(assignments, context)?,
            filter: filter.map(|filter| fold_constants(filter, context)).transpose()?,
        },
        other @ (OnConflict::Error | OnConflict::Nothing | OnConflict::Replace) => other,
    };
    let returning = returned(insert.returning.as_ref(), context)?;
    Ok(Plan::Insert { table: Arc::clone(&insert.table), source: optimize(source), on_conflict, returning })
}

/// Whole rows of a table that a condition is true for.
pub(super) fn rows_of(table: &Arc<TableDescriptor>, filter: Option<&Expr>) -> BoundQuery {
    let scan = select_scan(table);
    let tree = match filter {
        Some(filter) => Query::Filter(Box::new(scan), filter.clone()),
        None => scan,
    };
    BoundQuery { tree, offset: None, limit: None, columns: Vec::new() }
}

fn returned(
    returning: Option<&BoundReturning>,
    context: &EvalContext<'_>,
) -> Result<Option<Vec<Expr>>, SqlError> {
    let Some(returning) = returning else { return Ok(None) };
    let exprs = returning.exprs.iter().cloned().map(|expr| fold_constants(expr, context));
    exprs.collect::<Result<_, _>>().map(Some)
}

fn constants_of(
    assignments: Vec<(usize, Expr)>,
    context: &EvalContext<'_>,
) -> Result<Vec<(usize, Expr)>, SqlError> {
    let folded = |(column, value)| Ok((column, fold_constants(value, context)?));
    assignments.into_iter().map(folded).collect()
}
