//! Conditions on the columns of the primary key become point lookups or spans of keys.
//!
//! ```text
//! before  Scan flights                                  after  Scan flights
//!           filter: time_hour = '…' AND carrier > 'UA'           spans: [/…/UA end, /… end)
//!         Scan planes                                          Scan planes
//!           filter: tailnum IN ('N1', 'N2')                      points: ('N1'), ('N2')
//! ```
//!
//! Equalities and IN lists are taken for the leading columns of the key; the first column without one may have a lower
//! and an upper bound. Conditions that keys say exactly are taken out of the filter.

use quorate_engine::kv::{Key, Span};

use super::bottom_up;
use super::conjunction::{and, conjuncts};
use crate::catalog::descriptor::TableDescriptor;
use crate::expr::in_list::InList;
use crate::expr::{BinaryOp, Expr};
use crate::limits::{POINTS_MAX, SPANS_MAX};
use crate::plan::node::{Access, Query};
use crate::storage::index_format::{encode_key_values, primary_span};
use crate::storage::layout::TableLayout;
use crate::types::Datum;
use crate::types::compare::compare;

/// Runs the rule.
pub fn apply(query: Query) -> Query {
    bottom_up(query, &|mut query| {
        if let Query::Scan { table, access: access @ Access::Spans(_), pushed, .. } = &mut query {
            let conditions = pushed.filter.take().map(conjuncts).unwrap_or_default();
            (*access, pushed.filter) = match chosen(table, &conditions) {
                Some((chosen, taken)) => (chosen, rest(conditions, &taken)),
                None => (Access::Spans(vec![primary_span(table.id)]), rest(conditions, &[])),
            };
        }
        query
    })
}

/// What is left of the conditions for the filter: those not taken, and not true anyway.
fn rest(conditions: Vec<Expr>, taken: &[usize]) -> Option<Expr> {
    let is_true = |condition: &Expr| matches!(condition, Expr::Literal(Datum::Bool(true), _));
    let numbered = conditions.into_iter().enumerate();
    let left = numbered.filter(|(index, condition)| !taken.contains(index) && !is_true(condition));
    left.map(|(_, condition)| condition).reduce(and)
}

/// What conditions say of one key column.
#[derive(Default)]
struct Constraint {
    /// It is one of these, ascending; and the conditions that say so.
    values: Option<(Vec<Datum>, Vec<usize>)>,
    /// It is above the value, or equal where that is included.
    lower: Option<Bound>,
    /// It is below the value, or equal where that is included.
    upper: Option<Bound>,
}

/// One side of a range.
struct Bound {
    value: Datum,
    included: bool,
    /// The condition that says just that.
    condition: Option<usize>,
}

/// Access by the key with the conditions that it makes superfluous; `None` where no condition helps.
fn chosen(table: &TableDescriptor, conditions: &[Expr]) -> Option<(Access, Vec<usize>)> {
    if conditions
        .iter()
        .any(|condition| matches!(condition, Expr::Literal(Datum::Null | Datum::Bool(false), _)))
    {
        return Some((Access::Points(Vec::new()), (0..conditions.len()).collect()));
    }
    let layout = table.layout();
    let mut constraints: Vec<_> =
        layout.primary().positions().map(|position| constraint(position, conditions)).collect();
    let mut counts =
        constraints.iter().map(|constraint| constraint.values.as_ref().map(|(values, _)| values.len()));
    let points = counts.try_fold(1_usize, |all, count| Some(all.saturating_mul(count?)));
    let max = if points.is_some_and(|points| points <= POINTS_MAX) { POINTS_MAX } else { SPANS_MAX };
    let mut prefixes: Vec<Vec<Datum>> = vec![Vec::new()];
    let mut taken = Vec::new();
    let mut range = None;
    let mut matched = 0;
    for constraint in &mut constraints {
        match constraint.values.take() {
            Some((values, from)) if prefixes.len().saturating_mul(values.len()) <= max => {
                prefixes = product(&prefixes, &values);
                taken.extend(from);
                matched += 1;
            }
            values => {
                range = Some(constraint.bounds(values));
                break;
            }
        }
    }
    if matched == layout.primary().key.len() {
        return Some((Access::Points(prefixes), taken));
    }
    let (lower, upper) = range.unwrap_or((None, None));
    if matched == 0 && lower.is_none() && upper.is_none() {
        return None;
    }
    let mut spans = Vec::with_capacity(prefixes.len());
    for prefix in prefixes {
        let span = span(layout, &prefix, lower.as_ref(), upper.as_ref())?;
        if !span.is_empty() {
            spans.push(span);
        }
    }
    taken.extend(lower.iter().chain(&upper).filter_map(|bound| bound.condition));
    Some(if spans.is_empty() { (Access::Points(Vec::new()), taken) } else { (Access::Spans(spans), taken) })
}

/// All points of a key whose columns have these values, in key order; `None` where there are too many.
pub fn points(columns: Vec<Vec<Datum>>) -> Option<Vec<Vec<Datum>>> {
    let mut points: Vec<Vec<Datum>> = vec![Vec::new()];
    for mut values in columns {
        order(&mut values);
        if points.len().saturating_mul(values.len()) > POINTS_MAX {
            return None;
        }
        points = product(&points, &values);
    }
    Some(points)
}

/// Ascending, none twice.
fn order(values: &mut Vec<Datum>) {
    values.sort_by(compare);
    values.dedup_by(|a, b| compare(a, b).is_eq());
}

/// Each prefix with each value behind it, in key order.
fn product(prefixes: &[Vec<Datum>], values: &[Datum]) -> Vec<Vec<Datum>> {
    let extended = |prefix: &Vec<Datum>, value: &Datum| {
        let mut key = prefix.clone();
        key.push(value.clone());
        key
    };
    prefixes.iter().flat_map(|prefix| values.iter().map(move |value| extended(prefix, value))).collect()
}

/// The keys that start with these values, within the bounds of the next column. `None` for a value that no key holds.
fn span(
    layout: &TableLayout,
    prefix: &[Datum],
    lower: Option<&Bound>,
    upper: Option<&Bound>,
) -> Option<Span> {
    let whole = encode_key_values(layout, prefix).ok()?;
    let at = |bound: &Bound| -> Option<Key> {
        let values: Vec<Datum> = prefix.iter().chain(std::iter::once(&bound.value)).cloned().collect();
        encode_key_values(layout, &values).ok()
    };
    let start = match lower {
        None => whole.clone(),
        Some(bound) if bound.included => at(bound)?,
        Some(bound) => at(bound)?.prefix_end(),
    };
    let end = match upper {
        None => whole.prefix_end(),
        Some(bound) if bound.included => at(bound)?.prefix_end(),
        Some(bound) => at(bound)?,
    };
    Some(Span::new(start, end))
}

/// What all conditions together say of a column.
fn constraint(position: usize, conditions: &[Expr]) -> Constraint {
    let mut constraint = Constraint::default();
    for (index, condition) in conditions.iter().enumerate() {
        match condition {
            Expr::InList { operand, list, negated: false } if is_column(operand, position) => {
                if let Some(values) = literals(list) {
                    constraint.restrict(values, index);
                }
            }
            Expr::Binary { op, left, right, .. } => {
                let sides = match (left.as_ref(), right.as_ref()) {
                    (column, Expr::Literal(value, _)) if is_column(column, position) => Some((*op, value)),
                    (Expr::Literal(value, _), column) if is_column(column, position) => {
                        mirrored(*op).map(|op| (op, value))
                    }
                    _ => None,
                };
                if let Some((op, value)) = sides
                    && !value.is_null()
                {
                    constraint.compare(op, value, index);
                }
            }
            Expr::Literal(..)
            | Expr::Column { .. }
            | Expr::Parameter { .. }
            | Expr::Unary(..)
            | Expr::IsNull { .. }
            | Expr::InList { .. }
            | Expr::Quantified { .. }
            | Expr::Like { .. }
            | Expr::Case { .. }
            | Expr::Cast { .. }
            | Expr::Call { .. } => {}
        }
    }
    constraint
}

fn is_column(expr: &Expr, position: usize) -> bool {
    matches!(expr, Expr::Column { index, .. } if *index == position)
}

/// The list's values, NULLs left out because nothing equals them; `None` where one is not constant.
fn literals(list: &InList) -> Option<Vec<Datum>> {
    let list = match list {
        InList::Constants(constants) => return Some(constants.values().to_vec()),
        InList::Each(list) => list,
    };
    let mut values = Vec::with_capacity(list.len());
    for item in list {
        match item {
            Expr::Literal(Datum::Null, _) => {}
            Expr::Literal(value, _) => values.push(value.clone()),
            Expr::Column { .. }
            | Expr::Parameter { .. }
            | Expr::Unary(..)
            | Expr::Binary { .. }
            | Expr::IsNull { .. }
            | Expr::InList { .. }
            | Expr::Quantified { .. }
            | Expr::Like { .. }
            | Expr::Case { .. }
            | Expr::Cast { .. }
            | Expr::Call { .. } => return None,
        }
    }
    Some(values)
}

/// The operator with its sides exchanged; `None` for those that say nothing of order.
fn mirrored(op: BinaryOp) -> Option<BinaryOp> {
    match op {
        BinaryOp::Equal => Some(BinaryOp::Equal),
        BinaryOp::Less => Some(BinaryOp::Greater),
        BinaryOp::LessOrEqual => Some(BinaryOp::GreaterOrEqual),
        BinaryOp::Greater => Some(BinaryOp::Less),
        BinaryOp::GreaterOrEqual => Some(BinaryOp::LessOrEqual),
        BinaryOp::Add
        | BinaryOp::Subtract
        | BinaryOp::Multiply
        | BinaryOp::Divide
        | BinaryOp::Modulo
        | BinaryOp::Concat
        | BinaryOp::NotEqual
        | BinaryOp::And
        | BinaryOp::Or => None,
    }
}

impl Constraint {
    /// It is one of these values too.
    fn restrict(&mut self, mut values: Vec<Datum>, condition: usize) {
        order(&mut values);
        match &mut self.values {
            Some((known, from)) => {
                known.retain(|value| values.binary_search_by(|other| compare(other, value)).is_ok());
                from.push(condition);
            }
            None => self.values = Some((values, vec![condition])),
        }
    }

    /// Where the column lies: within its bounds, else between the least and the greatest of too many values, which
    /// stay in the filter.
    fn bounds(&mut self, values: Option<(Vec<Datum>, Vec<usize>)>) -> (Option<Bound>, Option<Bound>) {
        let values = values.map(|(values, _)| values).unwrap_or_default();
        let bound = |value: &Datum| Bound { value: value.clone(), included: true, condition: None };
        let lower = self.lower.take().or_else(|| values.first().map(bound));
        (lower, self.upper.take().or_else(|| values.last().map(bound)))
    }

    fn compare(&mut self, op: BinaryOp, value: &Datum, condition: usize) {
        let bound = |included| Bound { value: value.clone(), included, condition: Some(condition) };
        // A second bound of a side stays in the filter: the first is right, if not always the tightest.
        match op {
            BinaryOp::Equal => self.restrict(vec![value.clone()], condition),
            BinaryOp::Greater if self.lower.is_none() => self.lower = Some(bound(false)),
            BinaryOp::GreaterOrEqual if self.lower.is_none() => self.lower = Some(bound(true)),
            BinaryOp::Less if self.upper.is_none() => self.upper = Some(bound(false)),
            BinaryOp::LessOrEqual if self.upper.is_none() => self.upper = Some(bound(true)),
            BinaryOp::Greater
            | BinaryOp::GreaterOrEqual
            | BinaryOp::Less
            | BinaryOp::LessOrEqual
            | BinaryOp::NotEqual
            | BinaryOp::Add
            | BinaryOp::Subtract
            | BinaryOp::Multiply
            | BinaryOp::Divide
            | BinaryOp::Modulo
            | BinaryOp::Concat
            | BinaryOp::And
            | BinaryOp::Or => {}
        }
    }
}
