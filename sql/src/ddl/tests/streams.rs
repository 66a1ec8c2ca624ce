//! Streams of DDL on two nodes: they share no key, and hardly ever meet; each look at the catalog brings what has changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use quorate_engine::clock::{ForgetBound, HybridClock, ManualClock};
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{
    ChangesPage, ChangesRequest, Committed, Database, Key, KvError, ScanPage, ScanRequest, Sequence, Span,
    Transaction, TransactionOptions, Value, Write,
};
use quorate_engine::local::LocalDatabase;
use quorate_engine::memory::MemoryStore;

use crate::node::SqlNode;
use crate::program::scan_evaluator;
use crate::session::SessionOptions;
use crate::session::tests::run_text;
use crate::testing::local_cluster::{LocalCluster, TestClock};
use crate::testing::recorder::Recorder;

/// A database that lets others go first before each commit, and counts.
#[derive(Clone)]
struct Counted {
    inner: LocalDatabase,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Transactions that had to be run again.
    retries: AtomicU64,
    /// Changes that were read.
    changes: AtomicU64,
}

struct CountedTransaction {
    inner: Box<dyn Transaction>,
    counts: Arc<Counts>,
}

#[async_trait]
impl Database for Counted {
    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn Transaction>, KvError> {
        let inner = self.inner.begin(options).await?;
        Ok(Box::new(CountedTransaction { inner, counts: self.counts.clone() }))
    }
}

#[async_trait]
impl Transaction for CountedTransaction {
    fn read_timestamp(&self) -> Timestamp {
        self.inner.read_timestamp()
    }

    fn start_statement(&mut self) -> Sequence {
        self.inner.start_statement()
    }

    fn mark(&mut self) -> Sequence {
        self.inner.mark()
    }

    fn go_back_to(&mut self, mark: Sequence) {
        self.inner.go_back_to(mark);
    }

    fn release(&mut self, mark: Sequence) {
        self.inner.release(mark);
    }

    fn own(&mut self, span: Span) {
        self.inner.own(span);
    }

    fn take_writes(&mut self, span: &Span) -> Vec<Write> {
        self.inner.take_writes(span)
    }

    async fn raise_read(&mut self, upto: Timestamp) -> Result<(), KvError> {
        self.inner.raise_read(upto).await
    }

    async fn get_many_as_of(
        &mut self,
        keys: Vec<Key>,
        as_of: Sequence,
    ) -> Result<Vec<Option<Value>>, KvError> {
        self.inner.get_many_as_of(keys, as_of).await
    }

    async fn scan_as_of(&mut self, request: ScanRequest, as_of: Sequence) -> Result<ScanPage, KvError> {
        self.inner.scan_as_of(request, as_of).await
    }

    async fn changes(&mut self, request: ChangesRequest) -> Result<ChangesPage, KvError> {
        let page = self.inner.changes(request).await?;
        self.counts.changes.fetch_add(page.changes.len() as u64, Ordering::SeqCst);
        Ok(page)
    }

    fn write(&mut self, write: Write) -> Result<(), KvError> {
        self.inner.write(write)
    }

    fn buffered_bytes(&self) -> usize {
        self.inner.buffered_bytes()
    }

    async fn commit(&mut self, deadline: Option<Timestamp>) -> Result<Committed, KvError> {
        tokio::task::yield_now().await;
        let result = self.inner.commit(deadline).await;
        if matches!(result, Err(KvError::Retry { .. })) {
            self.counts.retries.fetch_add(1, Ordering::SeqCst);
        }
        result
    }

    async fn rollback(&mut self) {
        self.inner.rollback().await;
    }
}

/// Tables that each stream makes and drops.
const TABLES: u64 = 40;

async fn stream(node: Arc<SqlNode>, name: &str) {
    let mut session = node.session(SessionOptions::default());
    for number in 0..TABLES {
        let text = format!("CREATE TABLE {name}{number} (a INT PRIMARY KEY)");
        run_text(&mut session, &text, &mut Recorder::default()).await.unwrap();
        if number % 2 == 1 {
            let text = format!("DROP TABLE {name}{number}");
            run_text(&mut session, &text, &mut Recorder::default()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn ddl_of_two_nodes_does_not_conflict_and_is_read_by_what_has_changed() {
    let clock = HybridClock::new(Arc::new(ManualClock::new(1_000_000)), Box::new(ForgetBound));
    let inner = LocalDatabase::new(Arc::new(MemoryStore::new()), Arc::new(clock), scan_evaluator());
    let counts = Arc::new(Counts::default());
    let database = Arc::new(Counted { inner, counts: counts.clone() });
    let first = LocalCluster::new();
    let second = first.sibling(2, 0);
    let node = |cluster| SqlNode::new(database.clone(), cluster, TestClock::new());
    let (one, other) = (node(first.clone()), node(second));
    tokio::join!(stream(one.clone(), "one"), stream(other.clone(), "other"));
    let retries = counts.retries.load(Ordering::SeqCst);
    println!("{retries} of {} statements had to begin again", 3 * TABLES);
    // They meet where both take a block of ids.
    assert!(retries <= 3 * TABLES / 8, "{retries} conflicts");
    for node in [&one, &other] {
        node.refresh_catalog().await.unwrap();
        assert_eq!(node.catalog.snapshot().tables().count() as u64, TABLES);
    }
    // Every change is read once by each node: a table that is made, one that is dropped.
    let changes = counts.changes.load(Ordering::SeqCst);
    assert!(changes <= 2 * 3 * TABLES, "{changes} changes were read");
    assert_eq!(first.ranges_now() as u64, TABLES);
}
