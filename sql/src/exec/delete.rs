//! DELETE: all rows are read first, then removed.

use std::sync::Arc;

use quorate_engine::kv::Key;

use super::context::{ExecContext, ExecError};
use super::memory::Budget;
use super::operator::Operator;
use super::returning::{Changed, Returning};
use crate::catalog::descriptor::TableDescriptor;
use crate::expr::Expr;
use crate::storage::row_writes::{Check, row_writes};

/// Runs a DELETE; tells how many rows were removed.
///
/// # Errors
/// 54000 where they do not fit one transaction, and those of the source.
pub async fn delete(
    table: &Arc<TableDescriptor>,
    mut source: Box<dyn Operator>,
    returning: Option<Vec<Expr>>,
    context: &mut ExecContext<'_>,
) -> Result<Changed, ExecError> {
    let layout = table.layout();
    let mut budget = Budget::new("DELETE");
    let (mut count, mut writes, mut returning) = (0, Vec::new(), Returning::new(returning));
    while let Some(rows) = source.next(context).await? {
        for row in rows {
            count += 1;
            returning.add(&row, context.computing()).await?;
            for write in row_writes(layout, Some(&row), None)? {
                budget.add(write.key().len() + size_of::<Key>())?;
                writes.push(write);
            }
        }
    }
    for write in writes {
        context.write(write.into_write(Check::Done))?;
    }
    Ok(Changed { count, returned: returning.into_rows() })
}
