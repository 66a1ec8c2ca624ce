//! Streams of DDL on two nodes: they share no key, and hardly ever meet; each look at the catalog brings what has changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use quorate_engine::clock::{ForgetBound, HybridClock, ManualClock};
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{ChangesPage, ChangesRequest, Committed, KvError, Transaction};
use quorate_engine::local::LocalDatabase;
use quorate_engine::memory::MemoryStore;
use quorate_engine::testing::{HookedDatabase, Hooks};

use crate::node::SqlNode;
use crate::program::scan_evaluator;
use crate::session::SessionOptions;
use crate::session::tests::run_text;
use crate::testing::local_cluster::{LocalCluster, TestClock};
use crate::testing::recorder::Recorder;

/// Lets others go first before each commit, and counts.
#[derive(Default)]
struct Counts {
    /// Transactions that had to be run again.
    retries: AtomicU64,
    /// Changes that were read.
    changes: AtomicU64,
}

#[async_trait]
impl Hooks for Counts {
    async fn changes(
        &self,
        below: &mut dyn Transaction,
        request: ChangesRequest,
    ) -> Result<ChangesPage, KvError> {
        let page = below.changes(request).await?;
        self.changes.fetch_add(page.changes.len() as u64, Ordering::SeqCst);
        Ok(page)
    }

    async fn commit(
        &self,
        below: &mut dyn Transaction,
        deadline: Option<Timestamp>,
    ) -> Result<Committed, KvError> {
        tokio::task::yield_now().await;
        let result = below.commit(deadline).await;
        if matches!(result, Err(KvError::Retry { .. })) {
            self.retries.fetch_add(1, Ordering::SeqCst);
        }
        result
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
    let database = HookedDatabase::new(Arc::new(inner), counts.clone());
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
