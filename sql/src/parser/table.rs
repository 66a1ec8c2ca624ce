//! CREATE TABLE of the grammar to ours.

use sqlparser::ast::{
    ColumnDef, ColumnOption, CreateTable as SqlCreateTable, CreateTableOptions, PrimaryKeyConstraint,
    TableConstraint,
};

use super::ast::sequence::Generated;
use super::ast::{ColumnDefinition, CreateTable, ExprKind, Name};
use super::expr::Convert;
use super::{Source, data_type, place, query};
use crate::error::{SqlError, SqlState};

/// `CREATE TABLE`.
///
/// # Errors
/// 0A000 for constraints and options that Quorate lacks, 42P16 for a second primary key.
pub fn convert(source: &Source<'_>, create: SqlCreateTable) -> Result<CreateTable, SqlError> {
    let position = source.positions.of(place::of_name(&create.name));
    if let Some(what) = lacking(&create) {
        return Err(SqlError::unsupported(what).at(position));
    }
    let name = query::table_name(source, create.name)?;
    let mut columns = Vec::new();
    let mut keys = Vec::new();
    for definition in create.columns {
        let (column, is_key) = self::column(source, definition)?;
        if is_key {
            keys.push(vec![column.name.clone()]);
        }
        columns.push(column);
    }
    for constraint in create.constraints {
        keys.push(table_constraint(source, constraint, position)?);
    }
    let primary_key = keys.pop().unwrap_or_default();
    if !keys.is_empty() {
        let message = format!("multiple primary keys for table \"{}\" are not allowed", name.value);
        return Err(SqlError::new(SqlState::InvalidTableDefinition, message).at(position));
    }
    let (if_not_exists, ignored) = (create.if_not_exists, Vec::new());
    Ok(CreateTable { if_not_exists, name, columns, primary_key, ignored })
}

/// What of a definition Quorate lacks.
fn lacking(create: &SqlCreateTable) -> Option<&'static str> {
    if create.temporary || create.global.is_some() || create.on_commit.is_some() {
        return Some("CREATE TEMPORARY TABLE");
    }
    if create.unlogged {
        return Some("CREATE UNLOGGED TABLE");
    }
    if create.query.is_some() {
        return Some("CREATE TABLE AS");
    }
    if create.like.is_some() {
        return Some("CREATE TABLE LIKE");
    }
    if create.inherits.is_some() {
        return Some("INHERITS");
    }
    if create.partition_by.is_some() || create.partition_of.is_some() {
        return Some("PARTITION BY");
    }
    if create.or_replace || create.external || create.table_options != CreateTableOptions::None {
        return Some("this option of CREATE TABLE");
    }
    None
}

/// A column, and whether it is the primary key.
fn column(source: &Source<'_>, definition: ColumnDef) -> Result<(ColumnDefinition, bool), SqlError> {
    let convert = Convert::new(source);
    let name = convert.name(definition.name)?;
    let position = name.position;
    let serial = data_type::serial(&definition.data_type);
    let data_type = match serial {
        Some(data_type) => data_type,
        None => data_type::convert(&definition.data_type).map_err(|error| error.at(position))?,
    };
    let generated = serial.map(|_| Generated::Serial);
    let mut column = ColumnDefinition { name, data_type, not_null: false, default: None, generated };
    let mut is_key = false;
    let mut nullable = None;
    for option in definition.options {
        match option.option {
            ColumnOption::Null | ColumnOption::NotNull => {
                let not_null = matches!(option.option, ColumnOption::NotNull);
                if nullable.replace(!not_null).is_some_and(|said| said == not_null) {
                    let name = &column.name.value;
                    let message = format!("conflicting NULL/NOT NULL declarations for column \"{name}\"");
                    return Err(SqlError::new(SqlState::SyntaxError, message).at(position));
                }
                column.not_null = not_null;
            }
            ColumnOption::Default(value) => {
                let value = convert.expr(value)?;
                column.default = (value.kind != ExprKind::Null).then_some(value);
            }
            ColumnOption::PrimaryKey(_) => is_key = true,
            other => return Err(SqlError::unsupported(option_name(&other)).at(position)),
        }
    }
    if column.generated.is_some() && nullable == Some(true) {
        let message = format!("conflicting NULL/NOT NULL declarations for column \"{}\"", column.name.value);
        return Err(SqlError::new(SqlState::SyntaxError, message).at(position));
    }
    Ok((column, is_key))
}

fn option_name(option: &ColumnOption) -> &'static str {
    match option {
        ColumnOption::Unique(_) => "UNIQUE",
        ColumnOption::ForeignKey(_) => "REFERENCES",
        ColumnOption::Check(_) => "CHECK",
        ColumnOption::Collation(_) => "COLLATE",
        ColumnOption::Generated { .. } => "GENERATED",
        _ => "this option of a column",
    }
}

/// The columns of `PRIMARY KEY (a, b)`.
fn table_constraint(
    source: &Source<'_>,
    constraint: TableConstraint,
    position: u32,
) -> Result<Vec<Name>, SqlError> {
    let what = match constraint {
        TableConstraint::PrimaryKey(key) => return primary_key(source, key, position),
        TableConstraint::Unique(_) => "UNIQUE",
        TableConstraint::ForeignKey(_) => "FOREIGN KEY",
        TableConstraint::Check(_) => "CHECK",
        _ => "this constraint",
    };
    Err(SqlError::unsupported(what).at(position))
}

fn primary_key(source: &Source<'_>, key: PrimaryKeyConstraint, position: u32) -> Result<Vec<Name>, SqlError> {
    let convert = Convert::new(source);
    if !key.include.is_empty() {
        return Err(SqlError::unsupported("INCLUDE").at(position));
    }
    let mut names = Vec::new();
    for column in key.columns {
        let expr = convert.expr(column.column.expr)?;
        match expr.kind {
            ExprKind::Column { table: None, column, .. } => names.push(column),
            _ => {
                let message = "a primary key has columns, not expressions";
                return Err(SqlError::new(SqlState::InvalidTableDefinition, message).at(expr.position));
            }
        }
    }
    Ok(names)
}
