//! [`LocalDatabase`]: the `kv` traits over one store, without ranges and Raft.
//!
//! For SQL's tests, and for the engine embedded alone. Transactions are optimistic: reads go to the store at the
//! transaction's timestamp, writes wait in a [`WriteBuffer`], and COMMIT checks under one mutex that nothing read has
//! changed since, then writes everything at a new timestamp in one synced batch. Commits are serial, in the order of
//! their timestamps, so that the history is serializable.
//!
//! Invariant: a transaction that begins while a commit is being written reads below that commit's timestamp, so that
//! no version ever appears below a timestamp at which somebody reads.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::clock::{ClockError, HybridClock};
use crate::hlc::Timestamp;
use crate::kv::{
    ChangesPage, ChangesRequest, Committed, Database, Direction, Key, KvError, ScanEvaluator, ScanPage,
    ScanProgram, ScanRequest, Sequence, Span, Transaction, TransactionOptions, Value, Write, WriteCondition,
};
use crate::kv_buffer::{ScanPlan, WriteBuffer};
use crate::kv_page::covered;
use crate::kv_reads::{ReadSpan, Reads};
use crate::limits::TRANSACTION_MAX_BYTES;
use crate::mvcc::{self, ChangeWindow, MvccError, PageError, ReadAt, Refreshed, Visits};
use crate::store::{Batch, Durability, Snapshot, Store, StoreError};

/// A database in one store.
#[derive(Clone)]
pub struct LocalDatabase {
    shared: Arc<LocalShared>,
}

struct LocalShared {
    store: Arc<dyn Store>,
    clock: Arc<HybridClock>,
    evaluator: Arc<dyn ScanEvaluator>,
    /// Held by the one transaction that is being committed. A write that failed stays here: the store is not used
    /// again.
    commit: Mutex<Option<StoreError>>,
    /// Timestamp of the commit that is being written: not visible yet.
    pending: Mutex<Option<Timestamp>>,
}

impl LocalDatabase {
    /// The database in `store`. The clock must be past everything that the store holds.
    pub fn new(store: Arc<dyn Store>, clock: Arc<HybridClock>, evaluator: Arc<dyn ScanEvaluator>) -> Self {
        let (commit, pending) = (Mutex::new(None), Mutex::new(None));
        Self { shared: Arc::new(LocalShared { store, clock, evaluator, commit, pending }) }
    }
}

#[async_trait]
impl Database for LocalDatabase {
    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn Transaction>, KvError> {
        Ok(Box::new(LocalTransaction {
            read_timestamp: self.shared.visible_now()?,
            shared: self.shared.clone(),
            options,
            buffer: WriteBuffer::new(TRANSACTION_MAX_BYTES),
            reads: Reads::new(),
            is_over: false,
        }))
    }
}

impl LocalShared {
    /// A timestamp at and below which nothing will be written any more.
    fn visible_now(&self) -> Result<Timestamp, KvError> {
        let pending = self.pending.lock();
        match *pending {
            Some(commit) => Ok(commit.prev()),
            None => self.clock.now().map_err(clock_error),
        }
    }

    /// Takes the commit timestamp, from which on it is pending.
    fn start_commit(&self) -> Result<Timestamp, KvError> {
        let mut pending = self.pending.lock();
        let timestamp = self.clock.now().map_err(clock_error)?;
        assert!(pending.is_none(), "commits are written one after the other");
        *pending = Some(timestamp);
        Ok(timestamp)
    }

    /// Commits writes if all that was read is unchanged.
    fn commit(&self, reads: &Dependence<'_>, writes: &[Write]) -> Result<Timestamp, KvError> {
        let mut poison = self.commit.lock();
        if let Some(error) = poison.as_ref() {
            return Err(store_error(error));
        }
        let timestamp = self.start_commit()?;
        assert!(timestamp > reads.at, "a commit comes after all that it has read");
        let result = self
            .check(reads, writes, timestamp)
            .and_then(|()| self.write(writes, timestamp).map_err(|error| store_error(poison.insert(error))));
        *self.pending.lock() = None;
        result.map(|()| timestamp)
    }

    fn check(&self, reads: &Dependence<'_>, writes: &[Write], timestamp: Timestamp) -> Result<(), KvError> {
        if let (Some(deadline), Some(first)) = (reads.deadline, writes.first())
            && timestamp >= deadline
        {
            let reason = format!("the commit at {timestamp} is past its deadline {deadline}");
            return Err(KvError::Retry { key: first.key.clone(), reason });
        }
        let snapshot = self.store.snapshot();
        self.check_reads(snapshot.as_ref(), reads, timestamp)?;
        check_conditions(snapshot.as_ref(), writes)
    }

    /// There is no other work on this store that a large refresh could keep waiting: it is done in one go.
    fn check_reads(
        &self,
        snapshot: &dyn Snapshot,
        reads: &Dependence<'_>,
        commit: Timestamp,
    ) -> Result<(), KvError> {
        if reads.reads.is_empty() {
            return Ok(());
        }
        let spans: Vec<ReadSpan> = reads.reads.iter().collect();
        let window = ChangeWindow { after: reads.at, upto: commit, own: None };
        let limits = (window, Visits::UNLIMITED);
        match mvcc::refresh(snapshot, &spans, limits, self.evaluator.as_ref()).map_err(page_error)? {
            Refreshed::Unchanged => Ok(()),
            Refreshed::Left(_) => unreachable!("a refresh without a limit leaves nothing"),
            Refreshed::Changed { key, timestamp } => {
                let reason = format!("read at {}, changed at {timestamp}", reads.at);
                Err(KvError::Retry { key, reason })
            }
        }
    }

    fn write(&self, writes: &[Write], timestamp: Timestamp) -> Result<(), StoreError> {
        assert!(writes.is_sorted_by(|a, b| a.key < b.key), "a commit writes each key once, in their order");
        let mut batch = Batch::new();
        for write in writes {
            mvcc::put(&mut batch, &write.key, timestamp, write.value.as_ref());
        }
        self.store.write(batch, Durability::Synced)
    }
}

/// What a commit depends on.
struct Dependence<'a> {
    reads: &'a Reads,
    at: Timestamp,
    deadline: Option<Timestamp>,
}

fn check_conditions(snapshot: &dyn Snapshot, writes: &[Write]) -> Result<(), KvError> {
    for write in writes {
        match write.condition {
            WriteCondition::None => {}
            WriteCondition::Absent => {
                if let Some((_, false)) = mvcc::newest(snapshot, &write.key).map_err(read_error)? {
                    return Err(KvError::ConditionFailed { key: write.key.clone() });
                }
            }
        }
    }
    Ok(())
}

struct LocalTransaction {
    shared: Arc<LocalShared>,
    options: TransactionOptions,
    read_timestamp: Timestamp,
    buffer: WriteBuffer,
    reads: Reads,
    is_over: bool,
}

impl LocalTransaction {
    /// One store has one clock: nothing is uncertain.
    fn read_at(&self) -> ReadAt {
        ReadAt::exactly(self.read_timestamp)
    }

    /// The value of a key in the store, remembered as read.
    fn read(&mut self, snapshot: &dyn Snapshot, key: &Key) -> Result<Option<Value>, KvError> {
        self.note_read(Span::point(key.clone()), None);
        let found = mvcc::get(snapshot, key, self.read_at()).map_err(read_error)?;
        Ok(found.map(|found| found.value))
    }

    /// Remembers what was read, unless nothing will depend on it.
    fn note_read(&mut self, span: Span, program: Option<&ScanProgram>) {
        if !self.options.read_only {
            self.reads.add(span, program);
        }
    }

    fn page(&self, request: &ScanRequest) -> Result<ScanPage, KvError> {
        let snapshot = self.shared.store.snapshot();
        let evaluator = self.shared.evaluator.as_ref();
        mvcc::read_page(snapshot.as_ref(), request, (self.read_at(), Visits::PAGE), evaluator)
            .map_err(page_error)
    }

    fn refuse_if_over(&self) -> Result<(), KvError> {
        if self.is_over {
            return Err(KvError::Unsupported("the transaction is over already".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl Transaction for LocalTransaction {
    fn read_timestamp(&self) -> Timestamp {
        self.read_timestamp
    }

    fn start_statement(&mut self) -> Sequence {
        self.buffer.start_statement()
    }

    fn mark(&mut self) -> Sequence {
        self.buffer.mark()
    }

    fn go_back_to(&mut self, mark: Sequence) {
        self.buffer.go_back_to(mark);
    }

    fn release(&mut self, mark: Sequence) {
        self.buffer.release(mark);
    }

    fn own(&mut self, span: Span) {
        self.reads.own(span);
    }

    fn take_writes(&mut self, span: &Span) -> Vec<Write> {
        self.buffer.take_span(span)
    }

    async fn raise_read(&mut self, upto: Timestamp) -> Result<(), KvError> {
        self.refuse_if_over()?;
        if upto <= self.read_timestamp {
            return Ok(());
        }
        let shared = self.shared.clone();
        assert!(upto <= shared.visible_now()?, "what was committed can be seen");
        let reads = Dependence { reads: &self.reads, at: self.read_timestamp, deadline: None };
        shared.check_reads(shared.store.snapshot().as_ref(), &reads, upto)?;
        self.read_timestamp = upto;
        Ok(())
    }

    async fn get_many_as_of(
        &mut self,
        keys: Vec<Key>,
        as_of: Sequence,
    ) -> Result<Vec<Option<Value>>, KvError> {
        self.refuse_if_over()?;
        let shared = self.shared.clone();
        let snapshot = shared.store.snapshot();
        keys.iter()
            .map(|key| match self.buffer.get(key, as_of) {
                Some(written) => Ok(written.cloned()),
                None => self.read(snapshot.as_ref(), key),
            })
            .collect()
    }

    async fn scan_as_of(&mut self, request: ScanRequest, as_of: Sequence) -> Result<ScanPage, KvError> {
        self.refuse_if_over()?;
        let page = match self.buffer.plan(&request, as_of) {
            ScanPlan::Direct => self.page(&request)?,
            ScanPlan::Raw(raw) => {
                let below = self.page(&raw)?;
                self.buffer.overlay((&request, as_of), below, self.shared.evaluator.as_ref())?
            }
        };
        // Where the program stopped early, the whole span is remembered: too much is right, too little is not.
        let span = covered(&request.span, request.direction, page.resume.as_ref());
        self.note_read(span, request.program.as_ref());
        Ok(page)
    }

    async fn changes(&mut self, request: ChangesRequest) -> Result<ChangesPage, KvError> {
        self.refuse_if_over()?;
        let shared = self.shared.clone();
        let snapshot = shared.store.snapshot();
        let page = mvcc::changes_in(snapshot.as_ref(), &request, self.read_at()).map_err(read_error)?;
        self.note_read(covered(&request.span, Direction::Forward, page.resume.as_ref()), None);
        Ok(page)
    }

    fn write(&mut self, write: Write) -> Result<(), KvError> {
        self.refuse_if_over()?;
        if self.options.read_only {
            return Err(KvError::Unsupported("cannot write in a read-only transaction".to_owned()));
        }
        self.buffer.write(write)
    }

    fn buffered_bytes(&self) -> usize {
        self.buffer.bytes()
    }

    async fn commit(&mut self, deadline: Option<Timestamp>) -> Result<Committed, KvError> {
        self.refuse_if_over()?;
        self.is_over = true;
        let writes = self.buffer.take();
        assert!(writes.is_empty() || !self.options.read_only, "who only reads has buffered no write");
        if writes.is_empty() {
            return Ok(Committed { timestamp: self.read_timestamp });
        }
        let reads = Dependence { reads: &self.reads, at: self.read_timestamp, deadline };
        Ok(Committed { timestamp: self.shared.commit(&reads, &writes)? })
    }

    async fn rollback(&mut self) {
        self.is_over = true;
        self.buffer.take();
    }
}

/// There are no intents and no uncertainty here: both would be somebody else's store.
fn read_error(error: MvccError) -> KvError {
    KvError::Storage(error.to_string())
}

fn page_error(error: PageError) -> KvError {
    match error {
        PageError::Mvcc(error) => read_error(error),
        PageError::Program(error) => KvError::Program(error),
    }
}

fn store_error(error: &StoreError) -> KvError {
    KvError::Storage(error.to_string())
}

fn clock_error(error: ClockError) -> KvError {
    KvError::Storage(error.to_string())
}

#[cfg(test)]
mod tests;
