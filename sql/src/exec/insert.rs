//! INSERT, with and without ON CONFLICT.
//!
//! A statement that commits alone reads nothing: each write carries the condition that its key is absent, and the commit
//! checks it where the key lives. Nor does one that replaces whatever is stored. Within a transaction, and for other
//! ON CONFLICT, keys are read first, with what the statement itself has written: its source sees none of that, but a key
//! that it has taken is taken. Two rows of one statement with the same key are found here in either case.

use std::collections::HashSet;
use std::sync::Arc;

use quorate_engine::kv::{Key, Value, Write};

use super::context::{ExecContext, ExecError};
use super::memory::Budget;
use super::operator::Operator;
use super::rows::{check_not_null, duplicate, fill_hidden};
use super::update::{Change, apply_changes, assign};
use crate::catalog::descriptor::TableDescriptor;
use crate::error::{SqlError, SqlState};
use crate::expr::Expr;
use crate::expr::eval::is_true;
use crate::plan::node::OnConflict;
use crate::storage::index_format;
use crate::storage::layout::TableLayout;
use crate::storage::{decode_row, encode_row};
use crate::types::{Datum, Row};

/// A row on its way in.
struct Proposed {
    row: Row,
    key: Key,
    value: Value,
}

/// A running INSERT.
pub struct Insert {
    table: Arc<TableDescriptor>,
    layout: TableLayout,
    on_conflict: OnConflict,
    /// Keys that this statement has written.
    written: HashSet<Key>,
    budget: Budget,
}

impl Insert {
    /// Into this table.
    pub fn new(table: Arc<TableDescriptor>, on_conflict: OnConflict) -> Self {
        let layout = TableLayout::of(&table);
        Self { table, layout, on_conflict, written: HashSet::new(), budget: Budget::new("INSERT") }
    }

    /// Writes all rows of `source`; returns how many were inserted or updated.
    ///
    /// # Errors
    /// 23505, 23502, 54000, and those of the source.
    pub async fn run(
        mut self,
        mut source: Box<dyn Operator>,
        context: &mut ExecContext<'_>,
    ) -> Result<u64, ExecError> {
        let mut count = 0;
        while let Some(rows) = source.next(context).await? {
            let mut proposed = Vec::with_capacity(rows.len());
            for mut row in rows {
                fill_hidden(context.node, &self.table, &mut row);
                check_not_null(&self.table, &row)?;
                let (key, value) = encode_row(&self.layout, &row)?;
                self.budget.add(key.len() + size_of::<Key>())?;
                proposed.push(Proposed { row, key, value });
            }
            count += self.write_rows(proposed, context).await?;
        }
        Ok(count)
    }

    /// Writes rows together, unless one may move another to a key that a row behind it has.
    async fn write_rows(
        &mut self,
        rows: Vec<Proposed>,
        context: &mut ExecContext<'_>,
    ) -> Result<u64, ExecError> {
        if !self.moves_rows() {
            return self.write_batch(rows, context).await;
        }
        let mut count = 0;
        for row in rows {
            count += self.write_batch(vec![row], context).await?;
        }
        Ok(count)
    }

    /// Whether DO UPDATE sets a column of the key.
    fn moves_rows(&self) -> bool {
        match &self.on_conflict {
            OnConflict::Update { assignments, .. } => {
                assignments.iter().any(|(position, _)| self.layout.primary().has_column(*position))
            }
            OnConflict::Error | OnConflict::Nothing | OnConflict::Replace => false,
        }
    }

    async fn write_batch(
        &mut self,
        rows: Vec<Proposed>,
        context: &mut ExecContext<'_>,
    ) -> Result<u64, ExecError> {
        let blind: Option<fn(Key, Value) -> Write> = match self.on_conflict {
            OnConflict::Replace => Some(Write::put),
            OnConflict::Error if context.is_autocommit => Some(Write::insert),
            OnConflict::Error | OnConflict::Nothing | OnConflict::Update { .. } => None,
        };
        if let Some(write) = blind {
            let count = rows.len() as u64;
            for row in rows {
                self.remember(&row.key)?;
                context.write(write(row.key, row.value))?;
            }
            return Ok(count);
        }
        let stored = context.get_newest(rows.iter().map(|row| row.key.clone()).collect()).await?;
        let mut changes = Vec::new();
        let mut count = 0;
        for (row, stored) in rows.into_iter().zip(stored) {
            match stored {
                None if !self.written.contains(&row.key) => {
                    self.remember(&row.key)?;
                    context.write(Write::put(row.key, row.value))?;
                    count += 1;
                }
                stored => changes.extend(self.conflict(row, stored, context)?),
            }
        }
        count += changes.len() as u64;
        apply_changes(&self.table, changes, context).await?;
        Ok(count)
    }

    /// What happens to a row whose key exists, in the store or in this statement.
    fn conflict(
        &mut self,
        proposed: Proposed,
        stored: Option<Value>,
        context: &ExecContext<'_>,
    ) -> Result<Option<Change>, ExecError> {
        match &self.on_conflict {
            OnConflict::Error | OnConflict::Replace => Err(self.again(&proposed.key).into()),
            OnConflict::Nothing => Ok(None),
            OnConflict::Update { assignments, filter } => {
                let Some(stored) = stored.filter(|_| !self.written.contains(&proposed.key)) else {
                    return Err(twice().into());
                };
                let old = decode_row(&self.layout, proposed.key.as_ref(), &stored)?;
                let change =
                    update_stored(&self.table, old, &proposed, (assignments, filter.as_ref()), context)?;
                if let Some(change) = &change {
                    self.written.insert(index_format::encode_key(
                        &self.layout,
                        self.layout.primary(),
                        &change.new,
                    )?);
                }
                Ok(change)
            }
        }
    }

    /// Notes a key that is written; a second row with it is an error.
    fn remember(&mut self, key: &Key) -> Result<(), SqlError> {
        if self.written.insert(key.clone()) { Ok(()) } else { Err(self.again(key)) }
    }

    /// The error of a key that is there already.
    fn again(&self, key: &Key) -> SqlError {
        match self.on_conflict {
            OnConflict::Replace => twice(),
            OnConflict::Error | OnConflict::Nothing | OnConflict::Update { .. } => {
                duplicate(&self.table, key)
            }
        }
    }
}

/// `DO UPDATE`: the change of the stored row, unless its WHERE says no.
fn update_stored(
    table: &TableDescriptor,
    old: Row,
    proposed: &Proposed,
    (assignments, filter): (&[(usize, Expr)], Option<&Expr>),
    context: &ExecContext<'_>,
) -> Result<Option<Change>, ExecError> {
    let both: Vec<Datum> = old.iter().chain(&proposed.row).cloned().collect();
    if let Some(filter) = filter
        && !is_true(filter, &both, &context.eval)?
    {
        return Ok(None);
    }
    let new = assign(table, &old, assignments, (&both, &context.eval))?;
    Ok(Some(Change { old_key: proposed.key.clone(), new }))
}

fn twice() -> SqlError {
    SqlError::new(SqlState::CardinalityViolation, "ON CONFLICT DO UPDATE command cannot affect row a second time")
        .with_hint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values.")
}
