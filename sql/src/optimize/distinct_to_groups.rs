//! DISTINCT is grouping without aggregates, which can run where the rows are.
//!
//! ```text
//! before  Distinct                 after  Aggregate by origin
//!         └ Project origin                └ Scan flights
//!           └ Scan flights
//! ```

use super::bottom_up;
use crate::plan::node::Query;

/// Runs the rule.
pub fn apply(query: Query) -> Query {
    bottom_up(query, &|query| match query {
        Query::Distinct(input) => match *input {
            Query::Project(input, group_by)
                if matches!(*input, Query::Scan { .. }) && !group_by.is_empty() =>
            {
                Query::Aggregate { input, group_by, aggregates: Vec::new() }
            }
            other @ (Query::Values { .. }
            | Query::Scan { .. }
            | Query::Filter(..)
            | Query::Project(..)
            | Query::Aggregate { .. }
            | Query::Sort { .. }
            | Query::Distinct(_)
            | Query::Limit { .. }) => Query::Distinct(Box::new(other)),
        },
        other @ (Query::Values { .. }
        | Query::Scan { .. }
        | Query::Filter(..)
        | Query::Project(..)
        | Query::Aggregate { .. }
        | Query::Sort { .. }
        | Query::Limit { .. }) => other,
    })
}
