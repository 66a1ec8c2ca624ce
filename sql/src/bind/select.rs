//! SELECT and VALUES.
//!
//! ```text
//! Scan or one empty row → Filter → [Aggregate → Filter (HAVING)] → Sort → Project          without DISTINCT
//!                                                                → Project → Distinct → Sort   with DISTINCT
//! ```

use std::sync::Arc;

use quorate_engine::kv::keyspace;

use super::aggregate::{Aggregates, Grouping};
use super::expr::Place;
use super::order::Output;
use super::scope::Scope;
use super::{Binder, BoundQuery};
use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::system::Schema;
use crate::error::{SqlError, SqlState};
use crate::expr::{Expr, SortKey};
use crate::limits::RESULT_COLUMNS_MAX;
use crate::parser::ast;
use crate::parser::ast::{ExprKind, QueryBody, SelectItem};
use crate::plan::node::{Access, OutputColumn, PushDown, Query};
use crate::types::DataType;

/// A query over all rows of a table; planning narrows it.
pub fn scan(table: &Arc<TableDescriptor>) -> Query {
    Query::Scan {
        table: Arc::clone(table),
        access: Access::Spans(vec![keyspace::table_span(table.id)]),
        reverse: false,
        pushed: PushDown::default(),
    }
}

impl Binder<'_> {
    /// Binds a query.
    pub(super) fn query(&self, query: &ast::Query) -> Result<BoundQuery, SqlError> {
        self.query_for(query, &[])
    }

    /// Binds a query whose columns go into columns of these types: literals take them.
    pub(super) fn query_for(&self, query: &ast::Query, targets: &[DataType]) -> Result<BoundQuery, SqlError> {
        let (tree, columns) = match &query.body {
            QueryBody::Select(select) => self.select(select, &query.order_by, targets)?,
            QueryBody::Values(rows) => self.values(rows, &query.order_by, targets)?,
        };
        check_result_width(columns.len())?;
        let limit = self.row_count(query.limit.as_ref(), "LIMIT")?;
        let offset = self.row_count(query.offset.as_ref(), "OFFSET")?;
        Ok(BoundQuery { tree, offset, limit, columns })
    }

    /// LIMIT and OFFSET: a bigint without columns.
    fn row_count(&self, count: Option<&ast::Expr>, clause: &'static str) -> Result<Option<Expr>, SqlError> {
        let Some(count) = count else { return Ok(None) };
        let scope = Scope::empty();
        if let ExprKind::Column { column, .. } = &count.kind {
            if column.value == "all" && clause == "LIMIT" {
                return Ok(None);
            }
            let message = format!("argument of {clause} must not contain variables");
            return Err(SqlError::new(SqlState::InvalidColumnReference, message).at(count.position));
        }
        let expr = self.expr(count, &Place::plain(&scope, clause))?;
        self.assign(expr, (clause, DataType::Int8), count.position).map(Some)
    }

    /// The scope of one table under its alias or name.
    pub(super) fn target_scope(&self, target: &ast::TableRef, table: &Arc<TableDescriptor>) -> Scope {
        match &target.alias {
            Some(alias) => Scope::aliased(&alias.value, table),
            None => Scope::in_schema(Schema::Public, table),
        }
    }

    /// `WHERE`, where it was given.
    pub(super) fn filter(&self, filter: Option<&ast::Expr>, scope: &Scope) -> Result<Option<Expr>, SqlError> {
        let Some(filter) = filter else { return Ok(None) };
        let bound = self.expr(filter, &Place::plain(scope, "WHERE"))?;
        self.condition(bound, "WHERE", filter.position).map(Some)
    }

    fn select(
        &self,
        select: &ast::Select,
        order_by: &[ast::OrderBy],
        targets: &[DataType],
    ) -> Result<(Query, Vec<OutputColumn>), SqlError> {
        let (scope, mut tree) = self.from(select.from.as_ref())?;
        if let Some(filter) = self.filter(select.filter.as_ref(), &scope)? {
            tree = Query::Filter(Box::new(tree), filter);
        }
        let aggregates = Aggregates::default();
        let place = Place { scope: &scope, aggregates: Some(&aggregates), clause: "SELECT" };
        let outputs = self.items(&select.items, &place, targets)?;
        let group_by = self.group_by(&select.group_by, &outputs, &scope)?;
        let having = match &select.having {
            None => None,
            Some(having) => {
                let bound = self.expr(having, &Place { clause: "HAVING", ..place })?;
                Some(self.condition(bound, "HAVING", having.position)?)
            }
        };
        let keys = self.order_by(order_by, &outputs, &Place { clause: "ORDER BY", ..place })?;
        let columns = outputs.iter().map(Output::column).collect();
        let mut exprs: Vec<Expr> = outputs.into_iter().map(|output| output.expr).collect();
        let mut keys = keys;
        if !group_by.is_empty() || having.is_some() || !aggregates.is_empty() {
            let grouping = Grouping::new(group_by, &scope, &aggregates);
            tree = grouped(tree, grouping, having, (&mut exprs, &mut keys))?;
        }
        Ok((shaped(tree, exprs, keys, select.distinct)?, columns))
    }

    /// The select list, with `*` written out.
    pub(super) fn items(
        &self,
        items: &[SelectItem],
        place: &Place<'_>,
        targets: &[DataType],
    ) -> Result<Vec<Output>, SqlError> {
        let mut outputs = Vec::with_capacity(items.len());
        for item in items {
            match item {
                SelectItem::Wildcard { table, position } => {
                    let found = place.scope.all(table.as_ref())?;
                    if found.is_empty() && place.scope.primary_keys().is_empty() {
                        let message = "SELECT * with no tables specified is not valid";
                        return Err(SqlError::new(SqlState::SyntaxError, message).at(*position));
                    }
                    for column in found {
                        if let Some(aggregates) = place.aggregates {
                            aggregates.saw_column(column.index, *position);
                        }
                        outputs.push(Output { expr: column.expr(), name: column.name });
                    }
                }
                SelectItem::Expr { expr, alias } => {
                    let bound = self.expr(expr, place)?;
                    let bound = match targets.get(outputs.len()) {
                        Some(target) if bound.data_type() == DataType::Unknown => {
                            self.coerce(bound.clone(), *target, expr.position)?.unwrap_or(bound)
                        }
                        _ => self.settle(bound, expr.position)?,
                    };
                    let name = match alias {
                        Some(alias) => alias.value.clone(),
                        None => super::order::name_of(expr),
                    };
                    outputs.push(Output { expr: bound, name });
                }
            }
        }
        Ok(outputs)
    }

    /// The rows of VALUES, and their columns.
    pub(super) fn values(
        &self,
        rows: &[Vec<ast::Expr>],
        order_by: &[ast::OrderBy],
        targets: &[DataType],
    ) -> Result<(Query, Vec<OutputColumn>), SqlError> {
        let width = rows.first().map_or(0, Vec::len);
        if let Some(uneven) = rows.iter().find(|row| row.len() != width) {
            let position = uneven.first().map_or(0, |expr| expr.position);
            let message = "VALUES lists must all be the same length";
            return Err(SqlError::new(SqlState::SyntaxError, message).at(position));
        }
        let scope = Scope::empty();
        let place = Place::plain(&scope, "VALUES");
        let mut bound: Vec<Vec<Expr>> = rows.iter().map(|row| Vec::with_capacity(row.len())).collect();
        let mut outputs = Vec::with_capacity(width);
        for column in 0..width {
            let mut cells = Vec::with_capacity(rows.len());
            for cell in rows.iter().filter_map(|row| row.get(column)) {
                let mut expr = self.expr(cell, &place)?;
                if let (Some(target), DataType::Unknown) = (targets.get(column), expr.data_type()) {
                    expr = self.coerce(expr.clone(), *target, cell.position)?.unwrap_or(expr);
                }
                cells.push((expr, cell.position));
            }
            let (cells, data_type) = self.to_common(cells, "VALUES")?;
            for (row, cell) in bound.iter_mut().zip(cells) {
                row.push(cell);
            }
            let name = format!("column{}", column + 1);
            outputs.push(Output { expr: Expr::Column { index: column, data_type }, name });
        }
        let keys = self.order_by(order_by, &outputs, &Place { clause: "ORDER BY", ..place })?;
        let columns = outputs.iter().map(Output::column).collect();
        Ok((sorted(Query::Values { rows: bound }, keys), columns))
    }
}

/// Fails for more columns than a result may have.
///
/// # Errors
/// 54011.
pub(super) fn check_result_width(columns: usize) -> Result<(), SqlError> {
    if columns <= RESULT_COLUMNS_MAX {
        return Ok(());
    }
    let message = format!("target lists can have at most {RESULT_COLUMNS_MAX} entries");
    Err(SqlError::new(SqlState::TooManyColumns, message))
}

/// Groups the input, and rewrites what stands above over the groups.
fn grouped(
    tree: Query,
    mut grouping: Grouping<'_>,
    having: Option<Expr>,
    above: (&mut Vec<Expr>, &mut Vec<SortKey>),
) -> Result<Query, SqlError> {
    let (exprs, keys) = above;
    let having = having.map(|having| grouping.over_group(having)).transpose()?;
    let mut over = Vec::with_capacity(exprs.len());
    for expr in exprs.drain(..) {
        over.push(grouping.over_group(expr)?);
    }
    let mut sorts = Vec::with_capacity(keys.len());
    for key in keys.drain(..) {
        sorts.push(SortKey { expr: grouping.over_group(key.expr)?, ..key });
    }
    exprs.extend(over.into_iter().map(|expr| grouping.finish(expr)));
    keys.extend(sorts.into_iter().map(|key| SortKey { expr: grouping.finish(key.expr), ..key }));
    let having = having.map(|having| grouping.finish(having));
    let aggregates = grouping.aggregates();
    let tree = Query::Aggregate { input: Box::new(tree), group_by: grouping.group_by, aggregates };
    Ok(match having {
        Some(having) => Query::Filter(Box::new(tree), having),
        None => tree,
    })
}

fn sorted(tree: Query, keys: Vec<SortKey>) -> Query {
    if keys.is_empty() { tree } else { Query::Sort { input: Box::new(tree), keys, limit: None } }
}

/// Sorts and projects, in the order that DISTINCT asks for.
fn shaped(tree: Query, exprs: Vec<Expr>, keys: Vec<SortKey>, distinct: bool) -> Result<Query, SqlError> {
    if !distinct {
        return Ok(Query::Project(Box::new(sorted(tree, keys)), exprs));
    }
    let mut over_output = Vec::with_capacity(keys.len());
    for key in keys {
        let Some(index) = exprs.iter().position(|expr| *expr == key.expr) else {
            let message = "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
            return Err(SqlError::new(SqlState::InvalidColumnReference, message));
        };
        let data_type = key.expr.data_type();
        over_output.push(SortKey { expr: Expr::Column { index, data_type }, ..key });
    }
    let tree = Query::Distinct(Box::new(Query::Project(Box::new(tree), exprs)));
    Ok(sorted(tree, over_output))
}
