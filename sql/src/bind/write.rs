//! INSERT, UPDATE and DELETE.

use std::sync::Arc;

use super::coerce::explicit_cast;
use super::expr::Place;
use super::order::Output;
use super::scope::Scope;
use super::select::check_result_width;
use super::{Binder, BoundDelete, BoundInsert, BoundQuery, BoundReturning, BoundUpdate};
use crate::catalog::descriptor::{ColumnDescriptor, Identity, TableDescriptor};
use crate::error::{SqlError, SqlState};
use crate::expr::Expr;
use crate::parser::ast;
use crate::parser::ast::sequence::Overriding;
use crate::parser::ast::{ExprKind, QueryBody};
use crate::plan::node::{OnConflict, Query};
use crate::storage::layout::is_read_from_key;
use crate::types::Datum;

/// What a column holds where nothing is given for it.
pub fn default_of(column: &ColumnDescriptor) -> Expr {
    column.default.clone().unwrap_or(Expr::Literal(Datum::Null, column.data_type))
}

/// Positions of the named columns in their table; of all columns that are not hidden where none is named.
///
/// # Errors
/// 42703 for a column that does not exist, 42701 for one named twice.
pub fn target_columns(table: &TableDescriptor, names: &[ast::Name]) -> Result<Vec<usize>, SqlError> {
    if names.is_empty() {
        let visible = table.columns.iter().enumerate().filter(|(_, column)| !column.hidden);
        return Ok(visible.map(|(position, _)| position).collect());
    }
    let mut positions = Vec::with_capacity(names.len());
    for name in names {
        let (position, _) = target_column(table, name)?;
        if positions.contains(&position) {
            let message = format!("column \"{}\" specified more than once", name.value);
            return Err(SqlError::new(SqlState::DuplicateColumn, message).at(name.position));
        }
        positions.push(position);
    }
    Ok(positions)
}

fn target_column<'a>(
    table: &'a TableDescriptor,
    name: &ast::Name,
) -> Result<(usize, &'a ColumnDescriptor), SqlError> {
    let mut visible = table.columns.iter().enumerate().filter(|(_, column)| !column.hidden);
    visible.clone().find(|(_, column)| column.name == name.value).ok_or_else(|| {
        let message = format!("column \"{}\" of relation \"{}\" does not exist", name.value, table.name);
        let error = SqlError::new(SqlState::UndefinedColumn, message).at(name.position);
        let names = visible.by_ref().map(|(_, column)| column.name.as_str());
        match super::suggest::nearest(&name.value, names) {
            Some(near) => error.with_hint(format!("Perhaps you meant the column \"{near}\".")),
            None => error,
        }
    })
}

/// The table's full row: these values for their column positions, defaults for the others.
pub fn full_row(table: &TableDescriptor, given: &[(usize, Expr)]) -> Vec<Expr> {
    let column = |(position, column): (usize, &ColumnDescriptor)| {
        let value = given.iter().find(|(known, _)| *known == position).map(|(_, value)| value.clone());
        value.unwrap_or_else(|| default_of(column))
    };
    table.columns.iter().enumerate().map(column).collect()
}

/// The columns at these positions as values of a row that has them side by side.
pub fn side_by_side(table: &TableDescriptor, positions: &[usize]) -> Vec<(usize, Expr)> {
    let value = |(index, position): (usize, &usize)| {
        let column = table.columns.get(*position)?;
        Some((*position, Expr::Column { index, data_type: column.data_type }))
    };
    positions.iter().enumerate().filter_map(value).collect()
}

impl Binder<'_> {
    /// Binds an INSERT.
    pub(super) fn insert(&self, insert: &ast::Insert) -> Result<BoundInsert, SqlError> {
        let table = self.target(&insert.table)?;
        let targets = target_columns(&table, &insert.columns)?;
        let (source, given) = self.insert_source(insert, &table, &targets)?;
        let on_conflict = self.on_conflict(insert, &table)?;
        let returning = self.returning(insert.returning.as_deref(), (&insert.table, &table))?;
        Ok(BoundInsert { columns: full_row(&table, &given), source, table, on_conflict, returning })
    }

    /// What yields the rows to insert, and column positions with their values over such a row.
    fn insert_source(
        &self,
        insert: &ast::Insert,
        table: &TableDescriptor,
        targets: &[usize],
    ) -> Result<(BoundQuery, Vec<(usize, Expr)>), SqlError> {
        let nothing =
            |rows| BoundQuery { tree: Query::Values { rows }, offset: None, limit: None, columns: vec![] };
        let Some(source) = &insert.source else { return Ok((nothing(vec![Vec::new()]), Vec::new())) };
        let bare = source.order_by.is_empty() && source.limit.is_none() && source.offset.is_none();
        if let (QueryBody::Values(rows), true) = (&source.body, bare) {
            let width = rows.first().map_or(0, Vec::len);
            let position = rows.first().and_then(|row| row.get(targets.len())).map(|cell| cell.position);
            let given = check_width(insert, targets, width, position)?;
            return Ok((
                nothing(self.insert_values(insert, rows, table, &given)?),
                side_by_side(table, &given),
            ));
        }
        let types: Vec<_> =
            targets.iter().filter_map(|position| table.columns.get(*position)).map(|c| c.data_type).collect();
        let query = self.query_for(source, &types)?;
        let given = check_width(insert, targets, query.columns.len(), None)?;
        let mut assigned = Vec::with_capacity(given.len());
        for (index, (position, output)) in given.iter().zip(&query.columns).enumerate() {
            let Some(column) = table.columns.get(*position) else { continue };
            let value = Expr::Column { index, data_type: output.data_type };
            if given_for(column, insert.overriding)? == Given::Ignored {
                assigned.push((*position, default_of(column)));
                continue;
            }
            let target = (column.name.as_str(), column.data_type);
            assigned.push((*position, self.assign(value, target, insert.table.name.position)?));
        }
        Ok((query, assigned))
    }

    /// `VALUES` whose cells go straight into columns, and may be DEFAULT.
    fn insert_values(
        &self,
        insert: &ast::Insert,
        rows: &[Vec<ast::Expr>],
        table: &TableDescriptor,
        given: &[usize],
    ) -> Result<Vec<Vec<Expr>>, SqlError> {
        let scope = Scope::empty();
        let place = Place::plain(&scope, "VALUES");
        let mut bound = Vec::with_capacity(rows.len());
        for row in rows {
            if row.len() != given.len() {
                let position = row.first().map_or(0, |cell| cell.position);
                let message = "VALUES lists must all be the same length";
                return Err(SqlError::new(SqlState::SyntaxError, message).at(position));
            }
            let mut cells = Vec::with_capacity(row.len());
            for (cell, position) in row.iter().zip(given) {
                let Some(column) = table.columns.get(*position) else { continue };
                let is_default = cell.kind == ExprKind::Default;
                cells.push(if !is_default && given_for(column, insert.overriding)? == Given::Ignored {
                    default_of(column)
                } else {
                    self.assigned(cell, column, &place)?
                });
            }
            bound.push(cells);
        }
        Ok(bound)
    }

    /// The value of a column: an expression or DEFAULT.
    fn assigned(
        &self,
        value: &ast::Expr,
        column: &ColumnDescriptor,
        place: &Place<'_>,
    ) -> Result<Expr, SqlError> {
        if value.kind == ExprKind::Default {
            return Ok(default_of(column));
        }
        let bound = self.expr(value, place)?;
        self.assign(bound, (&column.name, column.data_type), value.position)
    }

    fn on_conflict(
        &self,
        insert: &ast::Insert,
        table: &Arc<TableDescriptor>,
    ) -> Result<OnConflict, SqlError> {
        let Some(clause) = &insert.on_conflict else { return Ok(OnConflict::Error) };
        if !clause.target.is_empty() {
            check_conflict_target(table, clause)?;
        }
        let Some(update) = &clause.update else { return Ok(OnConflict::Nothing) };
        let mut scope = self.target_scope(&insert.table, table);
        scope.add("excluded", table);
        let assignments = self.assignments(&update.assignments, table, &scope)?;
        let filter = self.filter(update.filter.as_ref(), &scope)?;
        if filter.is_none() && replaces(table, &assignments) {
            return Ok(OnConflict::Replace);
        }
        Ok(OnConflict::Update { assignments, filter })
    }

    /// `SET a = …, b = …`.
    fn assignments(
        &self,
        list: &[ast::Assignment],
        table: &TableDescriptor,
        scope: &Scope,
    ) -> Result<Vec<(usize, Expr)>, SqlError> {
        let place = Place::plain(scope, "UPDATE");
        let mut assignments: Vec<(usize, Expr)> = Vec::with_capacity(list.len());
        for assignment in list {
            let (position, column) = target_column(table, &assignment.column)?;
            if assignments.iter().any(|(known, _)| *known == position) {
                let message = format!("multiple assignments to same column \"{}\"", column.name);
                return Err(SqlError::new(SqlState::SyntaxError, message).at(assignment.column.position));
            }
            if column.identity == Some(Identity::Always) && assignment.value.kind != ExprKind::Default {
                let message = format!("column \"{}\" can only be updated to DEFAULT", column.name);
                let error = SqlError::new(SqlState::GeneratedAlways, message);
                return Err(error.with_detail(always_generated(column)));
            }
            let value = self.assigned(&assignment.value, column, &place)?;
            assignments.push((position, value));
        }
        Ok(assignments)
    }

    /// Binds an UPDATE.
    pub(super) fn update(&self, update: &ast::Update) -> Result<BoundUpdate, SqlError> {
        let table = self.target(&update.table)?;
        let scope = self.target_scope(&update.table, &table);
        let assignments = self.assignments(&update.assignments, &table, &scope)?;
        let filter = self.filter(update.filter.as_ref(), &scope)?;
        let returning = self.returning(update.returning.as_deref(), (&update.table, &table))?;
        Ok(BoundUpdate { table, filter, assignments, returning })
    }

    /// Binds a DELETE.
    pub(super) fn delete(&self, delete: &ast::Delete) -> Result<BoundDelete, SqlError> {
        let table = self.target(&delete.table)?;
        let scope = self.target_scope(&delete.table, &table);
        let filter = self.filter(delete.filter.as_ref(), &scope)?;
        let returning = self.returning(delete.returning.as_deref(), (&delete.table, &table))?;
        Ok(BoundDelete { table, filter, returning })
    }

    /// Binds RETURNING over the table's row.
    fn returning(
        &self,
        items: Option<&[ast::SelectItem]>,
        (target, table): (&ast::TableRef, &Arc<TableDescriptor>),
    ) -> Result<Option<BoundReturning>, SqlError> {
        let Some(items) = items else { return Ok(None) };
        let scope = self.target_scope(target, table);
        let outputs = self.items(items, &Place::plain(&scope, "RETURNING"), &[])?;
        let columns: Vec<_> = outputs.iter().map(Output::column).collect();
        check_result_width(columns.len())?;
        Ok(Some(BoundReturning { exprs: outputs.into_iter().map(|output| output.expr).collect(), columns }))
    }

    /// Binds a DEFAULT: no columns, cast to its column's type.
    pub(super) fn default_value(
        &self,
        value: &ast::Expr,
        column: (&str, crate::types::DataType),
    ) -> Result<Expr, SqlError> {
        let scope = Scope::empty();
        let bound = self.expr(value, &Place::plain(&scope, "DEFAULT expressions"))?;
        let from = bound.data_type();
        let assigned = self.assign(bound, column, value.position).map_err(|error| {
            if error.state != SqlState::DatatypeMismatch {
                return error;
            }
            let message = format!(
                "column \"{}\" is of type {} but default expression is of type {}",
                column.0,
                column.1.base(),
                from.base()
            );
            SqlError { message, ..error }
        })?;
        check_storable(&assigned).map_err(|error| error.at(value.position))?;
        // Stored with the column's own type, so that a default can stand wherever the column's value does.
        Ok(if assigned.data_type() == column.1 { assigned } else { explicit_cast(assigned, column.1) })
    }
}

/// What becomes of a value that INSERT gives for a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    /// It is stored.
    Taken,
    /// The default is stored.
    Ignored,
}

/// What becomes of a value other than DEFAULT for this column.
///
/// # Errors
/// 428C9 for one that always makes its own.
fn given_for(column: &ColumnDescriptor, overriding: Option<Overriding>) -> Result<Given, SqlError> {
    match (column.identity, overriding) {
        (Some(_), Some(Overriding::User)) => Ok(Given::Ignored),
        (Some(Identity::Always), None) => {
            let message = format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name);
            Err(SqlError::new(SqlState::GeneratedAlways, message)
                .with_detail(always_generated(column))
                .with_hint("Use OVERRIDING SYSTEM VALUE to override."))
        }
        (None | Some(Identity::Always | Identity::ByDefault), _) => Ok(Given::Taken),
    }
}

fn always_generated(column: &ColumnDescriptor) -> String {
    format!("Column \"{}\" is an identity column defined as GENERATED ALWAYS.", column.name)
}

/// Fails for a default that asks the catalog or the session, or that nodes of the release before do not know.
fn check_storable(default: &Expr) -> Result<(), SqlError> {
    if default.is_stored() {
        return Ok(());
    }
    let mut refused = "a default that asks the catalog".to_owned();
    default.walk(&mut |part| {
        if let Expr::Call { function, .. } = part
            && !function.is_stored()
        {
            refused = format!("function {} in DEFAULT", function.name());
        }
    });
    Err(SqlError::unsupported(refused))
}
/// The columns that a source of this width gives.
fn check_width(
    insert: &ast::Insert,
    targets: &[usize],
    width: usize,
    position: Option<u32>,
) -> Result<Vec<usize>, SqlError> {
    let error = |message: &str, position| SqlError::new(SqlState::SyntaxError, message).at(position);
    if width > targets.len() {
        let position = position.unwrap_or(insert.table.name.position);
        return Err(error("INSERT has more expressions than target columns", position));
    }
    if width < targets.len() && !insert.columns.is_empty() {
        let position = insert.columns.get(width).map_or(0, |name| name.position);
        return Err(error("INSERT has more target columns than expressions", position));
    }
    Ok(targets.iter().take(width).copied().collect())
}

/// The columns of ON CONFLICT must be the primary key, in any order.
fn check_conflict_target(table: &TableDescriptor, clause: &ast::OnConflict) -> Result<(), SqlError> {
    let mut named = Vec::with_capacity(clause.target.len());
    for name in &clause.target {
        named.push(target_column(table, name)?.1.id);
    }
    named.sort_unstable();
    named.dedup();
    let mut key: Vec<u32> = table.primary().column_ids().collect();
    key.sort_unstable();
    if named == key {
        return Ok(());
    }
    let message = "there is no unique or exclusion constraint matching the ON CONFLICT specification";
    Err(SqlError::new(SqlState::InvalidColumnReference, message).at(clause.position))
}

/// Whether the assignments of `DO UPDATE` leave nothing of the stored row: each column outside the key gets its own
/// `excluded` value, and those of the key at most theirs. A NUMERIC of the key is stored with its digits beside the key,
/// and keeps them unless it is assigned.
fn replaces(table: &TableDescriptor, assignments: &[(usize, Expr)]) -> bool {
    let width = table.columns.len();
    let is_own = |(position, value): &(usize, Expr)| matches!(value, Expr::Column { index, .. } if *index == width + position);
    let is_left = |position: usize| assignments.iter().all(|(assigned, _)| *assigned != position);
    let keeps = |(position, column): (usize, &ColumnDescriptor)| {
        let is_in_key = table.primary().has_column(column.id) && is_read_from_key(column.data_type);
        !is_in_key && is_left(position)
    };
    assignments.iter().all(is_own) && !table.columns.iter().enumerate().any(keeps)
}
