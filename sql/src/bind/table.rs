//! CREATE TABLE, ALTER TABLE and DROP TABLE.

use super::sequence::ColumnSequence;
use super::{Binder, Bound, naming};
use crate::catalog::descriptor::{ColumnDescriptor, TableDescriptor};
use crate::catalog::descriptor_format;
use crate::catalog::index_descriptor::IndexDescriptor;
use crate::error::{SqlError, SqlState};
use crate::limits::TABLE_COLUMNS_MAX;
use crate::parser::ast;
use crate::parser::ast::Name;
use crate::types::DataType;

/// The hidden key of tables without a declared one.
const ROWID: &str = "rowid";

impl Binder<'_> {
    /// Makes the descriptor of a new table.
    pub(super) fn create_table(&self, create: &ast::CreateTable) -> Result<Bound, SqlError> {
        naming::check_name(&create.name)?;
        if create.columns.len() > TABLE_COLUMNS_MAX {
            let message = format!("tables can have at most {TABLE_COLUMNS_MAX} columns");
            return Err(SqlError::new(SqlState::TooManyColumns, message).at(create.name.position));
        }
        let mut columns: Vec<ColumnDescriptor> = Vec::with_capacity(create.columns.len() + 1);
        let mut sequences: Vec<ColumnSequence> = Vec::new();
        let mut taken = vec![create.name.value.clone()];
        for (id, definition) in (1..).zip(&create.columns) {
            if columns.iter().any(|column| column.name == definition.name.value) {
                return Err(twice(&definition.name, "specified more than once"));
            }
            let mut column = self.column_descriptor(id, definition)?;
            if let Some(own) = self.column_sequence(&create.name, definition, &mut column, &taken)? {
                taken.push(own.sequence.name.clone());
                sequences.push(own);
            }
            columns.push(column);
        }
        let name = create.name.value.clone();
        let indexes = vec![IndexDescriptor::primary(&name, primary_key(&mut columns, &create.primary_key)?)];
        let table = TableDescriptor::new(name, columns, indexes);
        if descriptor_format::is_new(&table) || !sequences.is_empty() {
            self.check_generation(3, "a table with arrays, UUIDs or a sequence")?;
        }
        let (if_not_exists, ignored) = (create.if_not_exists, create.ignored.clone());
        Ok(Bound::CreateTable { if_not_exists, table, sequences, ignored })
    }

    fn column_descriptor(
        &self,
        id: u32,
        definition: &ast::ColumnDefinition,
    ) -> Result<ColumnDescriptor, SqlError> {
        naming::check_name(&definition.name)?;
        if !definition.data_type.is_stored() {
            let what = format!("a column of type {}", definition.data_type);
            return Err(SqlError::unsupported(what).at(definition.name.position));
        }
        let target = (definition.name.value.as_str(), definition.data_type);
        let default =
            definition.default.as_ref().map(|value| self.default_value(value, target)).transpose()?;
        Ok(ColumnDescriptor {
            id,
            name: definition.name.value.clone(),
            data_type: definition.data_type,
            nullable: !definition.not_null,
            default,
            hidden: false,
            identity: None,
        })
    }

    /// Makes the descriptor of a table with a key from one without.
    pub(super) fn add_primary_key(
        &self,
        (if_exists, table): (bool, &Name),
        name: Option<&Name>,
        columns: &[Name],
    ) -> Result<Bound, SqlError> {
        let found = match self.table(table) {
            Err(error) if if_exists && error.state == SqlState::UndefinedTable => {
                let keyed = TableDescriptor::new(table.value.clone(), Vec::new(), Vec::new());
                return Ok(Bound::AddPrimaryKey { table: None, keyed });
            }
            found => found?,
        };
        let mut visible = found.columns.clone();
        visible.retain(|column| !column.hidden);
        if visible.len() == found.columns.len() {
            let message = format!("multiple primary keys for table \"{}\" are not allowed", found.name);
            return Err(SqlError::new(SqlState::InvalidTableDefinition, message).at(table.position));
        }
        for column in columns {
            if visible.iter().all(|known| known.name != column.value) {
                let message =
                    format!("column \"{}\" of relation \"{}\" does not exist", column.value, found.name);
                return Err(SqlError::new(SqlState::UndefinedColumn, message).at(column.position));
            }
        }
        let key = primary_key(&mut visible, columns)?;
        let mut index = IndexDescriptor::primary(&found.name, key);
        if let Some(name) = name {
            naming::check_name(name)?;
            index.name.clone_from(&name.value);
        }
        let keyed = TableDescriptor::new(found.name.clone(), visible, vec![index]);
        Ok(Bound::AddPrimaryKey { table: Some(found), keyed })
    }

    /// Finds the tables to drop.
    pub(super) fn drop_table(&self, if_exists: bool, names: &[Name]) -> Result<Bound, SqlError> {
        let mut tables = Vec::new();
        let mut missing = Vec::new();
        for name in names {
            match self.table(name) {
                Ok(table) if !tables.contains(&table) => tables.push(table),
                Ok(_) => {}
                Err(error) if error.state == SqlState::WrongObjectType => {
                    return Err(error.with_hint("Use DROP SEQUENCE to remove a sequence."));
                }
                Err(_) if if_exists => missing.push(name.value.clone()),
                Err(error) => {
                    let message = format!("table \"{}\" does not exist", name.value);
                    return Err(SqlError { message, ..error });
                }
            }
        }
        for table in &tables {
            self.check_sequences_unused(table, &tables)?;
        }
        Ok(Bound::DropTable { tables, missing })
    }
}

/// Ids of the key's columns, which become NOT NULL; a hidden column where no key was declared.
fn primary_key(columns: &mut Vec<ColumnDescriptor>, names: &[Name]) -> Result<Vec<u32>, SqlError> {
    if names.is_empty() {
        let id = columns.iter().map(|column| column.id).max().unwrap_or(0) + 1;
        columns.push(ColumnDescriptor {
            id,
            name: ROWID.to_owned(),
            data_type: DataType::Int8,
            nullable: false,
            default: None,
            hidden: true,
            identity: None,
        });
        return Ok(vec![id]);
    }
    let mut key = Vec::with_capacity(names.len());
    for name in names {
        let Some(column) = columns.iter_mut().find(|column| column.name == name.value) else {
            let message = format!("column \"{}\" named in key does not exist", name.value);
            return Err(SqlError::new(SqlState::UndefinedColumn, message).at(name.position));
        };
        if column.data_type.element().is_some() {
            return Err(SqlError::unsupported("an array as a column of a key").at(name.position));
        }
        if key.contains(&column.id) {
            return Err(twice(name, "appears twice in primary key constraint"));
        }
        column.nullable = false;
        key.push(column.id);
    }
    Ok(key)
}

fn twice(name: &Name, how: &str) -> SqlError {
    SqlError::new(SqlState::DuplicateColumn, format!("column \"{}\" {how}", name.value)).at(name.position)
}
