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
    bottom_up(query, &|query| {
        let Query::Distinct(input) = query else { return query };
        let Query::Project(source, exprs) = *input else { return Query::Distinct(input) };
        if exprs.is_empty() || !matches!(*source, Query::Scan { .. }) {
            return Query::Distinct(Box::new(Query::Project(source, exprs)));
        }
        Query::Aggregate { input: source, group_by: exprs, aggregates: Vec::new() }
    })
}
