//! [`HookedDatabase`]: a database in whose calls a test has a hand.

use std::sync::Arc;

use async_trait::async_trait;

use crate::hlc::Timestamp;
use crate::kv::{
    ChangesPage, ChangesRequest, Committed, Database, Key, KvError, ScanPage, ScanRequest, Sequence, Span,
    Transaction, TransactionOptions, Value, Write,
};

/// What a test does instead of a call of a transaction. Each does at first what the transaction below does.
#[async_trait]
pub trait Hooks: Send + Sync + 'static {
    /// A transaction has begun; `since`: what was asked for.
    fn begun(&self, since: Option<Timestamp>, below: &dyn Transaction) {
        let _ = (since, below);
    }

    /// [`Transaction::get_many_as_of`].
    async fn get_many(
        &self,
        below: &mut dyn Transaction,
        keys: Vec<Key>,
        as_of: Sequence,
    ) -> Result<Vec<Option<Value>>, KvError> {
        below.get_many_as_of(keys, as_of).await
    }

    /// [`Transaction::scan_as_of`].
    async fn scan(
        &self,
        below: &mut dyn Transaction,
        request: ScanRequest,
        as_of: Sequence,
    ) -> Result<ScanPage, KvError> {
        below.scan_as_of(request, as_of).await
    }

    /// [`Transaction::changes`].
    async fn changes(
        &self,
        below: &mut dyn Transaction,
        request: ChangesRequest,
    ) -> Result<ChangesPage, KvError> {
        below.changes(request).await
    }

    /// [`Transaction::commit`].
    async fn commit(
        &self,
        below: &mut dyn Transaction,
        deadline: Option<Timestamp>,
    ) -> Result<Committed, KvError> {
        below.commit(deadline).await
    }
}

/// A database with hooks.
pub struct HookedDatabase<H> {
    below: Arc<dyn Database>,
    hooks: Arc<H>,
}

impl<H: Hooks> HookedDatabase<H> {
    /// A database over another.
    pub fn new(below: Arc<dyn Database>, hooks: Arc<H>) -> Arc<Self> {
        Arc::new(Self { below, hooks })
    }
}

#[async_trait]
impl<H: Hooks> Database for HookedDatabase<H> {
    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn Transaction>, KvError> {
        let since = options.since;
        let below = self.below.begin(options).await?;
        self.hooks.begun(since, below.as_ref());
        Ok(Box::new(HookedTransaction { below, hooks: Arc::clone(&self.hooks) }))
    }
}

struct HookedTransaction<H> {
    below: Box<dyn Transaction>,
    hooks: Arc<H>,
}

#[async_trait]
impl<H: Hooks> Transaction for HookedTransaction<H> {
    fn read_timestamp(&self) -> Timestamp {
        self.below.read_timestamp()
    }

    fn start_statement(&mut self) -> Sequence {
        self.below.start_statement()
    }

    fn mark(&mut self) -> Sequence {
        self.below.mark()
    }

    fn go_back_to(&mut self, mark: Sequence) {
        self.below.go_back_to(mark);
    }

    fn release(&mut self, mark: Sequence) {
        self.below.release(mark);
    }

    fn own(&mut self, span: Span) {
        self.below.own(span);
    }

    fn take_writes(&mut self, span: &Span) -> Vec<Write> {
        self.below.take_writes(span)
    }

    async fn raise_read(&mut self, upto: Timestamp) -> Result<(), KvError> {
        self.below.raise_read(upto).await
    }

    async fn read_ahead(&mut self, keys: Vec<Key>) -> Result<(), KvError> {
        self.below.read_ahead(keys).await
    }

    async fn get_many_as_of(
        &mut self,
        keys: Vec<Key>,
        as_of: Sequence,
    ) -> Result<Vec<Option<Value>>, KvError> {
        self.hooks.get_many(self.below.as_mut(), keys, as_of).await
    }

    async fn scan_as_of(&mut self, request: ScanRequest, as_of: Sequence) -> Result<ScanPage, KvError> {
        self.hooks.scan(self.below.as_mut(), request, as_of).await
    }

    async fn changes(&mut self, request: ChangesRequest) -> Result<ChangesPage, KvError> {
        self.hooks.changes(self.below.as_mut(), request).await
    }

    fn write(&mut self, write: Write) -> Result<(), KvError> {
        self.below.write(write)
    }

    fn buffered_bytes(&self) -> usize {
        self.below.buffered_bytes()
    }

    async fn commit(&mut self, deadline: Option<Timestamp>) -> Result<Committed, KvError> {
        self.hooks.commit(self.below.as_mut(), deadline).await
    }

    async fn rollback(&mut self) {
        self.below.rollback().await;
    }
}
