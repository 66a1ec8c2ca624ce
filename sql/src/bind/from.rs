//! FROM: tables, functions whose results are read as tables, and rows of VALUES.

use super::Binder;
use super::call::undefined_function;
use super::common_type::common_type;
use super::expr::Place;
use super::operator::NOT_UNIQUE_HINT;
use super::relation::Found;
use super::scope::Scope;
use super::select::scan;
use crate::error::{SqlError, SqlState};
use crate::expr::Expr;
use crate::parser::ast;
use crate::parser::ast::{ExprKind, Relation};
use crate::plan::node::{Query, TableFunction};
use crate::types::{DataType, Datum};

/// The columns of a relation that has no descriptor.
type Columns = Vec<(String, DataType)>;

impl Binder<'_> {
    /// The scope and the input of a FROM clause.
    pub(super) fn from(&self, from: Option<&Relation>) -> Result<(Scope, Query), SqlError> {
        let Some(from) = from else { return Ok((Scope::empty(), Query::Values { rows: vec![Vec::new()] })) };
        match from {
            Relation::Table(from) => {
                let found = self.relation(from).map_err(|error| {
                    if error.state != SqlState::WrongObjectType {
                        return error;
                    }
                    SqlError::unsupported("SELECT from a sequence").at(from.name.position)
                });
                match found? {
                    Found::Table(table) => Ok((self.target_scope(from, &table), scan(&table))),
                    Found::System(table) => {
                        let descriptor = table.descriptor();
                        let scope = match &from.alias {
                            Some(alias) => Scope::aliased(&alias.value, descriptor),
                            None => Scope::in_schema(table.schema(), descriptor),
                        };
                        Ok((scope, Query::SystemScan { table, filter: None }))
                    }
                }
            }
            Relation::Function(function) => self.function_in_from(function),
            Relation::Values(values) => {
                let (tree, outputs) = self.values(&values.rows, &[], &[])?;
                let columns = outputs.into_iter().map(|column| (column.name, column.data_type)).collect();
                Ok((named(&values.alias.name.value, columns, Some(&values.alias))?, tree))
            }
        }
    }

    /// A function in FROM: several rows of one that yields a set, else one row.
    fn function_in_from(&self, from: &ast::FunctionRef) -> Result<(Scope, Query), SqlError> {
        let ExprKind::Call { name, arguments, .. } = &from.call.kind else {
            return Err(SqlError::new(SqlState::InternalError, "a function was bound that is no call"));
        };
        let scope = Scope::empty();
        let place = Place::plain(&scope, "functions in FROM");
        let (mut tree, types) = match name.value.as_str() {
            "unnest" => self.unnest(arguments, &place, name.position)?,
            "generate_series" => self.generate_series(arguments, &place, name.position)?,
            _ => {
                let value = self.settle(self.expr(&from.call, &place)?, from.call.position)?;
                let data_type = value.data_type();
                (Query::Values { rows: vec![vec![value]] }, vec![data_type])
            }
        };
        // A single column takes the name that the function has here.
        let own = from.alias.as_ref().filter(|_| types.len() == 1).map_or(name, |alias| &alias.name);
        let mut columns: Columns = types.iter().map(|data_type| (own.value.clone(), *data_type)).collect();
        if from.ordinality {
            columns.push(("ordinality".to_owned(), DataType::Int8));
            match &mut tree {
                Query::Values { rows } => {
                    rows.iter_mut().for_each(|row| row.push(Expr::Literal(Datum::Int(1), DataType::Int8)));
                }
                Query::Function { ordinality, .. } => *ordinality = true,
                Query::Scan { .. }
                | Query::Filter(..)
                | Query::Project(..)
                | Query::Aggregate { .. }
                | Query::Sort { .. }
                | Query::Distinct(_)
                | Query::SystemScan { .. }
                | Query::Limit { .. } => {}
            }
        }
        Ok((named(&name.value, columns, from.alias.as_ref())?, tree))
    }

    /// `unnest(a, b)`: as many rows as the longest array has elements.
    fn unnest(
        &self,
        arguments: &[ast::Expr],
        place: &Place<'_>,
        position: u32,
    ) -> Result<(Query, Vec<DataType>), SqlError> {
        let (mut arrays, mut types) = (Vec::with_capacity(arguments.len()), Vec::new());
        for argument in arguments {
            arrays.push(self.expr(argument, place)?);
        }
        let given: Vec<DataType> = arrays.iter().map(Expr::data_type).collect();
        for array in &arrays {
            match array.data_type().element() {
                Some(element) => types.push(element.base()),
                None if array.data_type() == DataType::Unknown => {
                    return Err(not_unique("unnest", &given, position));
                }
                None => return Err(undefined_function("unnest", &given, position)),
            }
        }
        if arrays.is_empty() {
            return Err(undefined_function("unnest", &given, position));
        }
        let function = TableFunction::Unnest;
        Ok((Query::Function { function, arguments: arrays, ordinality: false }, types))
    }

    /// `generate_series(from, to[, step])` of integers and of numerics.
    fn generate_series(
        &self,
        arguments: &[ast::Expr],
        place: &Place<'_>,
        position: u32,
    ) -> Result<(Query, Vec<DataType>), SqlError> {
        let mut bounds = Vec::with_capacity(arguments.len());
        for argument in arguments {
            bounds.push((self.expr(argument, place)?, argument.position));
        }
        let types: Vec<DataType> = bounds.iter().map(|(bound, _)| bound.data_type()).collect();
        let undefined = || undefined_function("generate_series", &types, position);
        if !matches!(bounds.len(), 2 | 3) {
            return Err(undefined());
        }
        if types.iter().all(|data_type| *data_type == DataType::Unknown) {
            return Err(not_unique("generate_series", &types, position));
        }
        let mut common = common_type(&types).map_err(|_| undefined())?.base();
        if matches!(common, DataType::Date | DataType::Timestamp | DataType::TimestampTz) {
            return Err(SqlError::unsupported("generate_series of timestamps").at(position));
        }
        if common == DataType::Int2 {
            common = DataType::Int4;
        }
        if !common.is_integer() && common != DataType::NUMERIC {
            return Err(undefined());
        }
        let mut arguments = Vec::with_capacity(bounds.len());
        for (bound, at) in bounds {
            arguments.push(self.coerce(bound, common, at)?.ok_or_else(undefined)?);
        }
        let function = TableFunction::GenerateSeries;
        Ok((Query::Function { function, arguments, ordinality: false }, vec![common]))
    }
}

/// The scope of a relation of its own, whose first columns may have other names here.
fn named(name: &str, mut columns: Columns, alias: Option<&ast::Alias>) -> Result<Scope, SqlError> {
    let Some(alias) = alias else { return Ok(Scope::of_columns(name, columns)) };
    if alias.columns.len() > columns.len() {
        let message = format!(
            "table \"{}\" has {} columns available but {} columns specified",
            alias.name.value,
            columns.len(),
            alias.columns.len()
        );
        return Err(SqlError::new(SqlState::InvalidColumnReference, message));
    }
    for ((column, _), name) in columns.iter_mut().zip(&alias.columns) {
        column.clone_from(&name.value);
    }
    Ok(Scope::of_columns(&alias.name.value, columns))
}

/// The error of a call that several functions could be.
fn not_unique(name: &str, types: &[DataType], position: u32) -> SqlError {
    let types: Vec<String> = types.iter().map(|data_type| data_type.base().to_string()).collect();
    let message = format!("function {name}({}) is not unique", types.join(", "));
    SqlError::new(SqlState::AmbiguousFunction, message).with_hint(NOT_UNIQUE_HINT).at(position)
}
