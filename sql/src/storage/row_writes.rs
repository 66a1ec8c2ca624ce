//! What a change of a row writes: to each index of its table, in their order. The one place where rows become writes.
//!
//! ```text
//! INSERT   none → new    Take (key, value)
//! UPDATE   old → new     Keep (key, value)                       where its key stays
//!                        Remove (old key), Take (key, value)     where the row moves
//! DELETE   old → none    Remove (old key)
//! ```
//!
//! Invariant: a key that is taken must be no other row's. Who makes sure of that says so ([`Check`]).

use quorate_engine::kv::{Key, Value, Write};
use quorate_engine::limits::{KEY_MAX_BYTES, VALUE_MAX_BYTES};

use super::layout::{IndexLayout, TableLayout};
use super::{index_format, row_format};
use crate::catalog::index_descriptor::IndexKind;
use crate::error::{SqlError, SqlState};
use crate::types::Datum;

/// What happens to one entry of an index.
#[derive(Clone, Debug, PartialEq)]
pub enum EntryWrite {
    /// The row leaves this key.
    Remove(Key),
    /// The row comes to this key, which must be free.
    Take(Key, Value),
    /// The row stays at this key.
    Keep(Key, Value),
}

/// How it is known that a key which is taken is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The commit finds out, where the key lives.
    AtCommit,
    /// Whoever writes has looked, or wants to replace what is there.
    Done,
}

impl EntryWrite {
    /// Where it writes.
    pub fn key(&self) -> &Key {
        match self {
            Self::Remove(key) | Self::Take(key, _) | Self::Keep(key, _) => key,
        }
    }

    /// The write, with its condition where the commit is to check it.
    pub fn into_write(self, check: Check) -> Write {
        match (self, check) {
            (Self::Remove(key), _) => Write::delete(key),
            (Self::Take(key, value), Check::AtCommit) => Write::insert(key, value),
            (Self::Take(key, value), Check::Done) | (Self::Keep(key, value), _) => Write::put(key, value),
        }
    }
}

/// What becomes of each index where a table's full row changes from `old` to `new`: by index, and removals first.
///
/// # Errors
/// 54000 for a row or a key beyond the limits, XX001 for a value that keys cannot hold.
pub fn row_writes(
    layout: &TableLayout,
    old: Option<&[Datum]>,
    new: Option<&[Datum]>,
) -> Result<Vec<EntryWrite>, SqlError> {
    let mut writes = Vec::with_capacity(layout.indexes.len());
    for index in &layout.indexes {
        let old = old.map(|row| index_format::encode_key(layout, index, row)).transpose()?;
        let new = new.map(|row| entry(layout, index, row)).transpose()?;
        match (old, new) {
            (Some(old), Some((key, value))) if old == key => writes.push(EntryWrite::Keep(key, value)),
            (old, new) => {
                writes.extend(old.map(EntryWrite::Remove));
                writes.extend(new.map(|(key, value)| EntryWrite::Take(key, value)));
            }
        }
    }
    Ok(writes)
}

/// Key and value of a full row in an index.
pub(super) fn entry(
    layout: &TableLayout,
    index: &IndexLayout,
    row: &[Datum],
) -> Result<(Key, Value), SqlError> {
    let key = index_format::encode_key(layout, index, row)?;
    let (what, value) = match index.kind {
        IndexKind::Primary => ("primary key", row_format::encode(layout, row)),
    };
    if key.len() > KEY_MAX_BYTES {
        return Err(too_large(what, key.len(), KEY_MAX_BYTES));
    }
    if value.len() > VALUE_MAX_BYTES {
        return Err(too_large("row", value.len(), VALUE_MAX_BYTES));
    }
    Ok((key, value.into()))
}

fn too_large(what: &str, size: usize, limit: usize) -> SqlError {
    SqlError::new(
        SqlState::ProgramLimitExceeded,
        format!("{what} of {size} bytes is beyond the limit of {limit} bytes"),
    )
    .with_hint("Split it over several rows or columns, or store it outside of the database.")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bigdecimal::BigDecimal;

    use super::*;
    use crate::testing::tables::{kinds, kinds_row};

    /// The layout of `kinds`, whose key is (name, amount, at).
    fn layout() -> Arc<TableLayout> {
        kinds().layout().clone()
    }

    /// The sample row with one column changed.
    fn with(position: usize, datum: Datum) -> Vec<Datum> {
        let mut row = kinds_row();
        row[position] = datum;
        row
    }

    fn stored(layout: &TableLayout, index: usize, row: &[Datum]) -> (Key, Value) {
        entry(layout, &layout.indexes[index], row).unwrap()
    }

    #[test]
    fn row_that_comes_takes_its_key_and_one_that_goes_leaves_it() {
        let (layout, row) = (layout(), kinds_row());
        let (key, value) = stored(&layout, 0, &row);
        let writes = row_writes(&layout, None, Some(&row)).unwrap();
        assert_eq!(writes, [EntryWrite::Take(key.clone(), value)]);
        assert_eq!(row_writes(&layout, Some(&row), None).unwrap(), [EntryWrite::Remove(key)]);
        assert_eq!(row_writes(&layout, None, None).unwrap(), []);
    }

    #[test]
    fn row_stays_where_its_key_is_the_same() {
        let (layout, old) = (layout(), kinds_row());
        // A column outside the key, and digits of a NUMERIC that the key does not know.
        let scaled = Datum::Numeric(BigDecimal::new(125.into(), 1));
        for new in [with(8, Datum::Text("new".to_owned())), with(5, scaled), old.clone()] {
            let (key, value) = stored(&layout, 0, &new);
            let writes = row_writes(&layout, Some(&old), Some(&new)).unwrap();
            assert_eq!(writes, [EntryWrite::Keep(key, value)]);
        }
    }

    #[test]
    fn row_moves_where_its_key_changes() {
        let (layout, old, new) = (layout(), kinds_row(), with(3, Datum::Text("b".to_owned())));
        let ((left, _), (key, value)) = (stored(&layout, 0, &old), stored(&layout, 0, &new));
        let writes = row_writes(&layout, Some(&old), Some(&new)).unwrap();
        assert_eq!(writes, [EntryWrite::Remove(left), EntryWrite::Take(key, value)]);
    }

    #[test]
    fn row_is_written_to_each_index_in_their_order() {
        let mut layout = TableLayout::clone(&layout());
        let mut second = layout.indexes[0].clone();
        second.id = 2;
        second.key.truncate(1);
        layout.indexes.push(second);
        let (old, new) = (kinds_row(), with(5, Datum::Numeric(7.into())));
        let entries = |row: &[Datum]| [stored(&layout, 0, row), stored(&layout, 1, row)];
        let [(first, value), (other, other_value)] = entries(&new);
        let writes = row_writes(&layout, None, Some(&new)).unwrap();
        let taken = EntryWrite::Take(first.clone(), value.clone());
        assert_eq!(writes, [taken.clone(), EntryWrite::Take(other.clone(), other_value.clone())]);
        assert!(first < other, "their keys lie apart, by the indexes' ids");
        // The row moves in the one and stays in the other.
        let [(left, _), _] = entries(&old);
        let writes = row_writes(&layout, Some(&old), Some(&new)).unwrap();
        assert_eq!(writes, [EntryWrite::Remove(left), taken, EntryWrite::Keep(other, other_value)]);
    }

    #[test]
    fn only_keys_that_are_taken_have_a_condition() {
        let (key, value) = (Key::from(vec![1]), Value::from_static(b"v"));
        let take = EntryWrite::Take(key.clone(), value.clone());
        let keep = EntryWrite::Keep(key.clone(), value.clone());
        let remove = EntryWrite::Remove(key.clone());
        let put = Write::put(key.clone(), value.clone());
        assert_eq!(take.clone().into_write(Check::AtCommit), Write::insert(key.clone(), value));
        assert_eq!(take.into_write(Check::Done), put);
        for check in [Check::AtCommit, Check::Done] {
            assert_eq!(keep.clone().into_write(check), put);
            assert_eq!(remove.clone().into_write(check), Write::delete(key.clone()));
        }
    }

    #[test]
    fn row_beyond_the_limit_names_it() {
        let layout = layout();
        let error = |row: &[Datum]| row_writes(&layout, None, Some(row)).unwrap_err();
        let large = error(&with(8, Datum::Text("x".repeat(VALUE_MAX_BYTES))));
        assert_eq!(large.state, SqlState::ProgramLimitExceeded);
        assert!(large.message.contains("524288"), "{large}");
        assert!(error(&with(3, Datum::Text("x".repeat(KEY_MAX_BYTES)))).message.contains("primary key"));
    }
}
