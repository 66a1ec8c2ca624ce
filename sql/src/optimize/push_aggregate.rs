//! Groups are made where the rows are, and merged by the executor.
//!
//! ```text
//! before  Aggregate by origin: count(*)      after  Scan flights
//!         └ Scan flights                              aggregate by origin: count(*)
//! ```
//!
//! Not for DISTINCT aggregates, whose partial states do not add up, not for `array_agg`, which sends all values anyway, not
//! for what is volatile, and not for point lookups, whose few rows come from many places at once.

use super::bottom_up;
use crate::expr::{Aggregate, AggregateFunction, Expr};
use crate::plan::node::{Access, PushedAggregate, Query};

/// Runs the rule.
pub fn apply(query: Query) -> Query {
    bottom_up(query, &|query| {
        let Query::Aggregate { mut input, group_by, aggregates } = query else { return query };
        if let Query::Scan { access: Access::Spans(_), pushed, .. } = input.as_mut()
            && pushed.is_filter_only()
            && aggregates.iter().all(|aggregate| is_partial(aggregate) && is_sent(aggregate))
            && group_by.iter().all(Expr::is_sent)
        {
            pushed.aggregate = Some(PushedAggregate { group_by, aggregates });
            return *input;
        }
        Query::Aggregate { input, group_by, aggregates }
    })
}

/// Whether its states over parts of the rows add up to less than the rows.
fn is_partial(aggregate: &Aggregate) -> bool {
    !aggregate.distinct && aggregate.function != AggregateFunction::ArrayAgg
}

fn is_sent(aggregate: &Aggregate) -> bool {
    aggregate.data_type.is_stored() && aggregate.argument.as_ref().is_none_or(Expr::is_sent)
}
