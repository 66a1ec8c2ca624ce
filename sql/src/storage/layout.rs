//! Which column of a table lies where: in the key, or in the value under its id.
//!
//! Invariant: every column can be read from exactly one place. Key columns are not repeated in the value, apart from
//! NUMERIC: a key holds the number but not its scale (`1.10` and `1.1` are one key), so it is read from the value.

use quorate_engine::codec::CodecError;

use crate::catalog::descriptor::TableDescriptor;
use crate::types::DataType;

/// Id of a table's primary index, the only one yet.
pub const PRIMARY_INDEX_ID: u8 = 1;

/// Where the columns of a table lie. Positions are those of the table's full row.
#[derive(Clone, Debug, PartialEq)]
pub struct TableLayout {
    /// The table.
    pub table_id: u64,
    /// Id and type of each column, by position.
    pub columns: Vec<(u32, DataType)>,
    /// Positions of the key's columns, in key order.
    pub key: Vec<usize>,
    /// Id and position of the columns in the value, ascending by id; those of the key only where they are NUMERIC.
    pub values: Vec<(u32, usize)>,
    /// Version of the row format that its values need.
    pub row_version: u8,
}

/// Whether a key column of this type comes back from the key as it was.
pub fn is_read_from_key(data_type: DataType) -> bool {
    !matches!(data_type, DataType::Numeric { .. })
}

impl TableLayout {
    /// The layout of a table.
    pub fn of(table: &TableDescriptor) -> Self {
        let columns: Vec<_> = table.columns.iter().map(|column| (column.id, column.data_type)).collect();
        let position_of = |id: &u32| columns.iter().position(|(column, _)| column == id);
        let key: Vec<usize> = table.primary_key.iter().filter_map(position_of).collect();
        Self::with_values(table.id, columns, key)
    }

    /// The layout of these columns, of which those at `key` are the key.
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
        Ok(Self::with_values(table_id, columns, key))
    }

    fn with_values(table_id: u64, columns: Vec<(u32, DataType)>, key: Vec<usize>) -> Self {
        let mut values: Vec<_> = columns
            .iter()
            .enumerate()
            .filter(|(position, (_, data_type))| !key.contains(position) || !is_read_from_key(*data_type))
            .map(|(position, (id, _))| (*id, position))
            .collect();
        values.sort_unstable();
        let is_char =
            |(_, position): &(u32, usize)| matches!(columns.get(*position), Some((_, DataType::Char { .. })));
        let row_version = if values.iter().any(is_char) { 2 } else { 1 };
        Self { table_id, columns, key, values, row_version }
    }

    /// Type of the column at this position.
    pub fn data_type(&self, position: usize) -> DataType {
        self.columns.get(position).map_or(DataType::Unknown, |(_, data_type)| *data_type)
    }
}
