//! INSERT, with and without ON CONFLICT.
//!
//! A statement that commits alone reads nothing: each write carries the condition that its key is absent, and the commit
//! checks it where the key lives. Nor does one that replaces whatever is stored. Within a transaction, and for other
//! ON CONFLICT, keys are read first, with what the statement itself has written: its source sees none of that, but a key
//! that it has taken is taken. Two rows of one statement with the same key are found here in either case.

use std::collections::HashSet;
use std::sync::Arc;

use quorate_engine::kv::{Key, Value};

use super::context::{Computing, ExecContext, ExecError};
use super::memory::Budget;
use super::operator::Operator;
use super::returning::{Changed, Returning};
use super::rows::{check_not_null, duplicate, fill_hidden};
use super::update::{Change, apply_changes, assign};
use crate::catalog::descriptor::TableDescriptor;
use crate::error::{SqlError, SqlState};
use crate::expr::Expr;
use crate::expr::eval::{EvalContext, is_true};
use crate::plan::node::OnConflict;
use crate::storage::decode_row;
use crate::storage::row_writes::{Check, EntryWrite, row_writes};
use crate::types::{Datum, Row};

/// A row on its way in.
struct Proposed {
    row: Row,
    /// It takes a key of each index.
    writes: Vec<EntryWrite>,
}

/// A running INSERT.
pub struct Insert {
    table: Arc<TableDescriptor>,
    on_conflict: OnConflict,
    /// Keys that this statement has written.
    written: HashSet<Key>,
    returning: Returning,
    /// Rows have keys that were made for them: there is no need to look whether they are taken.
    has_own_keys: bool,
    budget: Budget,
}

impl Insert {
    /// Into this table.
    pub fn new(table: Arc<TableDescriptor>, on_conflict: OnConflict, returning: Option<Vec<Expr>>) -> Self {
        let (written, returning) = (HashSet::new(), Returning::new(returning));
        let has_own_keys = has_own_keys(&table);
        Self { table, on_conflict, written, returning, has_own_keys, budget: Budget::new("INSERT") }
    }

    /// Writes all rows of `source`; tells how many were inserted or updated.
    ///
    /// # Errors
    /// 23505, 23502, 54000, and those of the source.
    pub async fn run(
        mut self,
        mut source: Box<dyn Operator>,
        context: &mut ExecContext<'_>,
    ) -> Result<Changed, ExecError> {
        let mut count = 0;
        while let Some(rows) = source.next(context).await? {
            let mut proposed = Vec::with_capacity(rows.len());
            for mut row in rows {
                fill_hidden(context.node, &self.table, &mut row);
                check_not_null(&self.table, &row)?;
                let writes = row_writes(self.table.layout(), None, Some(&row))?;
                for write in &writes {
                    self.budget.add(write.key().len() + size_of::<Key>())?;
                }
                proposed.push(Proposed { row, writes });
            }
            count += self.write_rows(proposed, context).await?;
        }
        Ok(Changed { count, returned: self.returning.into_rows() })
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
                assignments.iter().any(|(position, _)| self.table.layout().primary().has_column(*position))
            }
            OnConflict::Error | OnConflict::Nothing | OnConflict::Replace => false,
        }
    }

    async fn write_batch(
        &mut self,
        rows: Vec<Proposed>,
        context: &mut ExecContext<'_>,
    ) -> Result<u64, ExecError> {
        let unread = match self.on_conflict {
            OnConflict::Replace => Some(Check::Done),
            OnConflict::Error if context.is_autocommit || self.has_own_keys => Some(Check::AtCommit),
            OnConflict::Error | OnConflict::Nothing | OnConflict::Update { .. } => None,
        };
        let mut count = 0;
        if let Some(check) = unread {
            for row in rows {
                self.write(row, check, context).await?;
                count += 1;
            }
            return Ok(count);
        }
        let keys = rows.iter().flat_map(|row| &row.writes).map(|write| write.key().clone());
        let mut stored = context.get_newest(keys.collect()).await?.into_iter();
        let mut changes = Vec::new();
        for row in rows {
            let found: Vec<_> = row.writes.iter().map(EntryWrite::key).zip(stored.by_ref()).collect();
            let taken =
                found.into_iter().find(|(key, stored)| stored.is_some() || self.written.contains(*key));
            match taken.map(|(key, stored)| (key.clone(), stored)) {
                None => {
                    self.write(row, Check::Done, context).await?;
                    count += 1;
                }
                Some(taken) => changes.extend(self.conflict(&row.row, taken, context.computing()).await?),
            }
        }
        count += changes.len() as u64;
        apply_changes(&self.table, changes, context).await?;
        Ok(count)
    }

    /// Buffers a new row; a second one of the statement with a key of it is an error.
    async fn write(
        &mut self,
        row: Proposed,
        check: Check,
        context: &mut ExecContext<'_>,
    ) -> Result<(), ExecError> {
        // Both seldom: kept out of the futures of all rows.
        if self.returning.is_wanted() {
            Box::pin(self.returning.add(&row.row, context.computing())).await?;
        }
        self.buffer(row.writes, check, context)?;
        if context.own_rows.is_some() {
            Box::pin(context.store_own()).await?;
        }
        Ok(())
    }

    fn buffer(
        &mut self,
        writes: Vec<EntryWrite>,
        check: Check,
        context: &mut ExecContext<'_>,
    ) -> Result<(), ExecError> {
        for write in writes {
            if !self.written.insert(write.key().clone()) {
                return Err(self.again(write.key()).into());
            }
            context.write(write.into_write(check))?;
        }
        Ok(())
    }

    /// What happens to a row whose key exists, in the store or in this statement.
    async fn conflict(
        &mut self,
        proposed: &Row,
        (key, stored): (Key, Option<Value>),
        computing: Computing<'_>,
    ) -> Result<Option<Change>, ExecError> {
        match &self.on_conflict {
            OnConflict::Error | OnConflict::Replace => Err(self.again(&key).into()),
            OnConflict::Nothing => Ok(None),
            OnConflict::Update { assignments, filter } => {
                let Some(stored) = stored.filter(|_| !self.written.contains(&key)) else {
                    return Err(twice().into());
                };
                let old = decode_row(self.table.layout(), key.as_ref(), &stored)?;
                let updated = (assignments.as_slice(), filter.as_ref());
                let Some(new) = update_stored(&self.table, (&old, proposed), updated, computing).await?
                else {
                    return Ok(None);
                };
                let change = row_writes(self.table.layout(), Some(&old), Some(&new))?;
                let has_row = |write: &&EntryWrite| !matches!(write, EntryWrite::Remove(_));
                self.returning.add(&new, computing).await?;
                self.written.extend(change.iter().filter(has_row).map(|write| write.key().clone()));
                Ok(Some(change))
            }
        }
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

/// Whether the key of a table is a hidden column, which gets values that are never given twice.
pub fn has_own_keys(table: &TableDescriptor) -> bool {
    let hidden = |id: u32| table.columns.iter().any(|column| column.id == id && column.hidden);
    table.primary().column_ids().all(hidden)
}

/// `DO UPDATE`: what the stored row becomes, unless its WHERE says no.
async fn update_stored(
    table: &TableDescriptor,
    (old, proposed): (&Row, &Row),
    (assignments, filter): (&[(usize, Expr)], Option<&Expr>),
    computing: Computing<'_>,
) -> Result<Option<Row>, ExecError> {
    let both: Vec<Datum> = old.iter().chain(proposed).cloned().collect();
    let updated = |eval_context: &EvalContext<'_>| match filter {
        Some(filter) if !is_true(filter, &both, eval_context)? => Ok(None),
        Some(_) | None => assign(table, old, assignments, (&both, eval_context)).map(Some),
    };
    Ok(computing.compute(updated).await?)
}

fn twice() -> SqlError {
    SqlError::new(SqlState::CardinalityViolation, "ON CONFLICT DO UPDATE command cannot affect row a second time")
        .with_hint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values.")
}
