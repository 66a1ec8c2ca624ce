//! [`CatalogSnapshot`]: all tables at one moment, which a statement binds with.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::descriptor::TableDescriptor;
use super::view::CatalogView;

/// All tables at one version of the catalog.
#[derive(Debug, Default)]
pub struct CatalogSnapshot {
    /// Raised by each DDL.
    pub version: u64,
    tables: BTreeMap<String, Arc<TableDescriptor>>,
    names: BTreeMap<u64, String>,
}

impl CatalogSnapshot {
    /// A snapshot of these tables.
    pub fn new(version: u64, tables: Vec<TableDescriptor>) -> Self {
        Self::of(version, tables.into_iter().map(Arc::new))
    }

    /// A snapshot of these tables.
    pub fn of(version: u64, tables: impl Iterator<Item = Arc<TableDescriptor>>) -> Self {
        let tables: BTreeMap<_, _> = tables.map(|table| (table.name.clone(), table)).collect();
        let names = tables.values().map(|table| (table.id, table.name.clone())).collect();
        Self { version, tables, names }
    }

    /// The table with this id.
    pub fn table_by_id(&self, id: u64) -> Option<&Arc<TableDescriptor>> {
        self.tables.get(self.names.get(&id)?)
    }

    /// All tables by name.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableDescriptor>> {
        self.tables.values()
    }
}

impl CatalogView for CatalogSnapshot {
    fn table(&self, name: &str) -> Option<Arc<TableDescriptor>> {
        self.tables.get(name).cloned()
    }

    fn table_names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }
}
