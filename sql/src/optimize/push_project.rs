//! Only what is needed is sent: a projection over a scan runs where the rows are, and other nodes get only the columns
//! that they use.
//!
//! ```text
//! before  Project dest, distance * 2     after  Scan flights
//!         └ Scan flights                          project: dest, distance * 2
//!
//! before  Project dest                   after  Project #0
//!         └ Sort distance                       └ Sort #1
//!           └ Scan flights                        └ Scan flights
//!                                                     project: dest, distance
//! ```
//!
//! A projection onto all columns in their order is left out; what is volatile stays above the scan. A scan that is the whole plan is left alone: UPDATE and DELETE want the table's rows.

use std::convert::Infallible;

use super::map_inputs;
use crate::expr::{Aggregate, Expr};
use crate::plan::node::{PushDown, Query};

/// Runs the rule.
pub fn apply(query: Query) -> Query {
    match query {
        Query::Project(mut input, exprs) => {
            if let Query::Scan { table, pushed, .. } = input.as_mut()
                && is_open(pushed)
                && exprs.iter().all(Expr::is_sent)
            {
                pushed.project = (!is_identity(&exprs, table.columns.len())).then_some(exprs);
                return *input;
            }
            let (input, exprs) = narrowed(*input, exprs);
            Query::Project(Box::new(input), exprs)
        }
        Query::Aggregate { input, group_by, aggregates } => aggregate(*input, group_by, aggregates),
        other @ (Query::Values { .. }
        | Query::Function { .. }
        | Query::Scan { .. }
        | Query::SystemScan { .. }
        | Query::Filter(..)
        | Query::Sort { .. }
        | Query::Distinct(_)
        | Query::Limit { .. }) => map_inputs(other, &mut apply),
    }
}

/// Whether the expressions are all columns of a row in their order.
fn is_identity(exprs: &[Expr], width: usize) -> bool {
    let in_place =
        |(position, expr): (usize, &Expr)| matches!(expr, Expr::Column { index, .. } if *index == position);
    exprs.len() == width && exprs.iter().enumerate().all(in_place)
}

fn is_open(pushed: &PushDown) -> bool {
    pushed.project.is_none() && pushed.aggregate.is_none()
}

/// Narrows what is below a projection or grouping to the columns of `exprs` and of the nodes between.
fn narrowed(query: Query, exprs: Vec<Expr>) -> (Query, Vec<Expr>) {
    let mut needed = Vec::new();
    for expr in &exprs {
        add_columns(expr, &mut needed);
    }
    if !reaches_scan(&query, &mut needed) {
        return (apply(query), exprs);
    }
    needed.sort_by_key(|(index, _)| *index);
    needed.dedup();
    let exprs = exprs.into_iter().map(|expr| renumbered(expr, &needed)).collect();
    (with_columns(query, &needed), exprs)
}

type Column = (usize, crate::types::DataType);

fn add_columns(expr: &Expr, needed: &mut Vec<Column>) {
    expr.walk(&mut |part| {
        if let Expr::Column { index, data_type } = part {
            needed.push((*index, *data_type));
        }
    });
}

/// Whether only sorts and filters stand above an open scan; collects their columns.
fn reaches_scan(query: &Query, needed: &mut Vec<Column>) -> bool {
    match query {
        Query::Sort { input, keys, .. } => {
            for key in keys {
                add_columns(&key.expr, needed);
            }
            reaches_scan(input, needed)
        }
        Query::Filter(input, filter) => {
            add_columns(filter, needed);
            reaches_scan(input, needed)
        }
        Query::Scan { pushed, .. } => is_open(pushed),
        Query::Values { .. }
        | Query::Function { .. }
        | Query::SystemScan { .. }
        | Query::Project(..)
        | Query::Aggregate { .. }
        | Query::Distinct(_)
        | Query::Limit { .. } => false,
    }
}

/// The tree over a scan that sends only these columns.
fn with_columns(mut query: Query, needed: &[Column]) -> Query {
    if let Query::Scan { pushed, .. } = &mut query {
        let column = |(index, data_type): &Column| Expr::Column { index: *index, data_type: *data_type };
        pushed.project = Some(needed.iter().map(column).collect());
        return query;
    }
    for expr in query.exprs_mut() {
        *expr = renumbered(expr.clone(), needed);
    }
    map_inputs(query, &mut |input| with_columns(input, needed))
}

/// The expression over a row that has only the needed columns.
fn renumbered(expr: Expr, needed: &[Column]) -> Expr {
    match expr {
        Expr::Column { index, data_type } => {
            let at = needed.iter().position(|(known, _)| *known == index);
            Expr::Column { index: at.unwrap_or(index), data_type }
        }
        other @ (Expr::Literal(..)
        | Expr::Parameter { .. }
        | Expr::Unary(..)
        | Expr::Binary { .. }
        | Expr::IsNull { .. }
        | Expr::InList { .. }
        | Expr::Quantified { .. }
        | Expr::Like { .. }
        | Expr::Case { .. }
        | Expr::Cast { .. }
        | Expr::Call { .. }) => {
            match other.map_children(&mut |part| Ok::<_, Infallible>(renumbered(part, needed))) {
                Ok(expr) => expr,
            }
        }
    }
}

/// A grouping that is not pushed down gets only the columns that it uses.
fn aggregate(input: Query, group_by: Vec<Expr>, aggregates: Vec<Aggregate>) -> Query {
    let keys = group_by.len();
    let arguments = aggregates.iter().filter_map(|aggregate| aggregate.argument.clone());
    let exprs = group_by.into_iter().chain(arguments).collect();
    let (input, mut exprs) = narrowed(input, exprs);
    let mut arguments = exprs.split_off(keys.min(exprs.len())).into_iter();
    let aggregates = aggregates
        .into_iter()
        .map(|aggregate| match aggregate.argument {
            Some(_) => Aggregate { argument: arguments.next(), ..aggregate },
            None => aggregate,
        })
        .collect();
    Query::Aggregate { input: Box::new(input), group_by: exprs, aggregates }
}
