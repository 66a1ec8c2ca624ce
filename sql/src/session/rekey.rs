//! ALTER TABLE … ADD PRIMARY KEY of a session: a table with the same columns and that key takes the place of one without a key,
//! with all its rows. One that stands alone is a job, for which writers wait.
//!
//! Invariant: a transaction reads all rows of the old table, so that it commits only where nobody has changed them since; a
//! job reads them when nobody can change them.

use std::sync::Arc;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Transaction, TransactionOptions};

use super::dispatch::{Run, tag};
use super::replace::OwnedSequences;
use super::sink::{Completion, ResultSink};
use super::surroundings::{SessionParts, Surroundings};
use super::transaction::{OpenTransaction, TransactionState};
use super::variables::Variables;
use super::{Session, SessionOptions};
use crate::bind::select_scan;
use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::view::CatalogView;
use crate::copy::parts::Parts;
use crate::ddl::add_key::KeyJob;
use crate::error::{SqlError, SqlState};
use crate::exec::build;
use crate::exec::context::{ExecError, Limits};
use crate::node::SqlNode;
use crate::sequences::memory::SequenceMemory;
use crate::storage::row_writes::{Check, row_writes};
use crate::types::Row;

/// The first generation whose nodes know such jobs.
const JOBS_GENERATION: u8 = 3;

impl Session {
    pub(super) async fn add_primary_key(
        &mut self,
        (table, keyed): (Option<&Arc<TableDescriptor>>, &TableDescriptor),
        run: &Run<'_>,
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        self.check_writable("ALTER TABLE")?;
        let Some(table) = table else {
            let message = format!("relation \"{}\" does not exist, skipping", keyed.name);
            sink.notice("NOTICE", SqlState::SuccessfulCompletion, message);
            return Ok(tag("ALTER TABLE"));
        };
        self.check_unread(table, "ALTER TABLE")?;
        let node = Arc::clone(&self.node);
        if matches!(self.transaction, TransactionState::Idle) && node.cluster.generation() >= JOBS_GENERATION
        {
            self.add_key_alone((table, keyed), &run.limits).await?;
            return Ok(tag("ALTER TABLE"));
        }
        self.open_implicit();
        let owned = OwnedSequences::of(self.catalog().as_ref(), table, false)?;
        let Some(open) = self.staging() else {
            return Err(SqlError::new(SqlState::InternalError, "no transaction is open"));
        };
        open.used_table(table.id, table.version);
        open.add_key(&node, (table, keyed), &owned, &run.limits).await?;
        Ok(tag("ALTER TABLE"))
    }

    async fn add_key_alone(
        &mut self,
        (table, keyed): (&Arc<TableDescriptor>, &TableDescriptor),
        limits: &Limits,
    ) -> Result<(), SqlError> {
        let node = Arc::clone(&self.node);
        let sequences = self.catalog().sequences_of(table.id);
        let job = KeyJob::begin(&node, (table, keyed), sequences).await?;
        let now_micros = self.now_micros();
        let copied = async {
            let options = TransactionOptions::reading();
            let mut transaction = node.database.begin(options).await.map_err(ExecError::from)?;
            let copied =
                copy_rows(&node, (table, &job.table), transaction.as_mut(), (now_micros, limits)).await;
            transaction.rollback().await;
            copied
        };
        let copied = copied.await.map(|_| ()).map_err(|error| {
            let catalog = node.catalog.snapshot();
            refusal(error.into_sql(&catalog), &job.table)
        });
        job.end(&node, copied).await
    }
}

impl OpenTransaction {
    /// Puts a table with the same visible columns into the place of another, with all its rows.
    async fn add_key(
        &mut self,
        node: &Arc<SqlNode>,
        (table, keyed): (&Arc<TableDescriptor>, &TableDescriptor),
        owned: &OwnedSequences,
        limits: &Limits,
    ) -> Result<(), SqlError> {
        let made = self.replace_table(node, (table, keyed.clone()), owned).await?;
        let now_micros = self.now_micros;
        let transaction = self.begin(node).await?;
        let copied = copy_rows(node, (table, &made), transaction.as_mut(), (now_micros, limits)).await;
        let catalog = node.catalog.snapshot();
        let committed = copied.map_err(|error| refusal(error.into_sql(&catalog), &made))?;
        self.filled(committed);
        Ok(())
    }
}

/// Copies all rows, as the transaction sees them, into a table that nobody else knows; gives when the last were stored.
async fn copy_rows(
    node: &Arc<SqlNode>,
    (from, to): (&Arc<TableDescriptor>, &Arc<TableDescriptor>),
    transaction: &mut dyn Transaction,
    (now_micros, limits): (i64, &Limits),
) -> Result<Timestamp, ExecError> {
    // Nothing is computed of the rows.
    let (variables, sequences, options) =
        (Variables::default(), SequenceMemory::default(), SessionOptions::default());
    let parts = SessionParts { variables: &variables, sequences: &sequences, options: &options };
    let around = Surroundings::new(node, parts, true);
    let eval = around.eval(&[], now_micros);
    let mut context = around.begin(transaction, limits, eval, false);
    let (mut scan, layout) = (build(select_scan(from))?, to.layout());
    let mut parts = Parts::of_own_table(Arc::clone(node), Arc::clone(to));
    let mut count = 0;
    while let Some(rows) = scan.next(&mut context).await? {
        for row in rows {
            let row = visible(from, row);
            check_nulls(to, &row)?;
            let writes = row_writes(layout, None, Some(&row))?.into_iter();
            count += 1;
            parts.add(writes.map(|write| write.into_write(Check::AtCommit)).collect(), count).await?;
        }
    }
    parts.finish().await?;
    Ok(parts.committed_at())
}

/// A row without the columns that nobody sees.
fn visible(table: &TableDescriptor, row: Row) -> Row {
    let shown = row.into_iter().zip(&table.columns).filter(|(_, column)| !column.hidden);
    shown.map(|(datum, _)| datum).collect()
}

fn check_nulls(table: &TableDescriptor, row: &Row) -> Result<(), SqlError> {
    let missing = table.columns.iter().zip(row).find(|(column, datum)| !column.nullable && datum.is_null());
    let Some((column, _)) = missing else { return Ok(()) };
    let message = format!("column \"{}\" of relation \"{}\" contains null values", column.name, table.name);
    Err(SqlError::new(SqlState::NotNullViolation, message))
}

/// What the client is told where two rows have the same key.
fn refusal(error: SqlError, table: &TableDescriptor) -> SqlError {
    if error.state != SqlState::UniqueViolation {
        return error;
    }
    let message = format!("could not create unique index \"{}\"", table.primary().name);
    let refused = SqlError::new(SqlState::UniqueViolation, message);
    // It says where the row came from too, which is no place that the client knows.
    match error.detail.as_deref().and_then(|detail| detail.split_once(" already exists.")) {
        Some((key, _)) => refused.with_detail(format!("{key} is duplicated.")),
        None => refused,
    }
}
