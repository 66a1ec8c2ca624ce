//! A filter over a scan runs where the rows are.
//!
//! ```text
//! before  Filter (month = 1)          after  Scan flights
//!         └ Scan flights                       filter: month = 1
//! ```

use super::bottom_up;
use crate::expr::{BinaryOp, Expr};
use crate::plan::node::{PushDown, Query};
use crate::types::DataType;

/// Runs the rule.
pub fn apply(query: Query) -> Query {
    bottom_up(query, &|query| match query {
        Query::Filter(input, filter) => match *input {
            Query::Scan { table, access, reverse, pushed } if is_plain(&pushed) => {
                let filter = Some(match pushed.filter {
                    Some(earlier) => and(earlier, filter),
                    None => filter,
                });
                Query::Scan { table, access, reverse, pushed: PushDown { filter, ..pushed } }
            }
            other @ (Query::Values { .. }
            | Query::Scan { .. }
            | Query::Filter(..)
            | Query::Project(..)
            | Query::Aggregate { .. }
            | Query::Sort { .. }
            | Query::Distinct(_)
            | Query::Limit { .. }) => Query::Filter(Box::new(other), filter),
        },
        other @ (Query::Values { .. }
        | Query::Scan { .. }
        | Query::Project(..)
        | Query::Aggregate { .. }
        | Query::Sort { .. }
        | Query::Distinct(_)
        | Query::Limit { .. }) => other,
    })
}

/// Nothing that changes rows or their number is pushed yet.
fn is_plain(pushed: &PushDown) -> bool {
    pushed.project.is_none() && pushed.limit.is_none() && pushed.aggregate.is_none()
}

/// `left AND right`.
pub fn and(left: Expr, right: Expr) -> Expr {
    Expr::Binary {
        op: BinaryOp::And,
        left: Box::new(left),
        right: Box::new(right),
        data_type: DataType::Bool,
    }
}
