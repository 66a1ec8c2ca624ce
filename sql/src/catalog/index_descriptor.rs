//! The part of a table's descriptor that tells of an index.

/// Id of each table's primary index.
pub const PRIMARY_INDEX_ID: u8 = 1;

/// An index.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexDescriptor {
    /// Id within the table, never reused; follows the table's id in all keys of the index. The primary one's is
    /// [`PRIMARY_INDEX_ID`].
    pub id: u8,
    /// Name, folded; of a unique index also the constraint's.
    pub name: String,
    /// What it holds.
    pub kind: IndexKind,
    /// What its keys are made of, in key order; at least one column, none twice.
    pub columns: Vec<IndexColumn>,
}

impl IndexDescriptor {
    /// The primary index of a table over these columns (ids, in key order), with PostgreSQL's name for it.
    pub fn primary(table_name: &str, columns: impl IntoIterator<Item = u32>) -> Self {
        let columns = columns.into_iter().map(|id| IndexColumn { id, descending: false });
        Self {
            id: PRIMARY_INDEX_ID,
            name: format!("{table_name}_pkey"),
            kind: IndexKind::Primary,
            columns: columns.collect(),
        }
    }

    /// Ids of its key's columns, in key order.
    pub fn column_ids(&self) -> impl Iterator<Item = u32> {
        self.columns.iter().map(|column| column.id)
    }

    /// Whether this column is part of its keys.
    pub fn has_column(&self, id: u32) -> bool {
        self.column_ids().any(|column| column == id)
    }
}

/// What an index holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKind {
    /// The rows themselves, each key once. Its columns are not NULL and ascend.
    Primary,
}

/// A column of an index's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexColumn {
    /// The column's id.
    pub id: u32,
    /// Greatest value first, NULLs first; else smallest first, NULLs last.
    pub descending: bool,
}
