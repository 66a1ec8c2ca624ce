//! A database whose reads and commits can be held back, to look at what happens meanwhile.

use std::sync::Arc;

use async_trait::async_trait;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{
    ChangesPage, ChangesRequest, Committed, Database, Key, KvError, ScanPage, ScanRequest, Sequence, Span,
    Transaction, TransactionOptions, Value, Write,
};
use tokio::sync::watch;

/// What is held back now, and what waits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held {
    /// Scans wait.
    pub scans: bool,
    /// Commits with writes wait.
    pub commits: bool,
    /// How many operations are waiting.
    pub waiting: usize,
    /// How many commits with writes there were.
    pub committed: usize,
    /// How many keys were read one by one.
    pub keys_read: usize,
}

/// Holds operations of a database back.
pub struct HeldDatabase {
    inner: Arc<dyn Database>,
    held: Arc<watch::Sender<Held>>,
}

impl HeldDatabase {
    /// A database that lets everything pass at first.
    pub fn new(inner: Arc<dyn Database>) -> (Arc<Self>, Arc<watch::Sender<Held>>) {
        let held = Arc::new(watch::Sender::new(Held::default()));
        (Arc::new(Self { inner, held: Arc::clone(&held) }), held)
    }
}

#[async_trait]
impl Database for HeldDatabase {
    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn Transaction>, KvError> {
        let inner = self.inner.begin(options).await?;
        Ok(Box::new(HeldTransaction { inner, held: Arc::clone(&self.held) }))
    }
}

struct HeldTransaction {
    inner: Box<dyn Transaction>,
    held: Arc<watch::Sender<Held>>,
}

/// Counts an operation as waiting, also where its future is dropped.
struct Waiting(Arc<watch::Sender<Held>>);

impl Waiting {
    fn begin(held: &Arc<watch::Sender<Held>>) -> Self {
        held.send_modify(|held| held.waiting += 1);
        Self(Arc::clone(held))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.send_modify(|held| held.waiting -= 1);
    }
}

/// Waits while operations of a kind are held back.
async fn wait(held: Arc<watch::Sender<Held>>, is_held: fn(&Held) -> bool) {
    let mut receiver = held.subscribe();
    if is_held(&held.borrow()) {
        let _waiting = Waiting::begin(&held);
        receiver.wait_for(|held| !is_held(held)).await.unwrap();
    }
}

#[async_trait]
impl Transaction for HeldTransaction {
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
        self.held.send_modify(|held| held.keys_read += keys.len());
        self.inner.get_many_as_of(keys, as_of).await
    }

    async fn scan_as_of(&mut self, request: ScanRequest, as_of: Sequence) -> Result<ScanPage, KvError> {
        wait(Arc::clone(&self.held), |held| held.scans).await;
        self.inner.scan_as_of(request, as_of).await
    }

    async fn changes(&mut self, request: ChangesRequest) -> Result<ChangesPage, KvError> {
        self.inner.changes(request).await
    }

    fn write(&mut self, write: Write) -> Result<(), KvError> {
        self.inner.write(write)
    }

    fn buffered_bytes(&self) -> usize {
        self.inner.buffered_bytes()
    }

    async fn commit(&mut self, deadline: Option<Timestamp>) -> Result<Committed, KvError> {
        if self.inner.buffered_bytes() > 0 {
            self.held.send_modify(|held| held.committed += 1);
            wait(Arc::clone(&self.held), |held| held.commits).await;
        }
        self.inner.commit(deadline).await
    }

    async fn rollback(&mut self) {
        self.inner.rollback().await;
    }
}
