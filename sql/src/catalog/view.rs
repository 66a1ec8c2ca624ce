//! [`CatalogView`]: the tables and sequences that a statement may name.

use std::sync::Arc;

use super::descriptor::TableDescriptor;
use super::sequence::SequenceDescriptor;

/// The catalog as of one statement.
pub trait CatalogView {
    /// The table of this (folded) name.
    fn table(&self, name: &str) -> Option<Arc<TableDescriptor>>;

    /// Names of all tables, for hints.
    fn table_names(&self) -> Vec<String>;

    /// The sequence of this (folded) name.
    fn sequence(&self, name: &str) -> Option<Arc<SequenceDescriptor>>;

    /// All sequences that belong to this table.
    fn sequences_of(&self, table_id: u64) -> Vec<Arc<SequenceDescriptor>>;

    /// The columns whose defaults take values of this sequence: their tables and their names.
    fn users_of(&self, sequence_id: u64) -> Vec<(Arc<TableDescriptor>, String)>;
}
