//! Where a session stands between its statements.
//!
//! ```text
//! Idle ── BEGIN ──▶ Open(explicit) ── error ──▶ Failed ── COMMIT, ROLLBACK ──▶ Idle
//!   │                    ▲ BEGIN  ◀── ROLLBACK TO ──┘
//!   └─ one of several ─▶ Open(implicit) ── end of the text, Sync, COMMIT, ROLLBACK, error ──▶ Idle
//! ```
//!
//! One of several: statements of one text, or those that a client sends before its Sync.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Sequence, Transaction, TransactionOptions};

use super::cursors::{CursorMark, Cursors};
use super::sink::TransactionStatus;
use super::variables::VariablesMark;
use crate::bind::sequence::ColumnSequence;
use crate::cancel::CancelToken;
use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::lease::CatalogWait;
use crate::catalog::sequence::SequenceDescriptor;
use crate::catalog::snapshot::CatalogSnapshot;
use crate::ddl::ids;
use crate::ddl::staged::{StagedDdl, StagedMark};
use crate::ddl::staged_sequences::check_free;
use crate::error::{SqlError, SqlState};
use crate::kv_error::sql_error;
use crate::limits::SAVEPOINTS_MAX;
use crate::node::SqlNode;

/// Who ends a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The user, by COMMIT or ROLLBACK.
    Explicit,
    /// The end of the text, or the Sync.
    Implicit,
}

/// A transaction that is open.
pub struct OpenTransaction {
    /// Who ends it.
    pub kind: Kind,
    /// Writes are refused.
    pub read_only: bool,
    /// `now()`.
    pub now_micros: i64,
    /// When the first attempt at the same work began, where this is a further one.
    since: Option<Timestamp>,
    /// The store's transaction, from the first statement on that needs it: it reads as of then.
    pub(super) kv: Option<Box<dyn Transaction>>,
    /// Tables that it used, with the versions that the first statement of each was bound with.
    tables: BTreeMap<u64, u64>,
    /// Those of which it is not known yet that they were there at the moment as of which it reads.
    unchecked: Vec<u64>,
    /// What it has changed in the catalog.
    pub staged: StagedDdl,
    /// Its cursors; boxed, so that a session without a transaction is small.
    pub cursors: Box<Cursors>,
    /// Oldest first.
    savepoints: Vec<Savepoint>,
    /// When rows of its own tables were stored last, where it has not looked since.
    pub(super) filled_upto: Option<Timestamp>,
}

/// What SAVEPOINT leaves behind.
struct Savepoint {
    name: String,
    /// Rises from savepoint to savepoint of a session.
    number: u64,
    /// Of the store's transaction, once that has begun.
    mark: Option<Sequence>,
    staged: StagedMark,
    cursors: CursorMark,
    variables: VariablesMark,
}

impl OpenTransaction {
    /// A transaction that has done nothing.
    pub fn new(kind: Kind, read_only: bool, now_micros: i64) -> Self {
        Self {
            kind,
            read_only,
            now_micros,
            since: None,
            kv: None,
            tables: BTreeMap::new(),
            unchecked: Vec::new(),
            staged: StagedDdl::default(),
            cursors: Box::default(),
            savepoints: Vec::new(),
            filled_upto: None,
        }
    }

    /// The same for work that was tried before: it keeps its age.
    pub fn again(self, since: Option<Timestamp>) -> Self {
        Self { since, ..self }
    }

    /// When the first attempt at its work began; `None` where it has not begun.
    pub fn age(&self) -> Option<Timestamp> {
        self.since
    }

    /// The store's transaction, begun where it was not yet.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin(&mut self, node: &SqlNode) -> Result<&mut Box<dyn Transaction>, SqlError> {
        if self.kv.is_none() {
            let options = TransactionOptions { read_only: self.read_only, since: self.since };
            let mut kv = node.database.begin(options).await.map_err(|error| sql_error(error, None))?;
            for savepoint in &mut self.savepoints {
                savepoint.mark = Some(kv.mark());
            }
            self.since.get_or_insert(kv.read_timestamp());
            self.kv = Some(kv);
        }
        self.see_filled().await?;
        self.check_there(node)?;
        self.kv.as_mut().ok_or_else(not_begun)
    }

    /// The same for a COPY into this table.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin_copy(
        &mut self,
        node: &SqlNode,
        table: &TableDescriptor,
    ) -> Result<&mut Box<dyn Transaction>, SqlError> {
        self.used_table(table.id, table.version);
        let transaction = self.begin(node).await?;
        transaction.start_statement();
        Ok(transaction)
    }

    /// How many tables it had made at its last savepoint.
    pub(super) fn created_at_savepoint(&self) -> usize {
        self.savepoints.last().map_or(0, |savepoint| savepoint.staged.created())
    }

    /// Whether it has savepoints, to which it can go back after an error.
    pub fn has_savepoints(&self) -> bool {
        !self.savepoints.is_empty()
    }

    /// Sets a savepoint; one of the same name is hidden by it.
    ///
    /// # Errors
    /// 54000 where there are too many.
    pub fn set_savepoint(
        &mut self,
        (name, number): (&str, u64),
        variables: VariablesMark,
    ) -> Result<(), SqlError> {
        if self.savepoints.len() >= SAVEPOINTS_MAX {
            let message = format!("a transaction has at most {SAVEPOINTS_MAX} savepoints");
            return Err(SqlError::new(SqlState::ProgramLimitExceeded, message)
                .with_hint("RELEASE SAVEPOINT those that are not needed any more."));
        }
        let mark = self.kv.as_mut().map(|kv| kv.mark());
        let (staged, cursors) = (self.staged.mark(), self.cursors.mark());
        self.savepoints.push(Savepoint { name: name.to_owned(), number, mark, staged, cursors, variables });
        Ok(())
    }

    /// Forgets a savepoint and those behind it.
    ///
    /// # Errors
    /// 3B001.
    pub fn release_savepoint(&mut self, name: &str) -> Result<(), SqlError> {
        let at = self.find_savepoint(name)?;
        let released = self.savepoints.split_off(at);
        if let (Some(kv), Some(mark)) = (&mut self.kv, released.first().and_then(|first| first.mark)) {
            kv.release(mark);
        }
        Ok(())
    }

    /// Undoes what was done since a savepoint, which stays; gives its number, and the variables as they were. What was read
    /// counts on.
    ///
    /// # Errors
    /// 3B001.
    pub fn go_back_to(&mut self, node: &SqlNode, name: &str) -> Result<(u64, VariablesMark), SqlError> {
        let at = self.find_savepoint(name)?;
        self.savepoints.truncate(at + 1);
        let Some(savepoint) = self.savepoints.last() else { return Err(no_savepoint(name)) };
        if let (Some(kv), Some(mark)) = (&mut self.kv, savepoint.mark) {
            kv.go_back_to(mark);
        }
        self.cursors.go_back_to(savepoint.cursors);
        let undone = self.staged.go_back_to(&savepoint.staged);
        self.tables.retain(|table, _| !undone.tables.contains(table));
        for sequence in undone.sequences {
            node.sequence_blocks.forget(sequence);
        }
        Ok((savepoint.number, savepoint.variables.clone()))
    }

    fn find_savepoint(&self, name: &str) -> Result<usize, SqlError> {
        let found = self.savepoints.iter().rposition(|savepoint| savepoint.name == name);
        found.ok_or_else(|| no_savepoint(name))
    }

    /// Forbids or allows writes, from now on.
    ///
    /// # Errors
    /// 25001 where writes were forbidden, and the store's transaction has begun so.
    pub fn set_read_only(&mut self, read_only: bool) -> Result<(), SqlError> {
        if self.read_only && !read_only && self.kv.is_some() {
            let message = "transaction read-write mode must be set before any query";
            return Err(SqlError::new(SqlState::ActiveSqlTransaction, message));
        }
        self.read_only = read_only;
        Ok(())
    }

    /// Notes a table that a statement used.
    pub fn used_table(&mut self, id: u64, version: u64) {
        // What an earlier statement did by another version, this one does not make good.
        self.tables.entry(id).or_insert_with(|| {
            self.unchecked.push(id);
            version
        });
    }

    /// Fails where a table that it uses took the place of another, or came to be, after the moment as of which it reads: it
    /// would find no rows, whatever it would have found in the one before.
    fn check_there(&mut self, node: &SqlNode) -> Result<(), SqlError> {
        let Some(kv) = &self.kv else { return Ok(()) };
        if self.unchecked.is_empty() {
            return Ok(());
        }
        let (reads_at, catalog) = (kv.read_timestamp(), node.catalog.snapshot());
        for id in &self.unchecked {
            let is_later = catalog.table_since(*id).is_some_and(|since| since > reads_at);
            if is_later && !self.staged.has_created(*id) {
                let name = catalog.table_by_id(*id).map_or("", |table| &table.name);
                let message = format!(
                    "restart transaction: table \"{name}\" was made, or took another's place, after the transaction began"
                );
                return Err(SqlError::new(SqlState::SerializationFailure, message)
                    .with_hint("Run the whole transaction again."));
            }
        }
        self.unchecked.clear();
        Ok(())
    }

    /// Creates a table, for itself alone until it commits.
    ///
    /// # Errors
    /// 42P07, and nothing was done; those of the store.
    pub async fn create_table(
        &mut self,
        node: &SqlNode,
        mut table: TableDescriptor,
        sequences: &[ColumnSequence],
    ) -> Result<(), SqlError> {
        self.begin(node).await?.start_statement();
        let Some(kv) = &mut self.kv else { return Err(not_begun()) };
        if sequences.is_empty() {
            return self.staged.create(node, kv.as_mut(), table).await.map(|_| ());
        }
        // Before anything is done: the table's name decides.
        check_free(kv.as_mut(), &table.name).await?;
        for own in sequences {
            check_free(kv.as_mut(), &own.sequence.name).await.map_err(|error| name_taken(error, own))?;
        }
        let mut ids = Vec::with_capacity(sequences.len());
        for own in sequences {
            let id = ids::take_table_id(node).await?;
            own.connect(&mut table, id);
            ids.push(id);
        }
        let table_id = self.staged.create(node, kv.as_mut(), table).await?;
        for (own, id) in sequences.iter().zip(ids) {
            let sequence = SequenceDescriptor { id, ..own.of_table(table_id) };
            self.staged.sequences_mut().create(kv.as_mut(), sequence).await?;
        }
        Ok(())
    }

    /// Creates a sequence, for itself alone until it commits.
    ///
    /// # Errors
    /// 42P07, and nothing was done; those of the store.
    pub async fn create_sequence(
        &mut self,
        node: &SqlNode,
        sequence: &SequenceDescriptor,
        owner: Option<&TableDescriptor>,
    ) -> Result<(), SqlError> {
        self.begin(node).await?.start_statement();
        self.used_owner(owner);
        let Some(kv) = &mut self.kv else { return Err(not_begun()) };
        check_free(kv.as_mut(), &sequence.name).await?;
        let sequence = SequenceDescriptor { id: ids::take_table_id(node).await?, ..sequence.clone() };
        self.staged.sequences_mut().create(kv.as_mut(), sequence).await
    }

    /// Puts the next version of a sequence in place of it, for itself alone until it commits.
    ///
    /// # Errors
    /// 40001 where it was changed meanwhile; 0A000 for one of its own that would begin anew behind a savepoint: how far it is
    /// could not be brought back; those of the store.
    pub async fn alter_sequence(
        &mut self,
        node: &SqlNode,
        sequence: &SequenceDescriptor,
        owner: Option<&TableDescriptor>,
    ) -> Result<(), SqlError> {
        self.begin(node).await?.start_statement();
        self.used_owner(owner);
        let known = self.staged.sequences();
        let known = known.as_deref().and_then(|known| known.find(sequence.id)).and_then(Option::as_ref);
        let restarts = known.is_some_and(|known| known.epoch != sequence.epoch);
        let is_behind =
            self.savepoints.iter().any(|savepoint| savepoint.staged.has_created_sequence(sequence.id));
        if restarts && is_behind {
            let what = "RESTART behind a savepoint of a sequence that the transaction itself has made";
            return Err(SqlError::unsupported(what).with_hint("Restart it before the savepoint."));
        }
        let Some(kv) = &mut self.kv else { return Err(not_begun()) };
        self.staged.sequences_mut().alter(kv.as_mut(), sequence.clone()).await
    }

    /// Drops a sequence, for itself alone until it commits.
    ///
    /// # Errors
    /// As [`OpenTransaction::alter_sequence`].
    pub async fn drop_sequence(
        &mut self,
        node: &SqlNode,
        sequence: &SequenceDescriptor,
    ) -> Result<(), SqlError> {
        self.begin(node).await?.start_statement();
        let Some(kv) = &mut self.kv else { return Err(not_begun()) };
        self.staged.sequences_mut().drop(kv.as_mut(), sequence).await
    }

    /// The table of OWNED BY must be there when this commits.
    fn used_owner(&mut self, owner: Option<&TableDescriptor>) {
        if let Some(table) = owner {
            self.used_table(table.id, table.version);
        }
    }

    /// Drops a table, for itself alone until it commits.
    ///
    /// # Errors
    /// 42P01; those of the store.
    pub async fn drop_table(&mut self, node: &SqlNode, table: &Arc<TableDescriptor>) -> Result<(), SqlError> {
        self.begin(node).await?.start_statement();
        let Some(kv) = &mut self.kv else { return Err(not_begun()) };
        self.staged.drop(node, kv.as_mut(), table).await
    }

    /// Commits: rows and tables at once, or none.
    ///
    /// # Errors
    /// The store's; 40001 where a table has changed since a statement was bound; 42P07 where another transaction has made a
    /// table of the same name.
    pub async fn commit(mut self, node: &SqlNode) -> Result<(), SqlError> {
        // What it commits comes behind what it has stored before.
        if let Err(error) = self.see_filled().await {
            self.rollback(node).await;
            return Err(error);
        }
        let Some(mut kv) = self.kv.take() else { return Ok(()) };
        let mut under_way = node.commits.begin();
        let lease = CatalogWait::new(node, &CancelToken::new()).lease().await;
        let checked = lease.and_then(|deadline| {
            self.check_tables(&node.catalog.snapshot())?;
            Ok(deadline)
        });
        let deadline = match checked {
            Ok(deadline) => deadline,
            Err(error) => {
                kv.rollback().await;
                self.staged.undo(node).await;
                return Err(error);
            }
        };
        under_way.sent(deadline);
        let committed = kv.commit(Some(deadline)).await;
        under_way.answered(&committed);
        match committed {
            Ok(committed) => self.staged.finish(node, committed.timestamp).await,
            Err(error) => {
                let catalog = self.staged.catalog(node.catalog.snapshot());
                // An unknown commit may have published the tables: their jobs' rows tell whoever takes them over.
                if error.is_ambiguous() {
                    return Err(sql_error(error, Some(&catalog)));
                }
                let taken = self.staged.taken_name(node).await;
                self.staged.undo(node).await;
                Err(taken.unwrap_or_else(|| sql_error(error, Some(&catalog))))
            }
        }
    }

    /// Ends it without effect.
    pub async fn rollback(self, node: &SqlNode) {
        if let Some(mut kv) = self.kv {
            kv.rollback().await;
        }
        self.staged.undo(node).await;
    }

    fn check_tables(&self, catalog: &CatalogSnapshot) -> Result<(), SqlError> {
        let is_same = |(id, version): (&u64, &u64)| {
            self.staged.has_created(*id)
                || catalog.table_by_id(*id).is_some_and(|table| table.version == *version)
        };
        if self.tables.iter().all(is_same) {
            return Ok(());
        }
        Err(SqlError::new(
            SqlState::SerializationFailure,
            "restart transaction: a table that it used was changed or dropped",
        )
        .with_hint("Run the whole transaction again."))
    }
}

/// The name that a new table's sequence was given was free when the statement was bound: it is given another one.
fn name_taken(error: SqlError, own: &ColumnSequence) -> SqlError {
    if error.state != SqlState::DuplicateTable {
        return error;
    }
    let message = format!("restart transaction: the name \"{}\" was taken meanwhile", own.sequence.name);
    SqlError::new(SqlState::SerializationFailure, message).with_hint("Run the whole transaction again.")
}

/// The error for a savepoint that there is not.
fn no_savepoint(name: &str) -> SqlError {
    SqlError::new(SqlState::InvalidSavepoint, format!("savepoint \"{name}\" does not exist"))
}

pub(super) fn not_begun() -> SqlError {
    SqlError::new(SqlState::InternalError, "a transaction was not begun")
}

/// Where a session stands.
#[derive(Default)]
pub enum TransactionState {
    /// No transaction.
    #[default]
    Idle,
    /// One is open.
    Open(OpenTransaction),
    /// The user's transaction has failed.
    Failed(FailedTransaction),
}

/// What is left of a transaction that has failed.
#[derive(Default)]
pub struct FailedTransaction {
    /// Itself, where it has savepoints to go back to; else it was rolled back.
    kept: Option<Box<OpenTransaction>>,
    /// The error that has ended it, whatever savepoints it had.
    ended_by: Option<SqlError>,
}

impl FailedTransaction {
    /// What an error leaves of a transaction: with savepoints it goes on after ROLLBACK TO, unless it has lost against
    /// others or nobody knows what became of it.
    pub async fn after(open: OpenTransaction, error: Option<&SqlError>, node: &SqlNode) -> Self {
        let ended_by = error.filter(|error| ends_transaction(error.state)).cloned();
        if open.has_savepoints() && ended_by.is_none() {
            return Self { kept: Some(Box::new(open)), ended_by };
        }
        let had_savepoints = open.has_savepoints();
        open.rollback(node).await;
        Self { kept: None, ended_by: ended_by.filter(|_| had_savepoints) }
    }

    /// The transaction, to go back to a savepoint of this name and on.
    ///
    /// # Errors
    /// 3B001, and it stays as it was; the error that ended it.
    pub fn take_kept_for(&mut self, savepoint: &str) -> Result<OpenTransaction, SqlError> {
        if let Some(error) = &self.ended_by {
            return Err(error.clone());
        }
        match self.kept.take_if(|kept| kept.find_savepoint(savepoint).is_ok()) {
            Some(kept) => Ok(*kept),
            None => Err(no_savepoint(savepoint)),
        }
    }

    /// Ends it without effect.
    pub async fn rollback(self, node: &SqlNode) {
        if let Some(kept) = self.kept {
            kept.rollback(node).await;
        }
    }
}

/// Whether an error ends a transaction as a whole, so that only ROLLBACK is left.
fn ends_transaction(state: SqlState) -> bool {
    matches!(state, SqlState::SerializationFailure | SqlState::StatementCompletionUnknown)
}

impl TransactionState {
    /// What the client is told.
    pub fn status(&self) -> TransactionStatus {
        match self {
            Self::Idle => TransactionStatus::Idle,
            Self::Open(open) => match open.kind {
                Kind::Explicit => TransactionStatus::Active,
                Kind::Implicit => TransactionStatus::Idle,
            },
            Self::Failed(_) => TransactionStatus::Failed,
        }
    }
}
