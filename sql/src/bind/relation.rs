//! Which relation a name means: a table of the catalog, or one of the system catalogs; and who may change it.

use std::sync::Arc;

use super::Binder;
use super::expr::Place;
use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::system::{Schema, SystemTable};
use crate::error::{SqlError, SqlState};
use crate::node::DATABASE;
use crate::parser::ast::{Name, Qualifier, TableRef};

/// A relation that was found.
pub enum Found {
    /// A table.
    Table(Arc<TableDescriptor>),
    /// One of the system catalogs.
    System(SystemTable),
}

/// How the names of system catalogs begin that are found without a schema.
const CATALOG_PREFIX: &str = "pg_";

impl Binder<'_> {
    /// The relation of a name. `pg_catalog` is looked at first where no schema is given, then `public`.
    ///
    /// # Errors
    /// 42P01 where there is none, 0A000 for another database, and for a relation of PostgreSQL's catalogs that is not offered.
    pub(super) fn relation(&self, name: &TableRef) -> Result<Found, SqlError> {
        let Some(qualifier) = &name.qualifier else {
            let value = name.name.value.as_str();
            if value.starts_with(CATALOG_PREFIX) {
                if let Some(table) = SystemTable::find(None, value) {
                    return Ok(Found::System(table));
                }
                let lacking = |error| match SystemTable::is_lacking(Schema::Catalog, value) {
                    true => SqlError::unsupported(format!("{}.{value}", Schema::Catalog.name()))
                        .at(name.name.position),
                    false => error,
                };
                return self.table(&name.name).map(Found::Table).map_err(lacking);
            }
            return self.table(&name.name).map(Found::Table);
        };
        self.check_database(qualifier, &name.name)?;
        let schema = &qualifier.schema;
        let missing = || {
            let message = format!("relation \"{}.{}\" does not exist", schema.value, name.name.value);
            SqlError::new(SqlState::UndefinedTable, message).at(name.name.position)
        };
        match Schema::named(&schema.value) {
            Some(Schema::Public) => self
                .table(&name.name)
                .map(Found::Table)
                .map_err(|error| SqlError { message: missing().message, ..error }),
            Some(schema) => {
                let found = SystemTable::find(Some(schema), &name.name.value).map(Found::System);
                found.ok_or_else(|| match SystemTable::is_lacking(schema, &name.name.value) {
                    true => SqlError::unsupported(format!("{}.{}", schema.name(), name.name.value))
                        .at(name.name.position),
                    false => missing(),
                })
            }
            None => Err(missing()),
        }
    }

    /// The table that a statement changes.
    ///
    /// # Errors
    /// As [`Binder::relation`]; 42501 for the system catalogs.
    pub(super) fn target(&self, name: &TableRef) -> Result<Arc<TableDescriptor>, SqlError> {
        let found = self.relation(name).map_err(|error| {
            if error.state != SqlState::WrongObjectType {
                return error;
            }
            let message = format!("cannot change sequence \"{}\"", name.name.value);
            SqlError::new(SqlState::WrongObjectType, message)
        });
        match found? {
            Found::Table(table) => Ok(table),
            Found::System(table) => {
                let message = format!("permission denied: \"{}\" is a system catalog", table.name());
                Err(SqlError::new(SqlState::InsufficientPrivilege, message).at(name.name.position))
            }
        }
    }

    /// Fails where a column's schema is not that of its table.
    pub(super) fn check_qualifier(
        &self,
        qualifier: &Qualifier,
        table: &Name,
        place: &Place<'_>,
    ) -> Result<(), SqlError> {
        self.check_database(qualifier, table)?;
        if place.scope.is_in_schema(&qualifier.schema.value, &table.value) {
            return Ok(());
        }
        let message = format!("missing FROM-clause entry for table \"{}\"", table.value);
        let first = qualifier.database.as_ref().unwrap_or(&qualifier.schema);
        Err(SqlError::new(SqlState::UndefinedTable, message).at(first.position))
    }

    fn check_database(&self, qualifier: &Qualifier, name: &Name) -> Result<(), SqlError> {
        let Some(database) = &qualifier.database else { return Ok(()) };
        if database.value == self.context.database || database.value == DATABASE {
            return Ok(());
        }
        let names = [database, &qualifier.schema, name].map(|name| name.value.as_str()).join(".");
        let message = format!("cross-database references are not implemented: \"{names}\"");
        Err(SqlError::new(SqlState::FeatureNotSupported, message).at(database.position))
    }
}
