//! A filter over a scan runs where the rows are.
//!
//! ```text
//! before  Filter (month = 1)          after  Scan flights
//!         └ Scan flights                       filter: month = 1
//! ```
//!
//! What is volatile stays above.

use super::bottom_up;
use crate::expr::{BinaryOp, Expr};
use crate::plan::node::Query;
use crate::types::DataType;

/// Runs the rule.
pub fn apply(query: Query) -> Query {
    bottom_up(query, &|query| {
        let Query::Filter(mut input, filter) = query else { return query };
        let joined = |earlier: Option<Expr>, filter| match earlier {
            Some(earlier) => Some(and(earlier, filter)),
            None => Some(filter),
        };
        if let Query::Scan { pushed, .. } = input.as_mut()
            && pushed.is_filter_only()
            && filter.is_sent()
        {
            pushed.filter = joined(pushed.filter.take(), filter);
            return *input;
        }
        if let Query::SystemScan { filter: known, .. } = input.as_mut() {
            *known = joined(known.take(), filter);
            return *input;
        }
        Query::Filter(input, filter)
    })
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
