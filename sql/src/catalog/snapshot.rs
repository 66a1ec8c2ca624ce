//! [`CatalogSnapshot`]: all tables at one moment, which a statement binds with.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_engine::hlc::Timestamp;

use super::descriptor::TableDescriptor;
use super::view::CatalogView;

/// A descriptor that has changed: the table's id, and what it is now; `None` where it was dropped.
pub type TableChange = (u64, Option<TableDescriptor>);

/// All tables at one version of the catalog.
#[derive(Debug, Default)]
pub struct CatalogSnapshot {
    /// When the newest change in it was committed; it tells one snapshot from another.
    pub version: Timestamp,
    tables: BTreeMap<String, Arc<TableDescriptor>>,
    names: BTreeMap<u64, String>,
}

impl CatalogSnapshot {
    /// A snapshot of these tables.
    pub fn new(version: Timestamp, tables: Vec<TableDescriptor>) -> Self {
        Self::of(version, tables.into_iter().map(Arc::new))
    }

    /// A snapshot of these tables.
    pub fn of(version: Timestamp, tables: impl Iterator<Item = Arc<TableDescriptor>>) -> Self {
        let tables: BTreeMap<_, _> = tables.map(|table| (table.name.clone(), table)).collect();
        let names = tables.values().map(|table| (table.id, table.name.clone())).collect();
        Self { version, tables, names }
    }

    /// This one with what has changed since, up to `version`.
    #[must_use]
    pub fn with(&self, version: Timestamp, changes: Vec<TableChange>) -> Self {
        let (mut tables, mut names) = (self.tables.clone(), self.names.clone());
        // Names go first: a name that one table gave up may be another's now.
        for (id, _) in &changes {
            if let Some(name) = names.remove(id) {
                tables.remove(&name);
            }
        }
        for table in changes.into_iter().filter_map(|(_, table)| table) {
            names.insert(table.id, table.name.clone());
            tables.insert(table.name.clone(), Arc::new(table));
        }
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
