//! FROM of the grammar to ours: a table, a function, or rows of VALUES, and nothing beside it.

use sqlparser::ast::{FunctionArg, FunctionArgExpr, ObjectName, Query, SetExpr, TableAlias, TableFactor};

use super::ast::{Alias, Expr, ExprKind, FunctionRef, Name, Relation, ValuesRef};
use super::expr::Convert;
use super::{Source, place};
use crate::error::{SqlError, SqlState};

/// Whether an item of FROM is a function or VALUES: what is no table, and is read here.
pub fn is_no_table(relation: &TableFactor) -> bool {
    match relation {
        TableFactor::Table { args, .. } => args.is_some(),
        TableFactor::Function { .. } | TableFactor::UNNEST { with_offset: false, .. } => true,
        TableFactor::Derived { lateral: false, subquery, sample: None, .. } => {
            matches!(*subquery.body, SetExpr::Values(_))
        }
        _ => false,
    }
}

/// A function or VALUES in FROM.
///
/// # Errors
/// 0A000 for what is neither, and for VALUES with more than rows; 42601 for VALUES without an alias.
pub fn relation(source: &Source<'_>, relation: TableFactor) -> Result<Relation, SqlError> {
    let convert = Convert::new(source);
    let position = source.positions.of(place::of_table(&relation));
    match relation {
        TableFactor::Table { name, alias, args: Some(arguments), with_ordinality, .. } => {
            function(source, (name, arguments.args), with_ordinality, alias).map(Relation::Function)
        }
        TableFactor::Function { lateral: _, name, args, with_ordinality, alias } => {
            function(source, (name, args), with_ordinality, alias).map(Relation::Function)
        }
        TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } => {
            let arguments = convert.list(array_exprs)?;
            let alias = alias.map(|alias| self::alias(source, alias)).transpose()?;
            // The grammar does not tell where its word stands.
            let call = call(Name { value: "unnest".to_owned(), position: 0 }, arguments, false);
            Ok(Relation::Function(FunctionRef { call, ordinality: with_ordinality, alias }))
        }
        TableFactor::Derived { subquery, alias, .. } => {
            values(source, *subquery, alias, position).map(Relation::Values)
        }
        _ => Err(SqlError::unsupported("this form of FROM").at(position)),
    }
}

fn values(
    source: &Source<'_>,
    query: Query,
    alias: Option<TableAlias>,
    position: u32,
) -> Result<ValuesRef, SqlError> {
    let is_bare = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.locks.is_empty();
    let (SetExpr::Values(values), true) = (*query.body, is_bare) else {
        return Err(SqlError::unsupported("a clause of VALUES in FROM").at(position));
    };
    let Some(alias) = alias else {
        return Err(SqlError::new(SqlState::SyntaxError, "VALUES in FROM must have an alias")
            .with_hint("For example, FROM (VALUES ...) [AS] foo.")
            .at(position));
    };
    let convert = Convert::new(source);
    let rows = values.rows.into_iter().map(|row| convert.list(row.content)).collect::<Result<_, _>>()?;
    Ok(ValuesRef { rows, alias: self::alias(source, alias)? })
}

fn function(
    source: &Source<'_>,
    (name, arguments): (ObjectName, Vec<FunctionArg>),
    ordinality: bool,
    alias: Option<TableAlias>,
) -> Result<FunctionRef, SqlError> {
    let convert = Convert::new(source);
    let name = convert.function_name(name)?;
    let alias = alias.map(|alias| self::alias(source, alias)).transpose()?;
    let star = matches!(arguments.as_slice(), [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]);
    let arguments = if star { Vec::new() } else { convert.arguments(arguments, name.position)? };
    Ok(FunctionRef { call: call(name, arguments, star), ordinality, alias })
}

fn call(name: Name, arguments: Vec<Expr>, star: bool) -> Expr {
    let position = name.position;
    Expr { position, kind: ExprKind::Call { name, arguments, star, distinct: false } }
}

/// `AS t (a, b)`.
fn alias(source: &Source<'_>, alias: TableAlias) -> Result<Alias, SqlError> {
    let convert = Convert::new(source);
    let name = convert.name(alias.name)?;
    let mut columns = Vec::with_capacity(alias.columns.len());
    for column in alias.columns {
        let typed = column.data_type.is_some();
        let name = convert.name(column.name)?;
        if typed {
            let message = "a column definition list is only allowed for functions returning \"record\"";
            return Err(SqlError::new(SqlState::SyntaxError, message).at(name.position));
        }
        columns.push(name);
    }
    Ok(Alias { name, columns })
}
