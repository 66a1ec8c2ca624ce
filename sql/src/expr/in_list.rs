//! What `x IN (…)` looks through: expressions one after the other, or constants in order, of which one is found by halving.

use std::sync::Arc;

use crate::error::SqlError;
use crate::expr::Expr;
use crate::types::compare::compare;
use crate::types::{DataType, Datum};

/// Constants below which looking through them all is as fast.
const CONSTANTS_MIN: usize = 16;

/// The right side of IN.
#[derive(Clone, Debug, PartialEq)]
pub enum InList {
    /// Computed for each row, up to the first that is equal.
    Each(Vec<Expr>),
    /// The same for each row.
    Constants(Arc<Constants>),
}

/// Constants of one type.
#[derive(Debug, PartialEq)]
pub struct Constants {
    /// Ascending, none twice, no NULL.
    values: Vec<Datum>,
    /// One of the list was NULL: whoever is not found is unknown.
    has_null: bool,
    data_type: DataType,
}

impl InList {
    /// The list, ordered where it is one of many constants.
    pub fn of(list: Vec<Expr>) -> Self {
        match Constants::of(&list) {
            Some(constants) => Self::Constants(Arc::new(constants)),
            None => Self::Each(list),
        }
    }

    /// The list of an array's elements.
    pub fn of_elements(elements: &[Datum], data_type: DataType) -> Self {
        let has_value = elements.iter().any(|element| !element.is_null());
        if elements.len() < CONSTANTS_MIN || !has_value {
            return Self::Each(elements.iter().map(|e| Expr::Literal(e.clone(), data_type)).collect());
        }
        let values = elements.iter().filter(|element| !element.is_null()).cloned().collect();
        let has_null = elements.iter().any(Datum::is_null);
        Self::Constants(Arc::new(Constants::ordered(values, has_null, data_type)))
    }

    /// The expressions that it has to compute.
    pub fn computed(&self) -> &[Expr] {
        match self {
            Self::Each(list) => list,
            Self::Constants(_) => &[],
        }
    }

    /// The same with `change` done to each expression that it has to compute.
    ///
    /// # Errors
    /// The first error of `change`.
    pub fn map<E>(self, change: &mut dyn FnMut(Expr) -> Result<Expr, E>) -> Result<Self, E> {
        Ok(match self {
            Self::Each(list) => Self::Each(list.into_iter().map(change).collect::<Result<_, E>>()?),
            Self::Constants(_) => self,
        })
    }
}

impl Constants {
    /// `None` for a list that is short, or is not of constants of one kind.
    fn of(list: &[Expr]) -> Option<Self> {
        let is_null = |expr: &Expr| matches!(expr, Expr::Literal(Datum::Null, _));
        let Expr::Literal(first, data_type) = list.iter().find(|expr| !is_null(expr))? else { return None };
        if list.len() < CONSTANTS_MIN {
            return None;
        }
        let (mut values, mut has_null) = (Vec::with_capacity(list.len()), false);
        for expr in list {
            let Expr::Literal(value, of) = expr else { return None };
            if value.is_null() {
                has_null = true;
            } else if of == data_type && is_alike(value, first) {
                values.push(value.clone());
            } else {
                return None;
            }
        }
        Some(Self::ordered(values, has_null, *data_type))
    }

    fn ordered(mut values: Vec<Datum>, has_null: bool, data_type: DataType) -> Self {
        values.sort_by(compare);
        values.dedup_by(|a, b| compare(a, b).is_eq());
        Self { values, has_null, data_type }
    }

    /// Whether a value that is not NULL is one of them; `None` where nobody knows.
    pub fn contain(&self, value: &Datum) -> Option<bool> {
        match self.values.binary_search_by(|constant| compare(constant, value)) {
            Ok(_) => Some(true),
            Err(_) if self.has_null => None,
            Err(_) => Some(false),
        }
    }

    /// Those that are not NULL, ascending.
    pub fn values(&self) -> &[Datum] {
        &self.values
    }

    /// All as literals, for those who read or write expressions.
    pub fn literals(&self) -> impl ExactSizeIterator<Item = Expr> {
        let count = self.values.len() + usize::from(self.has_null);
        (0..count)
            .map(|at| Expr::Literal(self.values.get(at).cloned().unwrap_or(Datum::Null), self.data_type))
    }
}

/// Whether one order holds for both.
fn is_alike(a: &Datum, b: &Datum) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

/// `x IN (…)` for an `x` that is not NULL: true where one is equal, else NULL where one is NULL, else false.
///
/// # Errors
/// Those of computing the list.
pub fn find<'a, V: std::borrow::Borrow<Datum>>(
    operand: &Datum,
    list: &'a InList,
    mut compute: impl FnMut(&'a Expr) -> Result<V, SqlError>,
) -> Result<Option<bool>, SqlError> {
    let list = match list {
        InList::Constants(constants) => return Ok(constants.contain(operand)),
        InList::Each(list) => list,
    };
    let mut unknown = false;
    for item in list {
        let item = compute(item)?;
        if item.borrow().is_null() {
            unknown = true;
        } else if compare(operand, item.borrow()).is_eq() {
            return Ok(Some(true));
        }
    }
    Ok(if unknown { None } else { Some(false) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::expr::eval::{EvalContext, eval};

    fn datum() -> impl Strategy<Value = Datum> {
        prop_oneof![8 => (-30_i64..30).prop_map(Datum::Int), 1 => Just(Datum::Null)]
    }

    fn expr(operand: Datum, list: InList, negated: bool) -> Expr {
        Expr::InList { operand: Box::new(Expr::Literal(operand, DataType::Int8)), list, negated }
    }

    proptest! {
        #[test]
        fn in_list_of_constants_is_as_one_after_the_other(
            operand in datum(),
            list in prop::collection::vec(datum(), 0..40),
            negated: bool,
        ) {
            let list: Vec<Expr> = list.into_iter().map(|item| Expr::Literal(item, DataType::Int8)).collect();
            let ordered = InList::of(list.clone());
            let is_ordered = matches!(ordered, InList::Constants(_));
            let has_value = list.iter().any(|item| !matches!(item, Expr::Literal(Datum::Null, _)));
            prop_assert_eq!(is_ordered, list.len() >= CONSTANTS_MIN && has_value);
            let context = EvalContext::default();
            prop_assert_eq!(
                eval(&expr(operand.clone(), ordered, negated), &[], &context).unwrap(),
                eval(&expr(operand, InList::Each(list), negated), &[], &context).unwrap()
            );
        }
    }

    #[test]
    fn in_list_of_other_things_is_not_ordered() {
        let column = Expr::Column { index: 0, data_type: DataType::Int8 };
        let mut list: Vec<Expr> = (0..20).map(|n| Expr::Literal(Datum::Int(n), DataType::Int8)).collect();
        assert!(matches!(InList::of(list.clone()), InList::Constants(_)));
        list.push(Expr::Literal(Datum::Float(1.0), DataType::Float8));
        assert!(matches!(InList::of(list.clone()), InList::Each(_)));
        *list.last_mut().unwrap() = column;
        assert!(matches!(InList::of(list), InList::Each(_)));
    }
}
