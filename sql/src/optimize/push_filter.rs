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
        if let Query::Scan { pushed, .. } = input.as_mut()
            && pushed.is_filter_only()
            && !filter.is_volatile()
        {
            pushed.filter = Some(match pushed.filter.take() {
                Some(earlier) => and(earlier, filter),
                None => filter,
            });
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
