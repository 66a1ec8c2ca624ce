//! A database whose reads and commits can be held back, to look at what happens meanwhile.

use std::sync::Arc;

use async_trait::async_trait;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{
    Committed, Database, Key, KvError, ScanPage, ScanRequest, Sequence, Transaction, Value,
};
use quorate_engine::testing::{HookedDatabase, Hooks};
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
pub struct Holder(Arc<watch::Sender<Held>>);

/// A database that lets everything pass at first.
pub fn held_database(below: Arc<dyn Database>) -> (Arc<dyn Database>, Arc<watch::Sender<Held>>) {
    let held = Arc::new(watch::Sender::new(Held::default()));
    (HookedDatabase::new(below, Arc::new(Holder(Arc::clone(&held)))), held)
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
impl Hooks for Holder {
    async fn get_many(
        &self,
        below: &mut dyn Transaction,
        keys: Vec<Key>,
        as_of: Sequence,
    ) -> Result<Vec<Option<Value>>, KvError> {
        self.0.send_modify(|held| held.keys_read += keys.len());
        below.get_many_as_of(keys, as_of).await
    }

    async fn scan(
        &self,
        below: &mut dyn Transaction,
        request: ScanRequest,
        as_of: Sequence,
    ) -> Result<ScanPage, KvError> {
        wait(Arc::clone(&self.0), |held| held.scans).await;
        below.scan_as_of(request, as_of).await
    }

    async fn commit(
        &self,
        below: &mut dyn Transaction,
        deadline: Option<Timestamp>,
    ) -> Result<Committed, KvError> {
        if below.buffered_bytes() > 0 {
            self.0.send_modify(|held| held.committed += 1);
            wait(Arc::clone(&self.0), |held| held.commits).await;
        }
        below.commit(deadline).await
    }
}
