//! Transactions over ranges: [`DistributedDatabase`] implements `engine::kv`.
//!
//! The life of one: [`DistributedDatabase::begin`](quorate_engine::kv::Database::begin) takes a timestamp and an
//! uncertainty limit and sends nothing. Reads ([`read`]) go to the leaseholders at that timestamp; a version within the
//! uncertainty window raises it, after what was read before has been refreshed. Writes wait in a buffer, which the
//! transaction's own reads see as of a point between its statements. COMMIT ([`commit`]) sends them to their range with the read spans; what to do about the
//! answer, or about none, is decided by [`commit_steps`]. Where reads and writes lie in several ranges, or in more than
//! one command, they go in two phases: intents, then a record ([`two_phase_steps`]), and behind the answer the intents
//! become versions.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use quorate_engine::clock::HybridClock;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{
    ChangesPage, ChangesRequest, Committed, Database, Key, KvError, ScanEvaluator, ScanPage, ScanRequest,
    Sequence, Span, Transaction, TransactionOptions, Value, Write,
};
use quorate_engine::kv_buffer::WriteBuffer;
use quorate_engine::kv_reads::Reads;
use quorate_engine::limits::TRANSACTION_MAX_BYTES;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use super::budget::QuorumBudget;
use super::router::Router;
use crate::api::ReadAt;
use crate::clock_bound::{no_timestamp, timestamp_within};
use crate::clock_guard::ClockEpoch;
use crate::limits::QUORUM_WAIT_MAX;
use crate::safeguard::{self, Safeguard};
use resolver::Resolver;

mod by_range;
mod changes;
mod closing;
mod commit;
pub mod commit_steps;
mod read;
mod refresh;
mod resolver;
mod settler;
mod sweeper;
mod two_phase;
pub mod two_phase_steps;

/// The database that all ranges are together, as seen from this node.
#[derive(Clone)]
pub struct DistributedDatabase {
    shared: Arc<DatabaseShared>,
}

struct DatabaseShared {
    router: Arc<Router>,
    evaluator: Arc<dyn ScanEvaluator>,
    ids: Mutex<StdRng>,
    quorum_wait_ms: AtomicU64,
    resolver: Resolver,
}

impl DistributedDatabase {
    /// A database over a router. `seed` gives the transactions' ids: it must differ from process to process.
    pub fn new(router: Arc<Router>, evaluator: Arc<dyn ScanEvaluator>, seed: [u8; 32]) -> Self {
        let ids = Mutex::new(StdRng::from_seed(seed));
        let quorum_wait_ms = AtomicU64::new(u64::try_from(QUORUM_WAIT_MAX.as_millis()).unwrap_or(u64::MAX));
        Self {
            shared: Arc::new(DatabaseShared {
                router,
                evaluator,
                ids,
                quorum_wait_ms,
                resolver: Resolver::new(),
            }),
        }
    }

    /// Sets how long a statement waits for quorums, for transactions that begin from now on.
    pub fn set_quorum_wait(&self, wait: Duration) {
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.shared.quorum_wait_ms.store(millis, Ordering::Relaxed);
    }

    /// A full allowance of waiting.
    pub fn budget(&self) -> QuorumBudget {
        self.shared.budget()
    }

    /// The router under it.
    pub fn router(&self) -> &Arc<Router> {
        &self.shared.router
    }
}

impl DatabaseShared {
    fn new_id(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.ids.lock().random()).into_uuid()
    }

    fn budget(&self) -> QuorumBudget {
        QuorumBudget::new(Duration::from_millis(self.quorum_wait_ms.load(Ordering::Relaxed)))
    }
}

#[async_trait]
impl Database for DistributedDatabase {
    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn Transaction>, KvError> {
        let since = self.shared.router.check_clock(None)?;
        let clock = self.shared.router.clock();
        let now = timestamp_within(clock, self.shared.budget().full()).await.map_err(no_timestamp)?;
        refuse_beyond_wall(clock, now)?;
        Ok(Box::new(DistributedTransaction {
            shared: Arc::clone(&self.shared),
            age: options.since.map_or(now, |since| since.min(now)),
            options,
            started: now,
            trusted_since: since,
            read: ReadAt { timestamp: now, uncertainty_limit: clock.uncertainty_limit().max(now) },
            reads: Reads::new(),
            ahead: HashMap::new(),
            buffer: WriteBuffer::new(TRANSACTION_MAX_BYTES),
            budget: self.shared.budget(),
            is_over: false,
        }))
    }
}

/// After a wall clock was set back, hybrid time stays where it was: what is read there may be written over by whoever leads
/// next, until the wall clock has come near it.
fn refuse_beyond_wall(clock: &HybridClock, now: Timestamp) -> Result<(), KvError> {
    let ahead = clock.wait_until_passed(now);
    let is_near = ahead <= clock.offset_max() + Duration::from_micros(1);
    if is_near || !safeguard::holds(Safeguard::ClockTrusted) {
        return Ok(());
    }
    let detail = format!(
        "this node's clock was set back, and gave out times up to {ahead:?} ahead before: it serves clients when it is \
         {:?} near that",
        clock.offset_max()
    );
    Err(KvError::Clock { detail, is_over: false })
}

/// Most bytes that are remembered of what was read ahead; the rest is asked for again.
const AHEAD_MAX_BYTES: usize = 1 << 20;

/// One transaction.
struct DistributedTransaction {
    shared: Arc<DatabaseShared>,
    options: TransactionOptions,
    started: Timestamp,
    /// When the first attempt at the same work began.
    age: Timestamp,
    /// From when on the clock must have been trusted.
    trusted_since: ClockEpoch,
    read: ReadAt,
    reads: Reads,
    /// What was read ahead, as of the read timestamp.
    ahead: HashMap<Key, Option<Value>>,
    buffer: WriteBuffer,
    budget: QuorumBudget,
    is_over: bool,
}

impl DistributedTransaction {
    fn refuse_if_over(&self) -> Result<(), KvError> {
        if self.is_over {
            return Err(KvError::Unsupported("the transaction is over already".to_owned()));
        }
        Ok(())
    }

    /// Looked at last, like a lease: what was read with a clock that is wrong is not answered, however it was read.
    fn check_clock(&self) -> Result<(), KvError> {
        self.shared.router.check_clock(Some(self.trusted_since)).map(|_| ())
    }
}

#[async_trait]
impl Transaction for DistributedTransaction {
    fn read_timestamp(&self) -> Timestamp {
        self.read.timestamp
    }

    fn start_statement(&mut self) -> Sequence {
        self.budget.refill();
        self.buffer.start_statement()
    }

    fn mark(&mut self) -> Sequence {
        self.buffer.mark()
    }

    fn go_back_to(&mut self, mark: Sequence) {
        if safeguard::holds(Safeguard::SavepointsUndone) {
            self.buffer.go_back_to(mark);
        }
        if !safeguard::holds(Safeguard::ReadsOutliveSavepoints) {
            self.reads = Reads::new();
        }
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
        if upto <= self.read.timestamp {
            return Ok(());
        }
        self.refresh_upto(upto).await?;
        self.check_clock()
    }

    async fn get_many_as_of(
        &mut self,
        keys: Vec<Key>,
        as_of: Sequence,
    ) -> Result<Vec<Option<Value>>, KvError> {
        self.refuse_if_over()?;
        let values = self.read_keys(keys, as_of).await?;
        self.check_clock()?;
        Ok(values)
    }

    async fn read_ahead(&mut self, mut keys: Vec<Key>) -> Result<(), KvError> {
        self.refuse_if_over()?;
        self.budget.refill();
        self.ahead = HashMap::new();
        // What it has written itself may be undone again; what it writes from now on lies over what is remembered.
        keys.retain(|key| self.buffer.get(key, Sequence::NEWEST).is_none());
        if keys.len() > 1 {
            let values = self.read_keys(keys.clone(), Sequence::NEWEST).await?;
            let mut bytes = 0;
            let fits = |(key, value): &(Key, Option<Value>)| {
                bytes += key.len() + value.as_ref().map_or(0, Value::len);
                bytes <= AHEAD_MAX_BYTES
            };
            self.ahead = keys.into_iter().zip(values).take_while(fits).collect();
        }
        Ok(())
    }

    async fn scan_as_of(&mut self, request: ScanRequest, as_of: Sequence) -> Result<ScanPage, KvError> {
        self.refuse_if_over()?;
        let page = self.read_page(request, as_of).await?;
        self.check_clock()?;
        Ok(page)
    }

    async fn changes(&mut self, request: ChangesRequest) -> Result<ChangesPage, KvError> {
        self.refuse_if_over()?;
        let page = self.read_changes(request).await?;
        self.check_clock()?;
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
        self.check_clock()?;
        if writes.is_empty() {
            return Ok(Committed { timestamp: self.read.timestamp });
        }
        let timestamp = self.commit_writes(writes, deadline).await?;
        Ok(Committed { timestamp })
    }

    async fn rollback(&mut self) {
        self.is_over = true;
        self.buffer.take();
    }
}

#[cfg(test)]
mod tests;
