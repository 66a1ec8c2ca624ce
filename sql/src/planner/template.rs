//! Plans that are made once for all parameters of a statement.
//!
//! ```text
//! SELECT v FROM t WHERE k = $1                Scan t, points: (hole), key: ($1)
//! SELECT v FROM t WHERE k = ANY ($1)          Scan t, points: (hole), key: (one of $1)
//! INSERT INTO t VALUES ($1, $2) ON …          Values ($1, $2)
//! SELECT v FROM t WHERE k > 5                 Scan t, spans: …
//! ```
//!
//! A statement has a template where parameters and `now()` stand in two places alone. Either the executor computes them
//! anyway: rows of INSERT, assignments of UPDATE and ON CONFLICT, RETURNING. Or they are what the columns of the key are compared
//! with, each with one of them, or with the elements of an array: then the rules of [`crate::optimize`] do the same for all
//! values apart from NULL, and a
//! run only puts the key into the hole.
//!
//! Invariant: what [`Template::fill`] gives does what [`super::plan`]'s plan for the same context does; where it might
//! not, there is no template, or it gives nothing.

use std::sync::Arc;

use super::build::{plan_query, rows_of};
use crate::bind::{BoundDml, BoundInsert, BoundQuery, BoundReturning};
use crate::catalog::descriptor::TableDescriptor;
use crate::expr::eval::{EvalContext, eval};
use crate::expr::{BinaryOp, Expr};
use crate::optimize::{conjuncts, optimize, points};
use crate::plan::node::{Access, Plan, Query};
use crate::types::{DataType, Datum};

/// Most rows of an INSERT that has a template, which holds them a second time: as many as clients send in one batch.
const INSERT_ROWS_MAX: usize = 100;

/// A plan that lacks its parameters, and perhaps its key.
#[derive(Debug)]
pub struct Template {
    plan: Plan,
    /// What the one key is made of, in key order, where the plan's scan has a hole.
    key: Option<Vec<KeyPart>>,
    parameters: usize,
}

/// What a column of the key is compared with.
#[derive(Clone, Debug)]
enum KeyPart {
    /// This value.
    Equal(Expr),
    /// Any element of this array.
    Any(Expr),
}

impl Template {
    /// The template of a statement with parameters of these types; `None` where its plan depends on their values.
    pub fn of(statement: &BoundDml, parameter_types: &[DataType]) -> Option<Self> {
        let probes: Vec<Datum> =
            parameter_types.iter().map(|data_type| (data_type.info().sample)()).collect();
        let (plan, key) = match statement {
            BoundDml::Query(query) => {
                let (query, key) = with_hole(query, &probes)?;
                (Plan::Query { query }, key)
            }
            BoundDml::Insert(insert) => {
                let (table, on_conflict) = (Arc::clone(&insert.table), insert.on_conflict.clone());
                let returning = returned(insert.returning.as_ref());
                (Plan::Insert { table, source: inserted_rows(insert)?, on_conflict, returning }, None)
            }
            BoundDml::Update(update) => {
                let (table, assignments) = (Arc::clone(&update.table), update.assignments.clone());
                let (source, key) = with_hole(&rows_of(&table, update.filter.as_ref()), &probes)?;
                let returning = returned(update.returning.as_ref());
                (Plan::Update { table, source, assignments, returning }, key)
            }
            BoundDml::Delete(delete) => {
                let table = Arc::clone(&delete.table);
                let (source, key) = with_hole(&rows_of(&table, delete.filter.as_ref()), &probes)?;
                (Plan::Delete { table, source, returning: returned(delete.returning.as_ref()) }, key)
            }
        };
        Some(Self { plan, key, parameters: parameter_types.len() })
    }

    /// The plan for these parameters; `None` where the statement must be planned for them. It may hold parameters and
    /// `now()` where the executor computes them.
    pub fn fill(&self, context: &EvalContext<'_>) -> Option<Plan> {
        // What is missing is an error, which planning words.
        if context.parameters.len() < self.parameters {
            return None;
        }
        let mut plan = self.plan.clone();
        if let Some(key) = &self.key {
            *hole_of(plan.source_mut())? = Access::Points(points_of(key, context)?);
        }
        Some(plan)
    }
}

/// What RETURNING computes of each row, parameters within.
fn returned(returning: Option<&BoundReturning>) -> Option<Vec<Expr>> {
    returning.map(|returning| returning.exprs.clone())
}

/// The rows of `INSERT … VALUES`, parameters within. A column of the table is a column of the row, or has none of them.
fn inserted_rows(insert: &BoundInsert) -> Option<Query> {
    let BoundQuery { tree: Query::Values { rows }, offset: None, limit: None, .. } = &insert.source else {
        return None;
    };
    let is_placed = |column: &Expr| matches!(column, Expr::Column { .. }) || !has_column(column);
    if rows.len() > INSERT_ROWS_MAX || !insert.columns.iter().all(is_placed) {
        return None;
    }
    Some(optimize(Query::Project(Box::new(insert.source.tree.clone()), insert.columns.clone())))
}

/// The plan of a query whose scan has a hole for the key that is given beside it; `None` for that where nothing is late.
fn with_hole(query: &BoundQuery, probes: &[Datum]) -> Option<(Query, Option<Vec<KeyPart>>)> {
    if query.limit.iter().chain(&query.offset).any(is_late) {
        return None;
    }
    let context = EvalContext { parameters: probes, ..EvalContext::default() };
    let mut planned = plan_query(query, &context).ok()?;
    if !has_late(query.tree.clone()) {
        return Some((planned, None));
    }
    let mut rest = query.tree.clone();
    let (table, filter) = take_scan_filter(&mut rest)?;
    if has_late(rest) {
        return None;
    }
    let key = key_of(&table, conjuncts(filter))?;
    // The probe is one point, of which there is nothing to sort.
    if key.iter().any(|part| matches!(part, KeyPart::Any(_))) && has_sort(&query.tree) {
        return None;
    }
    let probed = Access::Points(points_of(&key, &context)?);
    let hole = hole_of(&mut planned)?;
    // Else another condition has made it a scan of nothing.
    if *hole != probed {
        return None;
    }
    *hole = Access::Points(Vec::new());
    Some((planned, Some(key)))
}

/// The points of a key; `None` where a part of it is NULL or fails, or where there are too many.
fn points_of(key: &[KeyPart], context: &EvalContext<'_>) -> Option<Vec<Vec<Datum>>> {
    let value = |part: &Expr| eval(part, &[], context).ok().filter(|value| !value.is_null());
    let single = |part: &KeyPart| match part {
        KeyPart::Equal(part) => Some(value(part)),
        KeyPart::Any(_) => None,
    };
    if let Some(point) = key.iter().map(single).collect::<Option<Option<Vec<Datum>>>>() {
        return Some(vec![point?]);
    }
    let mut columns = Vec::with_capacity(key.len());
    for part in key {
        columns.push(match part {
            KeyPart::Equal(part) => vec![value(part)?],
            KeyPart::Any(part) => {
                let Datum::Array(elements) = value(part)? else { return None };
                elements.iter().filter(|element| !element.is_null()).cloned().collect()
            }
        });
    }
    // Nothing to read is another plan.
    points(columns).filter(|points| !points.is_empty())
}

fn has_sort(query: &Query) -> bool {
    let mut found = false;
    query.walk(&mut |node| found |= matches!(node, Query::Sort { .. }));
    found
}

/// What each column of the key is compared with, in key order; `None` where a column has no or more than one condition,
/// or where another condition comes late.
fn key_of(table: &TableDescriptor, conditions: Vec<Expr>) -> Option<Vec<KeyPart>> {
    let columns: Vec<usize> = table.layout().primary().positions().collect();
    let mut key: Vec<Option<KeyPart>> = vec![None; columns.len()];
    for condition in conditions {
        match compared_column(&condition, &columns) {
            Some((place, value)) => {
                let slot = key.get_mut(place)?;
                if slot.replace(value).is_some() {
                    return None;
                }
            }
            None if is_late(&condition) || mentions(&condition, &columns) => return None,
            None => {}
        }
    }
    key.into_iter().collect()
}

/// For `column = value` and `column = ANY (array)` of a key's column: its place in the key, and what it is compared with.
fn compared_column(condition: &Expr, columns: &[usize]) -> Option<(usize, KeyPart)> {
    let (column, part) = if let Expr::Binary { op: BinaryOp::Equal, left, right, .. } = condition {
        let sides = [(left, right), (right, left)];
        let (column, value) = sides.into_iter().find(|(_, value)| is_key_value(value))?;
        (column, KeyPart::Equal(value.as_ref().clone()))
    } else if let Expr::Quantified { op: BinaryOp::Equal, operand, array, all: false } = condition {
        (operand, KeyPart::Any(is_key_value(array).then(|| array.as_ref().clone())?))
    } else {
        return None;
    };
    let Expr::Column { index, .. } = column.as_ref() else { return None };
    let place = columns.iter().position(|column| column == index)?;
    Some((place, part))
}

/// A constant, a parameter, or a cast of these: what folding makes a literal of, or leaves where it fails.
fn is_key_value(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(..) | Expr::Parameter { .. } => true,
        Expr::Cast { operand, .. } => is_key_value(operand),
        Expr::Column { .. }
        | Expr::Unary(..)
        | Expr::Binary { .. }
        | Expr::IsNull { .. }
        | Expr::InList { .. }
        | Expr::Quantified { .. }
        | Expr::Like { .. }
        | Expr::Case { .. }
        | Expr::Call { .. } => false,
    }
}

/// Whether a part of it is like this.
fn any_part(expr: &Expr, is_wanted: &dyn Fn(&Expr) -> bool) -> bool {
    is_wanted(expr) || expr.children().into_iter().any(|part| any_part(part, is_wanted))
}

/// Whether it depends on a parameter, on the transaction (`now()`) or on the session.
fn is_late(expr: &Expr) -> bool {
    any_part(expr, &|part| match part {
        Expr::Parameter { .. } => true,
        Expr::Call { function, .. } => function.is_stable() || function.is_volatile(),
        Expr::Literal(..)
        | Expr::Column { .. }
        | Expr::Unary(..)
        | Expr::Binary { .. }
        | Expr::IsNull { .. }
        | Expr::InList { .. }
        | Expr::Quantified { .. }
        | Expr::Like { .. }
        | Expr::Case { .. }
        | Expr::Cast { .. } => false,
    })
}

fn has_column(expr: &Expr) -> bool {
    any_part(expr, &|part| matches!(part, Expr::Column { .. }))
}

fn mentions(expr: &Expr, columns: &[usize]) -> bool {
    any_part(expr, &|part| matches!(part, Expr::Column { index, .. } if columns.contains(index)))
}

/// Whether an expression of the tree is late.
fn has_late(tree: Query) -> bool {
    tree.map_exprs(&mut |expr| if is_late(&expr) { Err(()) } else { Ok(expr) }).is_err()
}

/// Takes the condition right above the scan out of a tree; `None` where it reads several.
fn take_scan_filter(query: &mut Query) -> Option<(Arc<TableDescriptor>, Expr)> {
    if let Query::Filter(input, filter) = query
        && let Query::Scan { table, .. } = input.as_ref()
    {
        let always = Expr::Literal(Datum::Bool(true), DataType::Bool);
        return Some((Arc::clone(table), std::mem::replace(filter, always)));
    }
    take_scan_filter(only_input(query)?)
}

/// Where the tree's scan reads; `None` where it has several.
fn hole_of(query: &mut Query) -> Option<&mut Access> {
    if !matches!(query, Query::Scan { .. }) {
        return hole_of(only_input(query)?);
    }
    let Query::Scan { access, .. } = query else { return None };
    Some(access)
}

fn only_input(query: &mut Query) -> Option<&mut Query> {
    let [input] = <[&mut Query; 1]>::try_from(query.inputs_mut()).ok()?;
    Some(input)
}

#[cfg(test)]
mod tests;
