//! INSERTs that a client has sent one behind the other look up their keys together, before the first of them runs: each of
//! them then finds in the transaction what it would have had to wait for. Their errors stay their own, since each looks again.

use std::sync::Arc;

use super::surroundings::{SessionParts, Surroundings};
use super::transaction::TransactionState;
use super::{Prepared, Session};
use crate::bind::{Bound, BoundDml};
use crate::cancel::CancelToken;
use crate::exec::insert::has_own_keys;
use crate::expr::Expr;
use crate::expr::eval::{EvalContext, eval};
use crate::plan::node::{OnConflict, Plan, Query};
use crate::storage::layout::TableLayout;
use crate::storage::row_writes::{EntryWrite, row_writes};
use crate::types::{Datum, Row};
use quorate_engine::kv::Key;

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
}

impl Session {
    /// Whether it pays to look for further runs of a statement: a transaction is open, in which it looks up keys by the
    /// catalog as it was bound.
    pub fn reads_ahead(&self, prepared: &Prepared) -> bool {
        matches!(self.transaction, TransactionState::Open(_))
            && prepared.looks_up_keys()
            && self.catalog_stamp() == prepared.binding.with.catalog
    }

    /// Reads the keys of these runs of a statement together, within the transaction that is open; whether it did. Nothing is
    /// lost where it did not: each run looks for itself.
    pub async fn read_ahead(
        &mut self,
        prepared: &Prepared,
        runs: &[Vec<Datum>],
        cancel: &CancelToken,
    ) -> bool {
        if !self.reads_ahead(prepared) {
            return false;
        }
        let limits = self.limits(cancel);
        let (node, catalog) = (Arc::clone(&self.node), self.catalog());
        let TransactionState::Open(open) = &mut self.transaction else { return false };
        let parts =
            SessionParts { variables: &self.variables, sequences: &self.sequences, options: &self.options };
        let around = Surroundings::new(&node, parts, open.read_only).within(&catalog, None);
        let mut keys = Vec::with_capacity(runs.len());
        for parameters in runs {
            // One that fails fails again when it runs, and nothing behind it does.
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

/// The keys of the rows that an INSERT is going to add; `None` where computing them fails.
fn keys_of(prepared: &Prepared, context: &EvalContext<'_>) -> Option<Vec<Key>> {
    let plan = prepared.binding.unplanned().ok()?.plan(context).ok()?;
    let Plan::Insert { table, source: Query::Values { rows }, .. } = plan else { return None };
    let layout = TableLayout::of(&table);
    let mut keys = Vec::new();
    for row in rows {
        let row = row.iter().map(|expr| eval(expr, &[], context)).collect::<Result<Row, _>>().ok()?;
        let writes = row_writes(&layout, None, Some(&row)).ok()?;
        keys.extend(writes.iter().map(EntryWrite::key).cloned());
    }
    Some(keys)
}
