//! The columns that expressions may name: those of one or more tables beside each other in the input row.

use std::sync::Arc;

use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::system::Schema;
use crate::error::{SqlError, SqlState};
use crate::expr::Expr;
use crate::parser::ast::Name;
use crate::types::DataType;

use super::suggest::nearest;

/// A table in a scope.
struct Relation {
    /// The name that columns are qualified with.
    name: String,
    columns: Columns,
    /// Position of its first column in the input row.
    offset: usize,
    /// Its schema, by which columns may be qualified too; `None` where it has an alias.
    schema: Option<Schema>,
    /// Its table's own name, where an alias hides that.
    hidden_name: Option<String>,
}

/// Where a relation's columns are known from.
enum Columns {
    Table(Arc<TableDescriptor>),
    /// Names and types of what is no table.
    Named(Vec<(String, DataType)>),
}

/// Tables whose rows, one behind the other, are the input row.
#[derive(Default)]
pub struct Scope {
    relations: Vec<Relation>,
    width: usize,
}

/// A column that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Position in the input row.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
}

impl Found {
    /// As an expression.
    pub fn expr(&self) -> Expr {
        Expr::Column { index: self.index, data_type: self.data_type }
    }
}

impl Scope {
    /// Without columns.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Of one table.
    pub fn of(name: &str, table: &Arc<TableDescriptor>) -> Self {
        let mut scope = Self::default();
        scope.add(name, table);
        scope
    }

    /// Of one relation that is no table.
    pub fn of_columns(name: &str, columns: Vec<(String, DataType)>) -> Self {
        let mut scope = Self::default();
        scope.push(name, Columns::Named(columns));
        scope
    }

    /// Puts a table's columns behind those that are there.
    pub fn add(&mut self, name: &str, table: &Arc<TableDescriptor>) {
        self.push(name, Columns::Table(Arc::clone(table)));
    }

    fn push(&mut self, name: &str, columns: Columns) {
        let width = columns.width();
        let offset = self.width;
        let name = name.to_owned();
        self.relations.push(Relation { name, columns, offset, schema: None, hidden_name: None });
        self.width += width;
    }

    /// As [`Scope::of`], of a relation that has an alias, by which alone it can be named.
    pub fn aliased(alias: &str, table: &Arc<TableDescriptor>) -> Self {
        let mut scope = Self::of(alias, table);
        for relation in &mut scope.relations {
            relation.hidden_name = (table.name != alias).then(|| table.name.clone());
        }
        scope
    }

    /// As [`Scope::of`], of a relation that was named without an alias.
    pub fn in_schema(schema: Schema, table: &Arc<TableDescriptor>) -> Self {
        let mut scope = Self::of(&table.name, table);
        for relation in &mut scope.relations {
            relation.schema = Some(schema);
        }
        scope
    }

    /// Whether a relation of this name is one of this schema.
    pub fn is_in_schema(&self, schema: &str, table: &str) -> bool {
        self.relations.iter().any(|relation| {
            relation.name == table && relation.schema.is_some_and(|known| known.name() == schema)
        })
    }

    /// Finds a column by its name.
    ///
    /// # Errors
    /// 42703 with the nearest name, 42702 where several tables have it, 42P01 for an unknown qualifier.
    pub fn find(&self, table: Option<&Name>, column: &Name) -> Result<Found, SqlError> {
        let mut found =
            self.relations(table)?.into_iter().flat_map(Relation::visible).filter(|c| c.name == column.value);
        match (found.next(), found.next()) {
            (Some(found), None) => Ok(found),
            (Some(_), Some(_)) => Err(SqlError::new(
                SqlState::AmbiguousColumn,
                format!("column reference \"{}\" is ambiguous", column.value),
            )
            .at(column.position)),
            (None, _) => Err(self.unknown(table, column)),
        }
    }

    /// Whether a column of this name can be found without a qualifier.
    pub fn has(&self, column: &str) -> bool {
        self.relations.iter().flat_map(Relation::visible).any(|found| found.name == column)
    }

    /// All columns that `*` or `t.*` stands for.
    ///
    /// # Errors
    /// 42P01 for an unknown qualifier.
    pub fn all(&self, table: Option<&Name>) -> Result<Vec<Found>, SqlError> {
        Ok(self.relations(table)?.into_iter().flat_map(Relation::visible).collect())
    }

    /// The column's name as messages show it: qualified.
    pub fn qualified_name(&self, index: usize) -> String {
        let of = |relation: &Relation| {
            let (column, _) = relation.columns.get(index.checked_sub(relation.offset)?)?;
            Some(format!("{}.{column}", relation.name))
        };
        self.relations.iter().find_map(of).unwrap_or_else(|| format!("#{index}"))
    }

    /// Positions in the input row of each table's primary key.
    pub fn primary_keys(&self) -> Vec<Vec<usize>> {
        let key = |relation: &Relation| {
            let Columns::Table(table) = &relation.columns else { return Vec::new() };
            let position = |id: u32| {
                let found = table.columns.iter().position(|column| column.id == id);
                found.map(|found| found + relation.offset)
            };
            table.primary().column_ids().filter_map(position).collect()
        };
        self.relations.iter().map(key).collect()
    }

    fn relations(&self, table: Option<&Name>) -> Result<Vec<&Relation>, SqlError> {
        let Some(table) = table else { return Ok(self.relations.iter().collect()) };
        let found: Vec<_> = self.relations.iter().filter(|relation| relation.name == table.value).collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let mut relations = self.relations.iter();
        let hidden = relations.find(|relation| relation.hidden_name.as_ref() == Some(&table.value));
        let what = if hidden.is_some() { "invalid reference to" } else { "missing" };
        let message = format!("{what} FROM-clause entry for table \"{}\"", table.value);
        let error = SqlError::new(SqlState::UndefinedTable, message).at(table.position);
        Err(match hidden {
            Some(relation) => {
                let alias = &relation.name;
                error.with_hint(format!("Perhaps you meant to reference the table alias \"{alias}\"."))
            }
            None => error,
        })
    }

    fn unknown(&self, table: Option<&Name>, column: &Name) -> SqlError {
        let shown = match table {
            Some(table) => format!("{}.{}", table.value, column.value),
            None => format!("\"{}\"", column.value),
        };
        let error = SqlError::new(SqlState::UndefinedColumn, format!("column {shown} does not exist"));
        let position = table.map_or(column.position, |table| table.position);
        let names: Vec<(String, String)> = self
            .relations
            .iter()
            .flat_map(|relation| relation.visible().map(|found| (found.name, relation.name.clone())))
            .collect();
        let near = nearest(&column.value, names.iter().map(|(name, _)| name.as_str()));
        match names.iter().find(|(name, _)| Some(name.as_str()) == near) {
            Some((name, relation)) => {
                error.with_hint(format!("Perhaps you meant to reference the column \"{relation}.{name}\"."))
            }
            None => error,
        }
        .at(position)
    }
}

impl Columns {
    fn width(&self) -> usize {
        match self {
            Self::Table(table) => table.columns.len(),
            Self::Named(columns) => columns.len(),
        }
    }

    /// Name and type of a column.
    fn get(&self, position: usize) -> Option<(&str, DataType)> {
        match self {
            Self::Table(table) => {
                table.columns.get(position).map(|column| (column.name.as_str(), column.data_type))
            }
            Self::Named(columns) => {
                columns.get(position).map(|(name, data_type)| (name.as_str(), *data_type))
            }
        }
    }

    fn is_hidden(&self, position: usize) -> bool {
        match self {
            Self::Table(table) => table.columns.get(position).is_some_and(|column| column.hidden),
            Self::Named(_) => false,
        }
    }
}

impl Relation {
    /// Columns that can be named, with their positions in the input row.
    fn visible(&self) -> impl Iterator<Item = Found> + '_ {
        let shown = (0..self.columns.width()).filter(|position| !self.columns.is_hidden(*position));
        shown.filter_map(|position| {
            let (name, data_type) = self.columns.get(position)?;
            Some(Found { index: self.offset + position, name: name.to_owned(), data_type })
        })
    }
}
