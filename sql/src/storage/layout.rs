//! Which column of a table lies where: in the key, or in the value under its id; and what the table's indexes are.
//!
//! Invariant: every column can be read from exactly one place of the primary index. Key columns are not repeated in the
//! value, apart from NUMERIC: a key holds the number but not its scale (`1.10` and `1.1` are one key), so it is read from
//! the value.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::key::ColumnOrder;

use crate::catalog::index_descriptor::{IndexDescriptor, IndexKind, PRIMARY_INDEX_ID};
use crate::types::DataType;

/// Where the columns of a table lie. Positions are those of the table's full row.
#[derive(Clone, Debug, PartialEq)]
pub struct TableLayout {
    /// The table.
    pub table_id: u64,
    /// Id and type of each column, by position.
    pub columns: Vec<(u32, DataType)>,
    /// The indexes that each row is written to: the primary one first.
    pub indexes: Vec<IndexLayout>,
    /// Id and position of the columns in the primary index's value, ascending by id; those of its key only where they are
    /// NUMERIC.
    pub values: Vec<(u32, usize)>,
    /// Version of the row format that its values need.
    pub row_version: u8,
}

/// An index of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexLayout {
    /// Its id, which follows the table's in its keys.
    pub id: u8,
    /// What it holds.
    pub kind: IndexKind,
    /// Its key's columns, in key order.
    pub key: Vec<KeyColumn>,
}

/// A column of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyColumn {
    /// Position in the table's full row.
    pub position: usize,
    /// How its values follow each other.
    pub order: ColumnOrder,
}

impl IndexLayout {
    /// The primary index over these columns.
    fn primary(key: impl IntoIterator<Item = usize>) -> Self {
        let key = key.into_iter().map(|position| KeyColumn { position, order: ColumnOrder::ASCENDING });
        Self { id: PRIMARY_INDEX_ID, kind: IndexKind::Primary, key: key.collect() }
    }

    /// An index of a table with these columns.
    fn of(index: &IndexDescriptor, columns: &[(u32, DataType)]) -> Self {
        let key = index.columns.iter().filter_map(|column| {
            let position = columns.iter().position(|(id, _)| *id == column.id)?;
            let order = if column.descending { ColumnOrder::DESCENDING } else { ColumnOrder::ASCENDING };
            Some(KeyColumn { position, order })
        });
        Self { id: index.id, kind: index.kind, key: key.collect() }
    }

    /// Positions of its key's columns, in key order.
    pub fn positions(&self) -> impl DoubleEndedIterator<Item = usize> + ExactSizeIterator {
        self.key.iter().map(|column| column.position)
    }

    /// Whether the column at this position is part of its keys.
    pub fn has_column(&self, position: usize) -> bool {
        self.positions().any(|column| column == position)
    }
}

/// Whether a key column of this type comes back from the key as it was.
pub fn is_read_from_key(data_type: DataType) -> bool {
    data_type.info().key.gives_back
}

impl TableLayout {
    /// The layout of a table: of its columns, by id and type, and its indexes.
    pub fn of(table_id: u64, columns: Vec<(u32, DataType)>, indexes: &[IndexDescriptor]) -> Self {
        let indexes = indexes.iter().map(|index| IndexLayout::of(index, &columns)).collect();
        Self::with_values(table_id, columns, indexes)
    }

    /// The layout of these columns, of which those at `key` are the primary index's, the only one.
    ///
    /// # Errors
    /// The key has no column, one that does not exist, or one twice; or an id is there twice.
    pub fn new(table_id: u64, columns: Vec<(u32, DataType)>, key: Vec<usize>) -> Result<Self, CodecError> {
        let invalid = |found: usize| CodecError::Invalid { what: "columns of a table", found: found as u64 };
        let mut seen = vec![false; columns.len()];
        for position in &key {
            let slot = seen.get_mut(*position).ok_or(invalid(*position))?;
            if std::mem::replace(slot, true) {
                return Err(invalid(*position));
            }
        }
        if key.is_empty() {
            return Err(invalid(0));
        }
        let mut ids: Vec<u32> = columns.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() != columns.len() {
            return Err(invalid(ids.len()));
        }
        Ok(Self::with_values(table_id, columns, vec![IndexLayout::primary(key)]))
    }

    fn with_values(table_id: u64, columns: Vec<(u32, DataType)>, indexes: Vec<IndexLayout>) -> Self {
        let is_in_key = |position: usize| indexes.first().is_some_and(|primary| primary.has_column(position));
        let mut values: Vec<_> = columns
            .iter()
            .enumerate()
            .filter(|(position, (_, data_type))| !is_in_key(*position) || !is_read_from_key(*data_type))
            .map(|(position, (id, _))| (*id, position))
            .collect();
        values.sort_unstable();
        let version = |(_, position): &(u32, usize)| {
            columns.get(*position).map_or(1, |(_, data_type)| data_type.info().row_version)
        };
        let row_version = values.iter().map(version).max().unwrap_or(1);
        Self { table_id, columns, indexes, values, row_version }
    }

    /// The index that holds the rows.
    pub fn primary(&self) -> &IndexLayout {
        self.indexes.first().expect("a table has a primary index")
    }

    /// Type of the column at this position.
    pub fn data_type(&self, position: usize) -> DataType {
        self.columns.get(position).map_or(DataType::Unknown, |(_, data_type)| *data_type)
    }
}
