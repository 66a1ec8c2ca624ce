//! Types of a statement's parameters: declared by the client, or learnt from where they stand.

use std::cell::RefCell;

use crate::error::{SqlError, SqlState};
use crate::expr::Expr;
use crate::types::DataType;

/// What is known of `$1`, `$2`, … so far.
pub struct Parameters {
    types: RefCell<Vec<Option<DataType>>>,
}

impl Parameters {
    /// With the types that the client declared.
    pub fn new(declared: &[Option<DataType>]) -> Self {
        Self { types: RefCell::new(declared.to_vec()) }
    }

    /// A parameter as an expression, of unknown type while nothing is known of it.
    pub fn expr(&self, index: usize) -> Expr {
        let mut types = self.types.borrow_mut();
        if types.len() <= index {
            types.resize(index + 1, None);
        }
        let known = types.get(index).copied().flatten();
        Expr::Parameter { index, data_type: known.unwrap_or(DataType::Unknown) }
    }

    /// A parameter whose type was learnt after it was bound, with that type; other expressions as they are. One that
    /// stands in two places of the tree (`$1 BETWEEN a AND b`) is bound before the first has told its type.
    pub fn retyped(&self, expr: Expr) -> Expr {
        match expr {
            Expr::Parameter { index, data_type: DataType::Unknown } => self.expr(index),
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
            | Expr::Call { .. }) => other,
        }
    }

    /// Learns the type of a parameter from where it stands. The first place decides; another type later is cast.
    pub fn learn(&self, index: usize, data_type: DataType) -> DataType {
        let mut types = self.types.borrow_mut();
        match types.get_mut(index) {
            Some(slot) => *slot.get_or_insert(data_type.base()),
            None => data_type,
        }
    }

    /// All types.
    ///
    /// # Errors
    /// 42P18 for a parameter of which nothing is known.
    pub fn finish(self) -> Result<Vec<DataType>, SqlError> {
        let types = self.types.into_inner();
        let known = |(index, data_type): (usize, Option<DataType>)| {
            data_type.ok_or_else(|| {
                let message = format!("could not determine data type of parameter ${}", index + 1);
                SqlError::new(SqlState::IndeterminateDatatype, message)
            })
        };
        types.into_iter().enumerate().map(known).collect()
    }
}
