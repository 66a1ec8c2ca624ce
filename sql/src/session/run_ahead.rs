//! INSERTs that a client has sent one behind the other are done ahead of their turns, before the first of them runs.
//!
//! ```text
//! plain INSERTs                   all their rows are added as one statement; each is told of its own
//! RETURNING, ON CONFLICT          all their keys are read; each finds in the transaction what it would have waited for
//! rows that cannot all be added   nothing is done ahead but reading their keys: each has its own error
//! ```
//!
//! Nobody sees that rows are there before their turn: a turn that does not come, since one before it failed or the client is
//! gone, takes the transaction, or what it did behind its last savepoint, with it.

use std::sync::Arc;

use super::surroundings::{SessionParts, Surroundings};
use super::transaction::TransactionState;
use super::{Prepared, Session};
use crate::bind::{Bound, BoundDml};
use crate::cancel::CancelToken;
use crate::catalog::descriptor::TableDescriptor;
use crate::error::SqlError;
use crate::exec::build;
use crate::exec::context::{ExecError, Limits};
use crate::exec::insert::{Insert, has_own_keys};
use crate::exec::memory::datum_bytes;
use crate::expr::Expr;
use crate::expr::eval::{EvalContext, eval};
use crate::limits::RUNS_AHEAD_MAX_BYTES;
use crate::plan::node::{OnConflict, Plan, Query};
use crate::storage::row_writes::{EntryWrite, row_writes};
use crate::types::{Datum, Row};
use quorate_engine::kv::{Key, KvError};

impl Prepared {
    /// Whether both are one statement, prepared once.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.binding, &other.binding)
    }

    /// Whether the statement, where it does not stand alone, looks up keys that its parameters alone decide.
    fn looks_up_keys(&self) -> bool {
        let Bound::Dml(BoundDml::Insert(insert)) = &self.binding.bound.kind else { return false };
        let looks = match insert.on_conflict {
            OnConflict::Error | OnConflict::Nothing | OnConflict::Update { .. } => true,
            OnConflict::Replace => false,
        };
        // What is computed ahead is computed once more when it runs.
        let is_plain = if let Query::Values { rows } = &insert.source.tree {
            !rows.iter().flatten().chain(&insert.columns).any(Expr::is_volatile)
        } else {
            false
        };
        looks && is_plain && !has_own_keys(&insert.table)
    }

    /// Whether the statement is an INSERT whose rows are new, or an error, and that returns nothing.
    fn only_adds_rows(&self) -> bool {
        let Bound::Dml(BoundDml::Insert(insert)) = &self.binding.bound.kind else { return false };
        insert.on_conflict == OnConflict::Error && insert.returning.is_none()
    }
}

/// What was done for runs of a statement before the first of them runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// Nothing: each does all for itself.
    Nothing,
    /// Their keys were read.
    KeysRead,
    /// They are done, as many as there are numbers: how many rows each has added.
    Done(Vec<usize>),
}

impl Session {
    /// Whether it pays to look for further runs of a statement: a transaction is open, in which it looks up keys by the
    /// catalog as it was bound.
    pub fn runs_ahead(&self, prepared: &Prepared) -> bool {
        matches!(self.transaction, TransactionState::Open(_))
            && prepared.looks_up_keys()
            && self.catalog_stamp() == prepared.binding.with.catalog
    }

    /// Does what can be done for these runs of a statement before the first of them runs, within the transaction that is open.
    ///
    /// # Errors
    /// The store's: they are those of the first run.
    pub async fn run_ahead(
        &mut self,
        prepared: &Prepared,
        runs: &[Vec<Datum>],
        cancel: &CancelToken,
    ) -> Result<Ahead, SqlError> {
        if !self.runs_ahead(prepared) {
            return Ok(Ahead::Nothing);
        }
        let limits = self.limits(cancel);
        if prepared.only_adds_rows() && !self.has_cursors() {
            let done = self.add_together(prepared, runs, &limits).await;
            let done = self.after(done).await?;
            if !done.is_empty() {
                return Ok(Ahead::Done(done));
            }
        }
        Ok(if self.read_keys_together(prepared, runs, &limits).await {
            Ahead::KeysRead
        } else {
            Ahead::Nothing
        })
    }

    /// Adds the rows of as many of these runs as can be computed; gives how many each of them has. None where they cannot all be
    /// added, and nothing was done.
    async fn add_together(
        &mut self,
        prepared: &Prepared,
        runs: &[Vec<Datum>],
        limits: &Limits,
    ) -> Result<Vec<usize>, SqlError> {
        let (binding, _) = self.rebind_to_write(prepared, limits).await?;
        let (node, catalog) = (Arc::clone(&self.node), self.catalog());
        let TransactionState::Open(open) = &mut self.transaction else { return Ok(Vec::new()) };
        if open.read_only || !Arc::ptr_eq(&binding, &prepared.binding) {
            return Ok(Vec::new());
        }
        let parts =
            SessionParts { variables: &self.variables, sequences: &self.sequences, options: &self.options };
        let around = Surroundings::new(&node, parts, false).within(&catalog, open.staged.sequences());
        let now_micros = open.now_micros;
        let (mut rows, mut counts, mut into) = (Vec::new(), Vec::with_capacity(runs.len()), None);
        let mut bytes = 0;
        for parameters in runs {
            // One that fails fails again when it runs, and nothing behind it does.
            let Some((table, found)) = rows_of(prepared, &around.eval(parameters, now_micros)) else { break };
            bytes += found.iter().flatten().map(literal_bytes).sum::<usize>();
            if bytes > RUNS_AHEAD_MAX_BYTES {
                break;
            }
            counts.push(found.len());
            rows.extend(found);
            into = Some(table);
        }
        let Some(table) = into.filter(|_| counts.len() > 1) else { return Ok(Vec::new()) };
        let source = build(Query::Values { rows })?;
        open.used_table(table.id, table.version);
        let transaction = open.begin(&node).await?;
        let mark = transaction.mark();
        let mut context = around.begin(transaction.as_mut(), limits, around.eval(&[], now_micros), false);
        let added = Insert::new(table, OnConflict::Error, None).run(source, &mut context).await;
        if added.is_err() {
            transaction.go_back_to(mark);
        }
        transaction.release(mark);
        match added {
            Ok(added) => {
                assert!(added.count == counts.iter().sum::<usize>() as u64, "each row was added");
                open.store_much(&node).await?;
                Ok(counts)
            }
            // One of them is the reason, and alone it may fit.
            Err(ExecError::Sql(_) | ExecError::Kv(KvError::TooLarge { .. })) => Ok(Vec::new()),
            Err(error @ ExecError::Kv(_)) => Err(error.into_sql(&catalog)),
        }
    }

    /// Reads the keys of these runs; whether it did. Nothing is lost where it did not: each run looks for itself.
    async fn read_keys_together(
        &mut self,
        prepared: &Prepared,
        runs: &[Vec<Datum>],
        limits: &Limits,
    ) -> bool {
        let (node, catalog) = (Arc::clone(&self.node), self.catalog());
        let TransactionState::Open(open) = &mut self.transaction else { return false };
        let parts =
            SessionParts { variables: &self.variables, sequences: &self.sequences, options: &self.options };
        let around = Surroundings::new(&node, parts, open.read_only).within(&catalog, None);
        let mut keys = Vec::with_capacity(runs.len());
        for parameters in runs {
            match keys_of(prepared, &around.eval(parameters, open.now_micros)) {
                Some(found) => keys.extend(found),
                None => break,
            }
        }
        let Ok(transaction) = open.begin(&node).await else { return false };
        // Where its time is over, the run says so.
        let Ok(read) = limits.guard(&node, transaction.read_ahead(keys)).await else { return false };
        if let Err(error) = &read {
            tracing::debug!(%error, "keys of several statements were not read together");
        }
        read.is_ok()
    }
}

/// The table of an INSERT and the rows for it, computed; `None` where computing them fails.
fn rows_of(prepared: &Prepared, context: &EvalContext<'_>) -> Option<(Arc<TableDescriptor>, Vec<Vec<Expr>>)> {
    let plan = prepared.binding.unplanned().ok()?.plan(context).ok()?;
    let Plan::Insert { table, source: Query::Values { mut rows }, .. } = plan else { return None };
    for expr in rows.iter_mut().flatten() {
        let value = eval(expr, &[], context).ok()?;
        *expr = Expr::Literal(value, expr.data_type());
    }
    Some((table, rows))
}

fn literal_bytes(expr: &Expr) -> usize {
    let value = if let Expr::Literal(value, _) = expr { datum_bytes(value) } else { 0 };
    value + size_of::<Expr>()
}

/// The keys of the rows that an INSERT is going to add; `None` where computing them fails.
fn keys_of(prepared: &Prepared, context: &EvalContext<'_>) -> Option<Vec<Key>> {
    let (table, rows) = rows_of(prepared, context)?;
    let layout = table.layout();
    let mut keys = Vec::new();
    for row in rows {
        let row = row.iter().map(|expr| eval(expr, &[], context)).collect::<Result<Row, _>>().ok()?;
        let writes = row_writes(layout, None, Some(&row)).ok()?;
        keys.extend(writes.iter().map(EntryWrite::key).cloned());
    }
    Some(keys)
}
