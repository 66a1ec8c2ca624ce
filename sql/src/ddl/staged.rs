//! DDL within a transaction: buffered writes to range 1, laid over the node's catalog for the transaction alone.
//!
//! ```text
//! CREATE    job → range; {descriptor, name} buffered
//! DROP      {no descriptor, no name} buffered
//! COMMIT    {all of these, the jobs' rows, the user's rows} at once → all nodes know → ranges of dropped tables removed
//! ROLLBACK  the jobs undo what was made
//! ```
//!
//! The transaction reads at a moment of before its jobs began, and cannot see their rows. It reads a key beside each, at which
//! there is nothing; whoever takes the job over, or undoes it, touches that key: then the transaction cannot commit, and
//! where it has committed, the row says so.
//!
//! Invariant: as for DDL that stands alone, a table is in the catalog only while its range exists.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{KvError, Transaction, TransactionOptions, keyspace};

use super::driver::{Driven, Driver, duplicate_table, left_behind, made, not_the_table, settle};
use super::job::{Job, JobOrigin, JobStep};
use super::job_steps::JobEvent;
use super::staged_sequences::{StagedSequences, check_free, forget_positions};
use super::{create, drop, rows, tables};
use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::keys;
use crate::catalog::snapshot::CatalogSnapshot;
use crate::error::SqlError;
use crate::kv_error::sql_error;
use crate::node::SqlNode;

/// What a transaction has changed in the catalog.
#[derive(Debug, Default)]
pub struct StagedDdl {
    /// Tables that it has made, those that it has dropped again included: each has a range, and a job.
    created: Vec<(Arc<TableDescriptor>, Driver)>,
    /// Tables that it has dropped, its own included.
    dropped: Vec<Arc<TableDescriptor>>,
    /// Jobs of those that others had made.
    drops: Vec<Driver>,
    /// Jobs of tables that it has made behind a savepoint, and gone back: undone when it ends, whichever way, since what it has
    /// read of them must not change before.
    given_up: Vec<Driver>,
    /// What it has changed of sequences.
    sequences: Arc<StagedSequences>,
    /// Sequences that it has made behind a savepoint, and gone back.
    given_up_sequences: BTreeSet<u64>,
    /// The last catalog that was laid over, with the result.
    laid_over: Mutex<Option<(Arc<CatalogSnapshot>, Arc<CatalogSnapshot>)>>,
}

/// How much a transaction had changed at a savepoint.
#[derive(Clone, Debug)]
pub struct StagedMark {
    created: usize,
    dropped: usize,
    drops: usize,
    sequences: Arc<StagedSequences>,
}

/// What a transaction that has gone back to a savepoint has to forget.
#[derive(Debug)]
pub struct WentBack {
    /// Tables that it had made since: nobody knows them any more.
    pub tables: BTreeSet<u64>,
    /// Sequences that it had made before and changed since: their blocks are of a version that will never be.
    pub sequences: Vec<u64>,
}

impl StagedMark {
    /// Whether the transaction had made this sequence.
    pub fn has_created_sequence(&self, id: u64) -> bool {
        self.sequences.has_created(id)
    }

    /// Tables that it had made.
    pub fn created(&self) -> usize {
        self.created
    }
}

impl StagedDdl {
    /// What [`StagedDdl::go_back_to`] goes back to.
    pub fn mark(&self) -> StagedMark {
        StagedMark {
            created: self.created.len(),
            dropped: self.dropped.len(),
            drops: self.drops.len(),
            sequences: Arc::clone(&self.sequences),
        }
    }

    /// Undoes what was changed since a mark; the buffered writes are the transaction's to undo.
    pub fn go_back_to(&mut self, mark: &StagedMark) -> WentBack {
        assert!(
            mark.created <= self.created.len() && mark.dropped <= self.dropped.len(),
            "a mark lies behind"
        );
        let given_up: Vec<_> = self.created.drain(mark.created..).collect();
        self.dropped.truncate(mark.dropped);
        self.drops.truncate(mark.drops);
        let sequences = std::mem::replace(&mut self.sequences, Arc::clone(&mark.sequences));
        self.given_up_sequences.extend(sequences.created().filter(|id| !mark.sequences.has_created(*id)));
        *self.laid_over.lock() = None;
        let tables = given_up.iter().map(|(table, _)| table.id).collect();
        self.given_up.extend(given_up.into_iter().map(|(_, driver)| driver));
        let is_other = |id: &u64| sequences.find(*id) != mark.sequences.find(*id);
        WentBack { tables, sequences: mark.sequences.created().filter(is_other).collect() }
    }

    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.created.is_empty() && self.dropped.is_empty() && self.sequences.is_empty()
    }

    /// Whether the transaction itself has made this table: nobody else knows it.
    pub fn has_created(&self, table_id: u64) -> bool {
        self.created.iter().any(|(table, _)| table.id == table_id)
    }

    /// How many tables it had made before this one; `None` for a table of others.
    pub fn place_of_created(&self, table_id: u64) -> Option<usize> {
        self.created.iter().position(|(table, _)| table.id == table_id)
    }

    /// The table that it has made last.
    pub fn newest(&self) -> Option<Arc<TableDescriptor>> {
        self.created.last().map(|(table, _)| Arc::clone(table))
    }

    /// Tables that it has made, and not dropped again.
    pub fn created(&self) -> Vec<Arc<TableDescriptor>> {
        let created = self.created.iter().map(|(table, _)| table).filter(|table| !self.has_dropped(table.id));
        created.cloned().collect()
    }

    fn has_dropped(&self, table_id: u64) -> bool {
        self.dropped.iter().any(|table| table.id == table_id)
    }

    /// The catalog as the transaction sees it, over the node's.
    pub fn catalog(&self, node: Arc<CatalogSnapshot>) -> Arc<CatalogSnapshot> {
        if self.is_empty() {
            return node;
        }
        let mut laid_over = self.laid_over.lock();
        if let Some((below, catalog)) = laid_over.as_ref()
            && Arc::ptr_eq(below, &node)
        {
            return Arc::clone(catalog);
        }
        let dropped: BTreeSet<u64> = self.dropped.iter().map(|table| table.id).collect();
        let created = self.created.iter().map(|(table, _)| table);
        let tables = node.tables().chain(created).filter(|table| !dropped.contains(&table.id));
        let sequences = self.sequences.over(node.sequences());
        let catalog = Arc::new(CatalogSnapshot::of(node.version, tables.cloned(), sequences));
        *laid_over = Some((node, Arc::clone(&catalog)));
        catalog
    }

    /// What was changed of sequences, where anything was.
    pub fn sequences(&self) -> Option<Arc<StagedSequences>> {
        (!self.sequences.is_empty()).then(|| Arc::clone(&self.sequences))
    }

    /// The same, to be changed.
    pub fn sequences_mut(&mut self) -> &mut StagedSequences {
        *self.laid_over.get_mut() = None;
        Arc::make_mut(&mut self.sequences)
    }

    /// Creates a table from a descriptor whose id is filled in here, and given; its range is made at once.
    ///
    /// # Errors
    /// 42P07 where the name is taken, and nothing was done; those of the store and the cluster.
    pub async fn create(
        &mut self,
        node: &SqlNode,
        transaction: &mut dyn Transaction,
        mut table: TableDescriptor,
    ) -> Result<u64, SqlError> {
        check_free(transaction, &table.name).await?;
        let mut driver = create::begin(node, &mut table, JobOrigin::Transaction).await?;
        let job = driver.job().clone();
        let made = driver.run(node, JobEvent::Begin).await;
        let table = Arc::new(table);
        // Noted first: what is made of a range must go again.
        self.created.push((Arc::clone(&table), driver));
        let id = table.id;
        let Some((_, driver)) = self.created.last_mut() else { return Ok(id) };
        driver.told(node, made?).await?;
        let stage = async {
            transaction.own(keyspace::table_span(table.id));
            // Touched where somebody takes the job over.
            transaction.get_many(vec![keys::job_turn_key(job.id)]).await?;
            let published = Job { step: JobStep::Settle, updated: transaction.read_timestamp(), ..job };
            transaction.write(rows::row_write(&published))?;
            tables::write_table(transaction, &table)
        };
        let staged: Result<(), KvError> = stage.await;
        *self.laid_over.lock() = None;
        staged.map(|()| id).map_err(|error| sql_error(error, None))
    }

    /// Drops a table.
    ///
    /// # Errors
    /// 42P01 where it does not exist any more; 40001 where another has its name; those of the store.
    pub async fn drop(
        &mut self,
        node: &SqlNode,
        transaction: &mut dyn Transaction,
        table: &Arc<TableDescriptor>,
    ) -> Result<(), SqlError> {
        let holder = self.find(transaction, &table.name).await?;
        if holder != Some(table.id) {
            return Err(not_the_table(&table.name, holder));
        }
        let created = self.created.iter().find(|(created, _)| created.id == table.id);
        let staged = match created {
            // Nobody else has ever seen it: its own job removes it.
            Some((_, driver)) => {
                let error = Some("the transaction that created it dropped it".to_owned());
                let job = Job { step: JobStep::DropRanges, error, ..driver.job().clone() };
                transaction.write(rows::row_write(&job))
            }
            None => {
                let driver = Driver::new(node, drop::new_job(node, table, JobOrigin::Transaction).await?);
                // The transaction's own would be as old as it is.
                node.sign().await.map_err(|error| sql_error(error, None))?;
                let staged = transaction.write(rows::row_write(driver.job()));
                self.drops.push(driver);
                staged
            }
        };
        let staged = staged.and_then(|()| tables::write_no_table(transaction, table));
        self.dropped.push(Arc::clone(table));
        *self.laid_over.lock() = None;
        staged.map_err(|error| sql_error(error, None))
    }

    /// After a commit that failed: that another table has a name by now which this transaction wanted for one of its own.
    pub async fn taken_name(&self, node: &SqlNode) -> Option<SqlError> {
        // A table that takes the place of one that it has dropped has lost against others who did the same.
        let replaces = |table: &TableDescriptor| self.dropped.iter().any(|old| old.name == table.name);
        let created = self.created.iter().map(|(table, _)| table);
        let mut wanted = created.filter(|table| !self.has_dropped(table.id) && !replaces(table));
        let first = wanted.next()?;
        let mut transaction = node.database.begin(TransactionOptions::reading()).await.ok()?;
        for table in std::iter::once(first).chain(wanted) {
            let holder = tables::read_table_id(transaction.as_mut(), &table.name).await.ok()?;
            if holder.is_some_and(|holder| holder != table.id && !self.has_dropped(holder)) {
                return Some(duplicate_table(&table.name));
            }
        }
        None
    }

    async fn find(&self, transaction: &mut dyn Transaction, name: &str) -> Result<Option<u64>, SqlError> {
        tables::read_table_id(transaction, name).await.map_err(|error| sql_error(error, None))
    }

    /// The transaction was committed then: waits until all nodes know, then removes what was dropped.
    ///
    /// # Errors
    /// Those of the cluster; what is committed stays so, and the jobs are finished by themselves.
    pub async fn finish(mut self, node: &SqlNode, committed: Timestamp) -> Result<(), SqlError> {
        if !self.is_empty() {
            node.cluster.reach("ddl-committed").await;
        }
        undo_all(
            std::mem::take(&mut self.given_up),
            node,
            "the transaction that created it went back to a savepoint",
        )
        .await;
        forget_positions(node, std::mem::take(&mut self.given_up_sequences)).await;
        let mut steps = Vec::new();
        for (table, driver) in std::mem::take(&mut self.created) {
            let is_gone = self.has_dropped(table.id);
            steps.push((driver, if is_gone { JobStep::DropRanges } else { JobStep::Settle }));
        }
        if steps.is_empty() && self.drops.is_empty() && !self.sequences.is_empty() {
            settle(node, committed).await.map_err(|error| made(&error))?;
        }
        steps.extend(std::mem::take(&mut self.drops).into_iter().map(|driver| (driver, JobStep::Settle)));
        for (mut driver, step) in steps {
            driver.committed(step, committed);
            let driven = driver.run(node, JobEvent::Begin).await;
            let id = driver.job().id;
            match driven {
                Ok(Driven::Replaced) => driver.told(node, Driven::Replaced).await?,
                Ok(Driven::Done | Driven::Undone(_) | Driven::AwaitsCopy | Driven::AwaitsCommit) => {}
                Err(error) => return Err(left_behind(&error, id)),
            }
        }
        Ok(())
    }

    /// The transaction was not committed: undoes what it has made.
    pub async fn undo(self, node: &SqlNode) {
        let sequences = self.sequences.created().chain(self.given_up_sequences);
        forget_positions(node, sequences).await;
        let drivers = self.created.into_iter().map(|(_, driver)| driver).chain(self.given_up);
        undo_all(drivers.collect(), node, "its transaction was rolled back").await;
    }
}

async fn undo_all(drivers: Vec<Driver>, node: &SqlNode, reason: &str) {
    for mut driver in drivers {
        if let Err(left) = driver.run(node, JobEvent::Refused(reason.to_owned())).await {
            tracing::warn!(job = driver.job().id, error = %left, "a job is left to be undone");
        }
    }
}
