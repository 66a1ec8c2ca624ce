//! Rows that come in key order need no sort: forward or backward.
//!
//! ```text
//! before  Sort faa DESC              after  Scan airports, greatest key first
//!         └ Scan airports
//! ```
//!
//! Keys are never NULL, so that NULLS FIRST and LAST say nothing. A column that the access fixes to one value may stand
//! anywhere among the sort keys, or be left out of them.

use quorate_engine::codec::key::KeyDecoder;
use quorate_engine::kv::Span;

use super::bottom_up;
use crate::expr::{Expr, SortKey};
use crate::plan::node::{Access, Query};
use crate::storage::index_format::{decode_column, encode_key_values, primary_prefix};
use crate::storage::layout::TableLayout;
use crate::types::Datum;
use crate::types::compare::compare;

/// Runs the rule.
pub fn apply(query: Query) -> Query {
    bottom_up(query, &|query| {
        let Query::Sort { mut input, keys, limit } = query else { return query };
        if let Query::Scan { table, access, reverse: reverse @ false, pushed } = input.as_mut()
            && pushed.aggregate.is_none()
            && pushed.project.is_none()
            && let Some(backward) = direction(table.layout(), access, &keys)
        {
            match access {
                // Points are read in the order in which they stand.
                Access::Points(points) if backward => points.reverse(),
                Access::Points(_) | Access::Spans(_) => *reverse = backward,
            }
            return *input;
        }
        Query::Sort { input, keys, limit }
    })
}

/// Whether the scan must run backward to give this order; `None` where no direction gives it.
fn direction(layout: &TableLayout, access: &Access, keys: &[SortKey]) -> Option<bool> {
    let fixed = fixed_columns(layout, access);
    let is_fixed = |position: &usize| fixed.contains(position);
    let mut key_columns = layout.primary().positions().filter(|position| !is_fixed(position));
    let mut reverse = None;
    for key in keys {
        let Expr::Column { index, .. } = &key.expr else { return None };
        if is_fixed(index) {
            continue;
        }
        let Some(next) = key_columns.next() else {
            // All of the key is sorted by already: rows are different in it, so that more keys decide nothing.
            break;
        };
        if next != *index || *reverse.get_or_insert(key.descending) != key.descending {
            return None;
        }
    }
    Some(reverse.unwrap_or(false))
}

/// Key columns that have one value in all rows of the access.
fn fixed_columns(layout: &TableLayout, access: &Access) -> Vec<usize> {
    match access {
        Access::Points(points) => {
            let column = |index: usize| points.iter().map(move |point| point.get(index));
            let is_one = |index: usize| {
                let first = column(index).next().flatten();
                let same = |value: Option<&Datum>| match (first, value) {
                    (Some(first), Some(value)) => compare(first, value).is_eq(),
                    _ => false,
                };
                column(index).all(same)
            };
            let key = layout.primary().positions().enumerate();
            key.filter(|(index, _)| is_one(*index)).map(|(_, at)| at).collect()
        }
        Access::Spans(spans) => {
            let [span] = spans.as_slice() else { return Vec::new() };
            let shared = shared_columns(layout, span);
            layout.primary().positions().take(shared).collect()
        }
    }
}

/// How many leading key columns all keys of a span share: those that the start of the span says, where their encoding
/// is a prefix of every key in it.
fn shared_columns(layout: &TableLayout, span: &Span) -> usize {
    let prefix = primary_prefix(layout.table_id).len();
    let Some(columns) = span.start.as_ref().get(prefix..) else { return 0 };
    let mut decoder = KeyDecoder::new(columns);
    let mut values = Vec::new();
    for column in &layout.primary().key {
        let of_column = (layout.data_type(column.position), column.order);
        let Ok(value) = decode_column(&mut decoder, of_column) else { break };
        values.push(value);
        let covers = encode_key_values(layout, &values).is_ok_and(|prefix| Span::prefix(prefix).covers(span));
        if !covers {
            values.pop();
            break;
        }
    }
    values.len()
}
