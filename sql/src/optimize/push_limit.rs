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
use crate::plan::node::Query;

/// Runs the rule.
pub fn apply(query: Query) -> Query {
    bottom_up(query, &|mut query| {
        if let Query::Limit { input, offset, limit: Some(limit) } = &mut query {
            cut(input, offset.saturating_add(*limit));
        }
        query
    })
}

fn cut(query: &mut Query, wanted: u64) {
    let least = |limit: Option<u64>| Some(limit.map_or(wanted, |limit| limit.min(wanted)));
    match query {
        Query::Project(input, _) => cut(input, wanted),
        Query::Sort { limit, .. } => *limit = least(*limit),
        Query::Scan { pushed, .. } if pushed.aggregate.is_none() => pushed.limit = least(pushed.limit),
        Query::Values { .. }
        | Query::Function { .. }
        | Query::Scan { .. }
        | Query::SystemScan { .. }
        | Query::Filter(..)
        | Query::Aggregate { .. }
        | Query::Distinct(_)
        | Query::Limit { .. } => {}
    }
}
