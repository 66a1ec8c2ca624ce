//! DELETE: all rows are read first, then removed.

use std::sync::Arc;

use quorate_engine::kv::Key;

use super::context::{ExecContext, ExecError};
use super::memory::Budget;
use super::operator::Operator;
use crate::catalog::descriptor::TableDescriptor;
use crate::storage::layout::TableLayout;
use crate::storage::row_writes::{Check, row_writes};

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
    let (mut count, mut writes) = (0, Vec::new());
    while let Some(rows) = source.next(context).await? {
        for row in rows {
            count += 1;
            for write in row_writes(&layout, Some(&row), None)? {
                budget.add(write.key().len() + size_of::<Key>())?;
                writes.push(write);
            }
        }
    }
    for write in writes {
        context.write(write.into_write(Check::Done))?;
    }
    Ok(count)
}
