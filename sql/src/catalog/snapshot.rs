//! [`CatalogSnapshot`]: all tables and sequences at one moment, which a statement binds with.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use quorate_engine::hlc::Timestamp;

use super::descriptor::TableDescriptor;
use super::sequence::SequenceDescriptor;
use super::view::CatalogView;

/// A descriptor that has changed: the table's id, and what it is now; `None` where it was dropped.
pub type TableChange = (u64, Option<TableDescriptor>);
/// The same for a sequence.
pub type SequenceChange = (u64, Option<SequenceDescriptor>);

/// All tables and sequences at one version of the catalog.
#[derive(Debug, Default)]
pub struct CatalogSnapshot {
    /// When the newest change in it was committed; it tells one snapshot from another.
    pub version: Timestamp,
    tables: BTreeMap<String, Arc<TableDescriptor>>,
    sequences: BTreeMap<u64, Arc<SequenceDescriptor>>,
    /// Names of tables by their ids.
    names: BTreeMap<u64, String>,
    /// When the snapshot was current in which this node has seen a table first, by ids: it came to be then, or before.
    since: BTreeMap<u64, Timestamp>,
    /// Ids of sequences by their names.
    sequence_ids: BTreeMap<String, u64>,
}

impl CatalogSnapshot {
    /// A snapshot of these tables.
    pub fn new(version: Timestamp, tables: Vec<TableDescriptor>) -> Self {
        Self::of(version, tables.into_iter().map(Arc::new), std::iter::empty())
    }

    /// A snapshot of these tables and sequences.
    pub fn of(
        version: Timestamp,
        tables: impl Iterator<Item = Arc<TableDescriptor>>,
        sequences: impl Iterator<Item = Arc<SequenceDescriptor>>,
    ) -> Self {
        let tables: BTreeMap<_, _> = tables.map(|table| (table.name.clone(), table)).collect();
        let names: BTreeMap<_, _> = tables.values().map(|table| (table.id, table.name.clone())).collect();
        let since = names.keys().map(|id| (*id, version)).collect();
        let sequences: BTreeMap<_, _> = sequences.map(|sequence| (sequence.id, sequence)).collect();
        let sequence_ids = sequences.values().map(|sequence| (sequence.name.clone(), sequence.id)).collect();
        Self { version, tables, sequences, names, since, sequence_ids }
    }

    /// This one with what has changed since, up to `version`.
    #[must_use]
    pub fn with(
        &self,
        version: Timestamp,
        changes: Vec<TableChange>,
        sequence_changes: Vec<SequenceChange>,
    ) -> Self {
        let (mut tables, mut names, mut since) =
            (self.tables.clone(), self.names.clone(), self.since.clone());
        // Names go first: a name that one table gave up may be another's now.
        for (id, _) in &changes {
            if let Some(name) = names.remove(id) {
                tables.remove(&name);
            }
        }
        for table in changes.into_iter().filter_map(|(_, table)| table) {
            since.entry(table.id).or_insert(version);
            names.insert(table.id, table.name.clone());
            tables.insert(table.name.clone(), Arc::new(table));
        }
        since.retain(|id, _| names.contains_key(id));
        let (mut sequences, mut sequence_ids) = (self.sequences.clone(), self.sequence_ids.clone());
        for (id, _) in &sequence_changes {
            if let Some(sequence) = sequences.remove(id) {
                sequence_ids.remove(&sequence.name);
            }
        }
        for sequence in sequence_changes.into_iter().filter_map(|(_, sequence)| sequence) {
            sequence_ids.insert(sequence.name.clone(), sequence.id);
            sequences.insert(sequence.id, Arc::new(sequence));
        }
        Self { version, tables, sequences, names, since, sequence_ids }
    }

    /// The table with this id.
    pub fn table_by_id(&self, id: u64) -> Option<&Arc<TableDescriptor>> {
        self.tables.get(self.names.get(&id)?)
    }

    /// When the table with this id was there for certain.
    pub fn table_since(&self, id: u64) -> Option<Timestamp> {
        self.since.get(&id).copied()
    }

    /// The first table whose name is greater than this one, by bytes; the first of all for `None`.
    pub fn table_after(&self, name: Option<&str>) -> Option<&Arc<TableDescriptor>> {
        let after = match name {
            Some(name) => (Bound::Excluded(name), Bound::Unbounded),
            None => (Bound::Unbounded, Bound::Unbounded),
        };
        self.tables.range::<str, _>(after).next().map(|(_, table)| table)
    }

    /// All tables by name.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableDescriptor>> {
        self.tables.values()
    }

    /// The sequence with this id.
    pub fn sequence_by_id(&self, id: u64) -> Option<&Arc<SequenceDescriptor>> {
        self.sequences.get(&id)
    }

    /// All sequences by id.
    pub fn sequences(&self) -> impl Iterator<Item = &Arc<SequenceDescriptor>> {
        self.sequences.values()
    }
}

impl CatalogView for CatalogSnapshot {
    fn table(&self, name: &str) -> Option<Arc<TableDescriptor>> {
        self.tables.get(name).cloned()
    }

    fn table_names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }

    fn sequence(&self, name: &str) -> Option<Arc<SequenceDescriptor>> {
        self.sequences.get(self.sequence_ids.get(name)?).cloned()
    }

    fn sequences_of(&self, table_id: u64) -> Vec<Arc<SequenceDescriptor>> {
        let is_own = |sequence: &&Arc<SequenceDescriptor>| {
            sequence.owner.is_some_and(|owner| owner.table_id == table_id)
        };
        self.sequences.values().filter(is_own).cloned().collect()
    }

    fn users_of(&self, sequence_id: u64) -> Vec<(Arc<TableDescriptor>, String)> {
        let columns =
            self.tables.values().flat_map(|table| table.columns.iter().map(move |column| (table, column)));
        let users = columns.filter(|(_, column)| column.draws_from(sequence_id));
        users.map(|(table, column)| (Arc::clone(table), column.name.clone())).collect()
    }
}
