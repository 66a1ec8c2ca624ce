//! Groups are made where the rows are, and merged by the executor.
//!
//! ```text
//! before  Aggregate by origin: count(*)      after  Scan flights
//!         └ Scan flights                              aggregate by origin: count(*)
//! ```
//!
//! Not for DISTINCT aggregates, whose partial states do not add up, and not for point lookups, whose few rows come from
//! many places at once.

use super::bottom_up;
use crate::plan::node::{Access, PushDown, PushedAggregate, Query};

/// Runs the rule.
pub fn apply(query: Query) -> Query {
    bottom_up(query, &|query| match query {
        Query::Aggregate { input, group_by, aggregates } => match *input {
            Query::Scan { table, access: access @ Access::Spans(_), reverse, pushed }
                if is_plain(&pushed) && aggregates.iter().all(|aggregate| !aggregate.distinct) =>
            {
                let aggregate = Some(PushedAggregate { group_by, aggregates });
                Query::Scan { table, access, reverse, pushed: PushDown { aggregate, ..pushed } }
            }
            other @ (Query::Values { .. }
            | Query::Scan { .. }
            | Query::Filter(..)
            | Query::Project(..)
            | Query::Aggregate { .. }
            | Query::Sort { .. }
            | Query::Distinct(_)
            | Query::Limit { .. }) => Query::Aggregate { input: Box::new(other), group_by, aggregates },
        },
        other @ (Query::Values { .. }
        | Query::Scan { .. }
        | Query::Filter(..)
        | Query::Project(..)
        | Query::Sort { .. }
        | Query::Distinct(_)
        | Query::Limit { .. }) => other,
    })
}

/// Only a filter is pushed yet.
fn is_plain(pushed: &PushDown) -> bool {
    pushed.project.is_none() && pushed.limit.is_none() && pushed.aggregate.is_none()
}
