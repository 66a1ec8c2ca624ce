//! DELETE: all keys are read first, then removed.

use std::sync::Arc;

use quorate_engine::kv::{Key, Write};

use super::context::{ExecContext, ExecError};
use super::memory::Budget;
use super::operator::Operator;
use crate::catalog::descriptor::TableDescriptor;
use crate::storage::index_format;
use crate::storage::layout::TableLayout;

/// Runs a DELETE; returns how many rows were removed.
///
/// # Errors
/// 54000 where they do not fit one transaction, and those of the source.
pub async fn delete(
    table: &Arc<TableDescriptor>,
    mut source: Box<dyn Operator>,
    context: &mut ExecContext<'_>,
) -> Result<u64, ExecError> {
    let layout = TableLayout::of(table);
    let mut budget = Budget::new("DELETE");
    let mut keys: Vec<Key> = Vec::new();
    while let Some(rows) = source.next(context).await? {
        for row in rows {
            let key = index_format::encode_key(&layout, layout.primary(), &row)?;
            budget.add(key.len() + size_of::<Key>())?;
            keys.push(key);
        }
    }
    let count = keys.len() as u64;
    for key in keys {
        context.write(Write::delete(key))?;
    }
    Ok(count)
}
