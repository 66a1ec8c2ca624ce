//! The system catalogs: relations of PostgreSQL's `pg_catalog` and `information_schema`, computed from what this node knows
//! when they are read. They are what clients look at for tables, columns and types.
//!
//! ```text
//! SELECT … FROM pg_class …  ── bind ──▶ SystemScan pg_class, filter …  ── exec ──▶ own_rows, rows_of each relation
//! ```
//!
//! Columns are in [`crate::catalog::system`]. Here are the rows: one function a relation, which makes them of a table's
//! descriptor or of the session. A transaction sees its own tables in them, as everywhere.
//!
//! Invariants: no user's data is read, and no key of the store; a row has a value for each column, and NULL only where the
//! columns allow it.

use crate::catalog::system::SystemTable;
use crate::types::Row;

mod attributes;
mod classes;
mod constraints;
mod default_text;
mod information;
mod objects;
pub mod relation;
mod roles;
mod settings;
pub mod state;
mod type_facts;
mod types;
mod values;

#[cfg(test)]
mod tests;

use relation::Relation;
use state::SystemState;

/// Rows of a system relation that belong to no relation.
pub fn own_rows(table: SystemTable, state: &SystemState<'_>) -> Vec<Row> {
    match table {
        SystemTable::PgAm => classes::access_methods(),
        SystemTable::PgClass => classes::sequences(&state.catalog()),
        SystemTable::PgDatabase => roles::databases(state),
        SystemTable::PgNamespace => roles::schemas(),
        SystemTable::PgRoles => roles::roles(state),
        SystemTable::PgUser => roles::users(state),
        SystemTable::PgSettings => settings::settings(state),
        SystemTable::PgType => types::types(),
        SystemTable::InformationSchemaSchemata => information::schemata(state),
        SystemTable::PgAttrdef
        | SystemTable::PgAttribute
        | SystemTable::PgConstraint
        | SystemTable::PgDescription
        | SystemTable::PgEnum
        | SystemTable::PgIndex
        | SystemTable::PgRange
        | SystemTable::PgTables
        | SystemTable::InformationSchemaColumns
        | SystemTable::InformationSchemaTables => Vec::new(),
    }
}

/// Rows of a system relation that belong to this relation.
pub fn rows_of(table: SystemTable, relation: &Relation<'_>, state: &SystemState<'_>) -> Vec<Row> {
    match table {
        SystemTable::PgAttrdef => constraints::defaults(relation, &state.catalog()),
        SystemTable::PgAttribute => attributes::attributes(relation),
        SystemTable::PgClass => classes::classes(relation),
        SystemTable::PgConstraint => constraints::constraints(relation),
        SystemTable::PgIndex => constraints::indexes(relation),
        SystemTable::PgTables => classes::tables(relation),
        SystemTable::InformationSchemaColumns => information::columns(relation, state),
        SystemTable::InformationSchemaTables => information::tables(relation, state),
        // There are no comments, enums and ranges; the others are no lists of relations.
        SystemTable::PgAm
        | SystemTable::PgDatabase
        | SystemTable::PgDescription
        | SystemTable::PgEnum
        | SystemTable::PgNamespace
        | SystemTable::PgRange
        | SystemTable::PgRoles
        | SystemTable::PgSettings
        | SystemTable::PgType
        | SystemTable::PgUser
        | SystemTable::InformationSchemaSchemata => Vec::new(),
    }
}
