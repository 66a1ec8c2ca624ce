//! A projection of constant rows is constant rows.
//!
//! ```text
//! before  Project #1, 'x', #0      after  Values (2, 'x', 1)
//!         └ Values (1, 2)
//! ```
//!
//! What is volatile is computed once for each row: it is merged only where no more than one expression uses it.

use std::convert::Infallible;

use super::bottom_up;
use crate::expr::Expr;
use crate::plan::node::Query;

/// Runs the rule.
pub fn apply(query: Query) -> Query {
    bottom_up(query, &|query| {
        let Query::Project(input, exprs) = query else { return query };
        let Query::Values { rows } = *input else { return Query::Project(input, exprs) };
        if !may_merge(&rows, &exprs) {
            return Query::Project(Box::new(Query::Values { rows }), exprs);
        }
        let over = |row: &Vec<Expr>| exprs.iter().map(|expr| over_row(expr.clone(), row)).collect();
        Query::Values { rows: rows.iter().map(over).collect() }
    })
}

/// Whether no volatile expression of the rows would be computed twice.
fn may_merge(rows: &[Vec<Expr>], exprs: &[Expr]) -> bool {
    let width = rows.first().map_or(0, Vec::len);
    let mut uses = vec![0_usize; width];
    for expr in exprs {
        expr.walk(&mut |part| {
            if let Expr::Column { index, .. } = part
                && let Some(count) = uses.get_mut(*index)
            {
                *count += 1;
            }
        });
    }
    let is_used_again = |(expr, uses): (&Expr, &usize)| *uses > 1 && expr.is_volatile();
    !uses.iter().any(|uses| *uses > 1) || !rows.iter().any(|row| row.iter().zip(&uses).any(is_used_again))
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
