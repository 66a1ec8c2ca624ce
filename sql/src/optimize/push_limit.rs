//! What is above needs only so many rows.
//!
//! ```text
//! before  Limit 10 offset 5        after  Limit 10 offset 5       before  Limit 10     after  Limit 10
//!         └ Project                       └ Project                       └ Sort              └ Sort, first 10
//!           └ Scan                          └ Scan                          └ …                 └ …
//!                                             limit: 15
//! ```
//!
//! A limit passes projections. It ends at a scan, which every range cuts for itself, or at a sort, which keeps only the
//! first rows; the Limit node stays, for the offset and because several ranges may answer.

use super::bottom_up;
use crate::plan::node::{PushDown, Query};

/// Runs the rule.
pub fn apply(query: Query) -> Query {
    bottom_up(query, &|query| match query {
        Query::Limit { input, offset, limit: Some(limit) } => {
            let wanted = offset.saturating_add(limit);
            Query::Limit { input: Box::new(cut(*input, wanted)), offset, limit: Some(limit) }
        }
        other @ (Query::Values { .. }
        | Query::Scan { .. }
        | Query::Filter(..)
        | Query::Project(..)
        | Query::Aggregate { .. }
        | Query::Sort { .. }
        | Query::Distinct(_)
        | Query::Limit { .. }) => other,
    })
}

fn cut(query: Query, wanted: u64) -> Query {
    match query {
        Query::Project(input, exprs) => Query::Project(Box::new(cut(*input, wanted)), exprs),
        Query::Sort { input, keys, limit } => {
            Query::Sort { input, keys, limit: Some(limit.map_or(wanted, |limit| limit.min(wanted))) }
        }
        Query::Scan { table, access, reverse, pushed } if pushed.aggregate.is_none() => {
            let limit = Some(pushed.limit.map_or(wanted, |limit| limit.min(wanted)));
            Query::Scan { table, access, reverse, pushed: PushDown { limit, ..pushed } }
        }
        other @ (Query::Values { .. }
        | Query::Scan { .. }
        | Query::Filter(..)
        | Query::Aggregate { .. }
        | Query::Distinct(_)
        | Query::Limit { .. }) => other,
    }
}
