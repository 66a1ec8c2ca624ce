//! What INSERT, UPDATE and COPY share: NOT NULL, hidden columns, keys that exist.

use std::collections::HashSet;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::Key;

use super::context::{ExecContext, ExecError};
use super::memory::{Budget, row_bytes};
use super::operator::Operator;
use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::snapshot::CatalogSnapshot;
use crate::error::{SqlError, SqlState};
use crate::kv_error;
use crate::node::SqlNode;
use crate::types::{Datum, Row, text};

/// Keys looked up at once.
pub const KEYS_AT_ONCE: usize = 1_000;

/// Fails for a NULL where none may be.
///
/// # Errors
/// 23502, as PostgreSQL words it.
pub fn check_not_null(table: &TableDescriptor, row: &[Datum]) -> Result<(), SqlError> {
    let missing = table.columns.iter().zip(row).find(|(column, datum)| !column.nullable && datum.is_null());
    let Some((column, _)) = missing else { return Ok(()) };
    let values =
        row.iter().zip(&table.columns).filter(|(_, column)| !column.hidden).map(|(datum, column)| {
            text::to_text(datum, &column.data_type).unwrap_or_else(|| "null".to_owned())
        });
    let values = values.collect::<Vec<_>>().join(", ");
    let message = format!(
        "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
        column.name, table.name
    );
    Err(SqlError::new(SqlState::NotNullViolation, message)
        .with_detail(format!("Failing row contains ({values})."))
        .about_column(&table.name, &column.name))
}

/// Gives hidden columns of a new row their values.
pub fn fill_hidden(node: &SqlNode, table: &TableDescriptor, row: &mut [Datum]) {
    for (column, datum) in table.columns.iter().zip(row) {
        if column.hidden && datum.is_null() {
            *datum = Datum::Int(node.row_ids.next(node.clock.now_micros()));
        }
    }
}

/// The error for a key that exists.
pub fn duplicate(table: &TableDescriptor, key: &Key) -> SqlError {
    kv_error::duplicate_key(key, Some(&CatalogSnapshot::new(Timestamp::MIN, vec![table.clone()])))
}

/// All rows of an operator, counted against the memory of the statement.
///
/// # Errors
/// Those of the operator; 53200.
pub async fn collect(
    source: &mut dyn Operator,
    context: &mut ExecContext<'_>,
    what: &'static str,
) -> Result<Vec<Row>, ExecError> {
    let mut budget = Budget::new(what);
    let mut all = Vec::new();
    while let Some(rows) = source.next(context).await? {
        for row in &rows {
            budget.add(row_bytes(row))?;
        }
        all.extend(rows);
    }
    Ok(all)
}

/// Which of these keys exist by now, what the statement itself has written included.
///
/// # Errors
/// The store's.
pub async fn existing(keys: &[Key], context: &mut ExecContext<'_>) -> Result<HashSet<Key>, ExecError> {
    let mut found = HashSet::new();
    for keys in keys.chunks(KEYS_AT_ONCE) {
        let values = context.get_newest(keys.to_vec()).await?;
        found
            .extend(keys.iter().zip(values).filter(|(_, value)| value.is_some()).map(|(key, _)| key.clone()));
    }
    Ok(found)
}
