//! A filter over a scan runs where the rows are.
//!
//! ```text
//! before  Filter (month = 1)          after  Scan flights
//!         └ Scan flights                       filter: month = 1
//! ```
//!
//! Conditions that ranges cannot look at ([`Expr::is_sent`]) stay above the scan. Those on a system catalog go into its scan.

use super::bottom_up;
use super::conjunction::{and, conjuncts};
use crate::expr::Expr;
use crate::plan::node::Query;

/// Runs the rule.
pub fn apply(query: Query) -> Query {
    bottom_up(query, &|query| {
        let Query::Filter(mut input, filter) = query else { return query };
        let joined = |earlier: Option<Expr>, filter| match earlier {
            Some(earlier) => Some(and(earlier, filter)),
            None => Some(filter),
        };
        if let Query::SystemScan { filter: known, .. } = input.as_mut()
            && !filter.is_volatile()
        {
            *known = joined(known.take(), filter);
            return *input;
        }
        let Query::Scan { pushed, .. } = input.as_mut() else { return Query::Filter(input, filter) };
        if !pushed.is_filter_only() {
            return Query::Filter(input, filter);
        }
        let (filter, kept) = of_ranges(filter);
        if let Some(filter) = filter {
            pushed.filter = joined(pushed.filter.take(), filter);
        }
        match kept {
            Some(kept) => Query::Filter(input, kept),
            None => *input,
        }
    })
}

/// The conditions that ranges can look at, and the others.
fn of_ranges(filter: Expr) -> (Option<Expr>, Option<Expr>) {
    if filter.is_sent() {
        return (Some(filter), None);
    }
    let (pushed, kept): (Vec<Expr>, Vec<Expr>) = conjuncts(filter).into_iter().partition(Expr::is_sent);
    (pushed.into_iter().reduce(and), kept.into_iter().reduce(and))
}
