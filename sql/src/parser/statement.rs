//! INSERT, UPDATE and DELETE of the grammar to ours; the other statements go to their own files.

use sqlparser::ast::{
    Assignment as SqlAssignment, AssignmentTarget, ConflictTarget, Delete as SqlDelete, FromTable,
    Insert as SqlInsert, ObjectName, OnConflict as SqlOnConflict, OnConflictAction, OnInsert,
    SelectItem as SqlItem, Statement as SqlStatement, TableObject, Update as SqlUpdate,
};

use super::ast::{
    Assignment, ConflictUpdate, Delete, Insert, Name, OnConflict, SelectItem, Statement, TableRef, Update,
};
use super::expr::Convert;
use super::{Source, query, table};
use crate::error::{SqlError, SqlState};

/// A statement.
///
/// # Errors
/// 0A000 for what Quorate lacks.
pub fn convert(source: &Source<'_>, statement: SqlStatement) -> Result<Statement, SqlError> {
    match statement {
        SqlStatement::Query(query) => query::convert(source, *query).map(Statement::Query),
        SqlStatement::Insert(insert) => self::insert(source, insert).map(Box::new).map(Statement::Insert),
        SqlStatement::Update(update) => self::update(source, update).map(Statement::Update),
        SqlStatement::Delete(delete) => self::delete(source, delete).map(Statement::Delete),
        SqlStatement::CreateTable(create) => table::convert(source, create).map(Statement::CreateTable),
        _ => Err(SqlError::unsupported("this statement")),
    }
}

type Returning = Option<Vec<SelectItem>>;

fn returning(source: &Source<'_>, clause: Option<Vec<SqlItem>>) -> Result<Returning, SqlError> {
    let item = |item| query::select_item(source, item);
    clause.map(|items| items.into_iter().map(item).collect()).transpose()
}

fn insert(source: &Source<'_>, insert: SqlInsert) -> Result<Insert, SqlError> {
    let position = source.positions.of(insert.insert_token.0.span.start);
    let (qualifier, name) = match insert.table {
        TableObject::TableName(name) => query::relation_name(source, name)?,
        TableObject::TableFunction(_) | TableObject::TableQuery(_) => {
            return Err(SqlError::unsupported("INSERT into something other than a table").at(position));
        }
    };
    let foreign = insert.or.is_some()
        || insert.ignore
        || insert.overwrite
        || insert.partitioned.is_some()
        || !insert.assignments.is_empty()
        || !insert.after_columns.is_empty()
        || insert.replace_into
        || insert.insert_alias.is_some()
        || insert.format_clause.is_some();
    if foreign {
        return Err(SqlError::unsupported("this form of INSERT").at(position));
    }
    let convert = Convert::new(source);
    let alias = insert.table_alias.map(|alias| convert.name(alias.alias)).transpose()?;
    let columns = insert.columns.into_iter().map(|name| column(&convert, name)).collect::<Result<_, _>>()?;
    let on_conflict = match insert.on {
        None => None,
        Some(OnInsert::OnConflict(clause)) => Some(self::on_conflict(&convert, clause, position)?),
        Some(_) => return Err(SqlError::unsupported("ON DUPLICATE KEY UPDATE").at(position)),
    };
    let rows = insert.source.map(|rows| query::convert(source, *rows)).transpose()?;
    let returning = returning(source, insert.returning)?;
    let table = TableRef { qualifier, name, alias };
    Ok(Insert { table, columns, overriding: None, source: rows, on_conflict, returning })
}

/// A column's name that stands alone.
fn column(convert: &Convert<'_>, name: ObjectName) -> Result<Name, SqlError> {
    let mut parts = convert.names(name)?;
    match (parts.pop(), parts.pop()) {
        (Some(column), None) => Ok(column),
        (Some(column), Some(_)) => {
            Err(SqlError::unsupported("a qualified name of a target column").at(column.position))
        }
        (None, _) => Err(SqlError::new(SqlState::SyntaxError, "a column without a name")),
    }
}

fn on_conflict(convert: &Convert<'_>, clause: SqlOnConflict, position: u32) -> Result<OnConflict, SqlError> {
    let target = match clause.conflict_target {
        None => Vec::new(),
        Some(ConflictTarget::Columns(columns)) => {
            columns.into_iter().map(|name| convert.name(name)).collect::<Result<_, _>>()?
        }
        Some(ConflictTarget::OnConstraint(_)) => {
            return Err(SqlError::unsupported("ON CONFLICT ON CONSTRAINT").at(position));
        }
    };
    let position = target.first().map_or(position, |name: &Name| name.position);
    let update = match clause.action {
        OnConflictAction::DoNothing => None,
        OnConflictAction::DoUpdate(update) => Some(ConflictUpdate {
            assignments: assignments(convert, update.assignments)?,
            filter: update.selection.map(|filter| convert.expr(filter)).transpose()?,
        }),
    };
    if update.is_some() && target.is_empty() {
        let message = "ON CONFLICT DO UPDATE requires inference specification or constraint name";
        return Err(SqlError::new(SqlState::SyntaxError, message)
            .with_hint("For example, ON CONFLICT (column_name).")
            .at(position));
    }
    Ok(OnConflict { target, update, position })
}

fn assignments(convert: &Convert<'_>, list: Vec<SqlAssignment>) -> Result<Vec<Assignment>, SqlError> {
    let one = |assignment: SqlAssignment| {
        let value = convert.expr(assignment.value)?;
        match assignment.target {
            AssignmentTarget::ColumnName(name) => Ok(Assignment { column: column(convert, name)?, value }),
            AssignmentTarget::Tuple(_) => {
                Err(SqlError::unsupported("an assignment to several columns").at(value.position))
            }
        }
    };
    list.into_iter().map(one).collect()
}

fn update(source: &Source<'_>, update: SqlUpdate) -> Result<Update, SqlError> {
    let position = source.positions.of(update.update_token.0.span.start);
    if update.from.is_some() {
        return Err(SqlError::unsupported("UPDATE … FROM").at(position));
    }
    if update.or.is_some() || !update.order_by.is_empty() || update.limit.is_some() {
        return Err(SqlError::unsupported("UPDATE with ORDER BY or LIMIT").at(position));
    }
    let convert = Convert::new(source);
    Ok(Update {
        table: query::table(source, update.table)?,
        assignments: assignments(&convert, update.assignments)?,
        filter: update.selection.map(|filter| convert.expr(filter)).transpose()?,
        returning: returning(source, update.returning)?,
    })
}

fn delete(source: &Source<'_>, delete: SqlDelete) -> Result<Delete, SqlError> {
    let position = source.positions.of(delete.delete_token.0.span.start);
    if delete.using.is_some() {
        return Err(SqlError::unsupported("DELETE … USING").at(position));
    }
    if !delete.order_by.is_empty() || delete.limit.is_some() {
        return Err(SqlError::unsupported("DELETE with ORDER BY or LIMIT").at(position));
    }
    let (FromTable::WithFromKeyword(mut tables) | FromTable::WithoutKeyword(mut tables)) = delete.from;
    let (Some(table), true) = (tables.pop(), tables.is_empty() && delete.tables.is_empty()) else {
        return Err(SqlError::unsupported("DELETE from several tables").at(position));
    };
    let convert = Convert::new(source);
    Ok(Delete {
        table: query::table(source, table)?,
        filter: delete.selection.map(|filter| convert.expr(filter)).transpose()?,
        returning: returning(source, delete.returning)?,
    })
}
