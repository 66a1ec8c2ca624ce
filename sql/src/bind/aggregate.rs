//! Aggregates and grouping.
//!
//! A select list is bound over the input row, with placeholders for its aggregates. Where the query groups, its
//! expressions are then rewritten over the row of a group: group keys first, then aggregates.

use std::cell::RefCell;

use super::Binder;
use super::call::undefined_function;
use super::expr::Place;
use super::scope::Scope;
use crate::error::{SqlError, SqlState};
use crate::expr::{Aggregate, AggregateFunction, Expr};
use crate::parser::ast;
use crate::parser::ast::ExprKind;
use crate::types::DataType;
use crate::types::builtin::array::multidimensional;

/// Column positions from here on are placeholders for aggregates; no table has that many columns.
const PLACEHOLDER_BASE: usize = 1 << 20;

/// What was found while the expressions of a query were bound.
#[derive(Default)]
pub struct Aggregates {
    /// The query's aggregates, each once.
    list: RefCell<Vec<Aggregate>>,
    /// Columns named outside of aggregates, with their positions in the text.
    columns: RefCell<Vec<(usize, u32)>>,
}

impl Aggregates {
    /// Notes a column outside of aggregates.
    pub fn saw_column(&self, index: usize, position: u32) {
        self.columns.borrow_mut().push((index, position));
    }

    /// Whether the query has any.
    pub fn is_empty(&self) -> bool {
        self.list.borrow().is_empty()
    }

    /// The placeholder of an aggregate; equal ones are computed once.
    fn placeholder(&self, aggregate: Aggregate) -> Expr {
        let data_type = aggregate.data_type;
        let mut list = self.list.borrow_mut();
        let found = list.iter().position(|known| *known == aggregate);
        let index = found.unwrap_or(list.len());
        if found.is_none() {
            list.push(aggregate);
        }
        Expr::Column { index: PLACEHOLDER_BASE + index, data_type }
    }

    fn position_of(&self, index: usize) -> u32 {
        let columns = self.columns.borrow();
        columns.iter().find(|(column, _)| *column == index).map_or(0, |(_, position)| *position)
    }
}

/// Whether an expression holds an aggregate's placeholder.
pub fn has_aggregate(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |part| found |= matches!(part, Expr::Column { index, .. } if *index >= PLACEHOLDER_BASE));
    found
}

/// The aggregate function of this name.
pub fn aggregate_named(name: &str, star: bool) -> Option<AggregateFunction> {
    match name {
        "count" if star => Some(AggregateFunction::CountAll),
        "count" => Some(AggregateFunction::Count),
        "sum" => Some(AggregateFunction::Sum),
        "min" => Some(AggregateFunction::Min),
        "max" => Some(AggregateFunction::Max),
        "avg" => Some(AggregateFunction::Avg),
        "array_agg" => Some(AggregateFunction::ArrayAgg),
        _ => None,
    }
}

impl Binder<'_> {
    /// Binds the call of an aggregate into its placeholder.
    pub(super) fn aggregate(
        &self,
        function: AggregateFunction,
        call: &ast::Expr,
        place: &Place<'_>,
    ) -> Result<Expr, SqlError> {
        let ExprKind::Call { name, arguments, star, distinct } = &call.kind else {
            return Err(SqlError::new(SqlState::InternalError, "an aggregate was bound that is no call"));
        };
        let position = call.position;
        let Some(aggregates) = place.aggregates else {
            let message = match place.clause {
                "an aggregate" => "aggregate function calls cannot be nested".to_owned(),
                clause => format!("aggregate functions are not allowed in {clause}"),
            };
            return Err(SqlError::new(SqlState::GroupingError, message).at(position));
        };
        let (argument, argument_type) = match arguments.as_slice() {
            [] if function == AggregateFunction::CountAll => (None, DataType::Unknown),
            [argument] if !*star => {
                let inner = Place::plain(place.scope, "an aggregate");
                let bound = self.settle(self.expr(argument, &inner)?, argument.position)?;
                let data_type = bound.data_type().base();
                (Some(bound), data_type)
            }
            _ => {
                let types = vec![DataType::Unknown; arguments.len()];
                return Err(undefined_function(&name.value, &types, position));
            }
        };
        if function == AggregateFunction::ArrayAgg && argument_type.element().is_some() {
            return Err(multidimensional().at(position));
        }
        let data_type = result_type(function, argument_type)
            .ok_or_else(|| undefined_function(&name.value, &[argument_type], position))?;
        Ok(aggregates.placeholder(Aggregate { function, argument, distinct: *distinct, data_type }))
    }
}

/// Type of an aggregate over arguments of a type; `None` where there is none.
fn result_type(function: AggregateFunction, argument: DataType) -> Option<DataType> {
    match function {
        AggregateFunction::CountAll | AggregateFunction::Count => Some(DataType::Int8),
        AggregateFunction::Min | AggregateFunction::Max
            if matches!(argument, DataType::Bool | DataType::Uuid) =>
        {
            None
        }
        // There is none of VARCHAR, which is TEXT without a cast.
        AggregateFunction::Min | AggregateFunction::Max
            if matches!(argument, DataType::Varchar { .. } | DataType::Name) =>
        {
            Some(DataType::TEXT)
        }
        AggregateFunction::Min | AggregateFunction::Max => Some(argument),
        AggregateFunction::ArrayAgg => argument.array(),
        AggregateFunction::Sum if matches!(argument, DataType::Int2 | DataType::Int4) => Some(DataType::Int8),
        AggregateFunction::Sum if argument.is_float() => Some(argument),
        AggregateFunction::Avg if argument.is_float() => Some(DataType::Float8),
        AggregateFunction::Sum | AggregateFunction::Avg => argument.is_number().then_some(DataType::NUMERIC),
    }
}

/// How a query groups.
pub struct Grouping<'a> {
    /// Keys over the input row.
    pub group_by: Vec<Expr>,
    scope: &'a Scope,
    aggregates: &'a Aggregates,
    /// The keys hold a table's whole primary key, so that its other columns are the same within a group.
    functional: Vec<usize>,
}

impl<'a> Grouping<'a> {
    /// By these keys over the input row.
    pub fn new(group_by: Vec<Expr>, scope: &'a Scope, aggregates: &'a Aggregates) -> Self {
        let is_key = |position: &usize| {
            group_by.iter().any(|key| matches!(key, Expr::Column { index, .. } if index == position))
        };
        let keys = scope.primary_keys();
        let functional = keys.iter().enumerate().filter(|(_, key)| !key.is_empty() && key.iter().all(is_key));
        let functional = functional.map(|(table, _)| table).collect();
        Self { group_by, scope, aggregates, functional }
    }

    /// Rewrites an expression over the row of a group; its aggregates stay placeholders until [`Grouping::finish`].
    ///
    /// # Errors
    /// 42803 for a column that is neither grouped by nor inside an aggregate.
    pub fn over_group(&mut self, expr: Expr) -> Result<Expr, SqlError> {
        if let Some(index) = self.group_by.iter().position(|key| *key == expr) {
            return Ok(Expr::Column { index, data_type: expr.data_type() });
        }
        match expr {
            Expr::Column { index, .. } if index >= PLACEHOLDER_BASE => Ok(expr),
            Expr::Column { index, data_type } => {
                // With one table in scope the key that is grouped by is that of the column's table.
                if self.functional.is_empty() {
                    return Err(self.ungrouped(index));
                }
                self.group_by.push(expr);
                Ok(Expr::Column { index: self.group_by.len() - 1, data_type })
            }
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
            | Expr::Call { .. }) => other.map_children(&mut |part| self.over_group(part)),
        }
    }

    fn ungrouped(&self, index: usize) -> SqlError {
        let column = self.scope.qualified_name(index);
        let message = format!(
            "column \"{column}\" must appear in the GROUP BY clause or be used in an aggregate function"
        );
        SqlError::new(SqlState::GroupingError, message).at(self.aggregates.position_of(index))
    }

    /// Puts aggregates behind the group keys, which are all known now.
    pub fn finish(&self, expr: Expr) -> Expr {
        match expr {
            Expr::Column { index, data_type } if index >= PLACEHOLDER_BASE => {
                Expr::Column { index: index - PLACEHOLDER_BASE + self.group_by.len(), data_type }
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
            | Expr::Call { .. }) => {
                match other.map_children(&mut |part| Ok::<_, std::convert::Infallible>(self.finish(part))) {
                    Ok(finished) => finished,
                }
            }
        }
    }

    /// The aggregates, in the order of their placeholders.
    pub fn aggregates(&self) -> Vec<Aggregate> {
        self.aggregates.list.borrow().clone()
    }
}
