//! A projection of constant rows is constant rows.
//!
//! ```text
//! before  Project #1, 'x', #0      after  Values (2, 'x', 1)
//!         └ Values (1, 2)
//! ```

use std::convert::Infallible;

use super::bottom_up;
use crate::expr::Expr;
use crate::plan::node::Query;

/// Runs the rule.
pub fn apply(query: Query) -> Query {
    bottom_up(query, &|query| {
        let Query::Project(input, exprs) = query else { return query };
        let Query::Values { rows } = *input else { return Query::Project(input, exprs) };
        let over = |row: &Vec<Expr>| exprs.iter().map(|expr| over_row(expr.clone(), row)).collect();
        Query::Values { rows: rows.iter().map(over).collect() }
    })
}

/// The expression with the row's own in place of its columns.
fn over_row(expr: Expr, row: &[Expr]) -> Expr {
    match expr {
        Expr::Column { index, .. } => row.get(index).cloned().unwrap_or(expr),
        other @ (Expr::Literal(..)
        | Expr::Parameter { .. }
        | Expr::Unary(..)
        | Expr::Binary { .. }
        | Expr::IsNull { .. }
        | Expr::InList { .. }
        | Expr::Quantified { .. }
        | Expr::Like { .. }
        | Expr::Case { .. }
        | Expr::Cast { .. }
        | Expr::Call { .. }) => {
            match other.map_children(&mut |part| Ok::<_, Infallible>(over_row(part, row))) {
                Ok(expr) => expr,
            }
        }
    }
}
