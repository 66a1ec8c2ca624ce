//! Conditions that must all be true, apart and together.

use crate::expr::{BinaryOp, Expr};
use crate::types::DataType;

/// The conditions that must all be true.
pub fn conjuncts(filter: Expr) -> Vec<Expr> {
    match filter {
        Expr::Binary { op: BinaryOp::And, left, right, .. } => {
            let mut all = conjuncts(*left);
            all.extend(conjuncts(*right));
            all
        }
        other @ (Expr::Literal(..)
        | Expr::Column { .. }
        | Expr::Parameter { .. }
        | Expr::Unary(..)
        | Expr::Binary { .. }
        | Expr::IsNull { .. }
        | Expr::InList { .. }
        | Expr::Quantified { .. }
        | Expr::Like { .. }
        | Expr::Case { .. }
        | Expr::Cast { .. }
        | Expr::Call { .. }) => vec![other],
    }
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
