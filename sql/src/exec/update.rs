//! UPDATE: all rows are read first, then changed; a change of the key moves the row.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use quorate_engine::kv::{Key, Write};

use super::context::{ExecContext, ExecError};
use super::operator::Operator;
use super::returning::{Changed, Returning};
use super::rows::{check_not_null, collect, duplicate, existing};
use crate::catalog::descriptor::TableDescriptor;
use crate::error::SqlError;
use crate::expr::Expr;
use crate::expr::eval::{EvalContext, eval};
use crate::storage::row_writes::{EntryWrite, row_writes};
use crate::types::{Datum, Row};

/// What becomes of a stored row, in all indexes.
pub type Change = Vec<EntryWrite>;

/// Runs an UPDATE; tells how many rows were changed.
///
/// # Errors
/// 23505, 23502, 54000, and those of the source and the assignments.
pub async fn update(
    table: &Arc<TableDescriptor>,
    mut source: Box<dyn Operator>,
    (assignments, returning): (&[(usize, Expr)], Option<Vec<Expr>>),
    context: &mut ExecContext<'_>,
) -> Result<Changed, ExecError> {
    let layout = table.layout();
    let (mut changes, mut returning) = (Vec::new(), Returning::new(returning));
    for old in collect(source.as_mut(), context, "UPDATE").await? {
        let assigned = context.computing().compute(|eval| assign(table, &old, assignments, (&old, eval)));
        let new = assigned.await?;
        changes.push(row_writes(layout, Some(&old), Some(&new))?);
        returning.add(&new, context.computing()).await?;
    }
    let count = changes.len() as u64;
    apply_changes(table, changes, context).await?;
    Ok(Changed { count, returned: returning.into_rows() })
}

/// A row with some columns set anew; the expressions see `input`.
///
/// # Errors
/// Those of the expressions; 23502.
pub fn assign(
    table: &TableDescriptor,
    old: &[Datum],
    assignments: &[(usize, Expr)],
    (input, eval_context): (&[Datum], &EvalContext<'_>),
) -> Result<Row, SqlError> {
    let mut new = old.to_vec();
    for (position, expr) in assignments {
        if let Some(place) = new.get_mut(*position) {
            *place = eval(expr, input, eval_context)?;
        }
    }
    check_not_null(table, &new)?;
    Ok(new)
}

/// Buffers changes of rows. Rows that move make room first, so that keys may be exchanged within a statement.
///
/// # Errors
/// 23505 for a key that another row has; 54000.
pub async fn apply_changes(
    table: &Arc<TableDescriptor>,
    changes: Vec<Change>,
    context: &mut ExecContext<'_>,
) -> Result<(), ExecError> {
    let mut writes = Vec::with_capacity(changes.len());
    let (mut left, mut taken) = (BTreeSet::new(), Vec::new());
    for write in changes.into_iter().flatten() {
        match write {
            EntryWrite::Remove(key) => {
                left.insert(key);
            }
            EntryWrite::Take(key, value) => {
                taken.push(key.clone());
                writes.push(Write::put(key, value));
            }
            EntryWrite::Keep(key, value) => writes.push(Write::put(key, value)),
        }
    }
    check_free(table, (&left, &taken), context).await?;
    // Every row's key, moved or not: two of them in one place are a duplicate too.
    let mut places = HashSet::new();
    if let Some(write) = writes.iter().find(|write| !places.insert(&write.key)) {
        return Err(duplicate(table, &write.key).into());
    }
    for key in left {
        context.write(Write::delete(key))?;
    }
    for write in writes {
        context.write(write)?;
    }
    Ok(())
}

/// Fails where a row would move to a key that another row has and keeps.
async fn check_free(
    table: &TableDescriptor,
    (left, taken): (&BTreeSet<Key>, &[Key]),
    context: &mut ExecContext<'_>,
) -> Result<(), ExecError> {
    if taken.is_empty() {
        return Ok(());
    }
    let exist = existing(taken, context).await?;
    match taken.iter().find(|key| exist.contains(*key) && !left.contains(*key)) {
        Some(key) => Err(duplicate(table, key).into()),
        None => Ok(()),
    }
}
