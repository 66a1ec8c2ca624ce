//! [`CatalogView`]: the tables that a statement may name.

use std::sync::Arc;

use super::descriptor::TableDescriptor;

/// The catalog as of one statement.
pub trait CatalogView {
    /// The table of this (folded) name.
    fn table(&self, name: &str) -> Option<Arc<TableDescriptor>>;

    /// Names of all tables, for hints.
    fn table_names(&self) -> Vec<String>;
}
