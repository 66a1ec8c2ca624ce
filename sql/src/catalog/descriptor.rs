//! The descriptor of a table: what range 1 stores of it and every node caches under its catalog lease.

use crate::expr::Expr;
use crate::types::DataType;

/// Id of each table's primary index.
pub const PRIMARY_INDEX_ID: u8 = 1;

/// A table, at one version.
#[derive(Clone, Debug, PartialEq)]
pub struct TableDescriptor {
    /// Id, never reused; the prefix of all its keys.
    pub id: u64,
    /// Name, folded as PostgreSQL folds it.
    pub name: String,
    /// Version, raised by each change of this descriptor.
    pub version: u64,
    /// Columns in their declared order.
    pub columns: Vec<ColumnDescriptor>,
    /// Its indexes: the primary one first, of which there is one. A table without a declared key has a hidden `rowid`
    /// column, whose index that is.
    pub indexes: Vec<IndexDescriptor>,
}

impl TableDescriptor {
    /// The index that holds the rows.
    pub fn primary(&self) -> &IndexDescriptor {
        self.indexes.first().expect("a table has a primary index")
    }
}

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

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDescriptor {
    /// Id within the table, never reused; tags the value in stored rows.
    pub id: u32,
    /// Name, folded.
    pub name: String,
    /// Type.
    pub data_type: DataType,
    /// NULL is allowed.
    pub nullable: bool,
    /// `DEFAULT`, bound without an input row.
    pub default: Option<Expr>,
    /// Not shown by `SELECT *`, not a target of INSERT (the hidden row id).
    pub hidden: bool,
}
