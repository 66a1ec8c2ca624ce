//! The store's one log writer: shared syncs, order, failures.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use quorate_engine::memory::MemoryStore;
use quorate_engine::staging::{PinnedView, Staging};
use quorate_engine::store::{Batch, Durability, Family, Positions, Snapshot, Store, StoreError};
use quorate_engine::testing::FaultStore;
use quorate_placement::topology::{NodeId, RangeId};

use super::harness::{RANGE, TestNode, descriptor, elect, put, until, within};
use crate::limits::LOG_BYTES_MAX;
use crate::log_position::LogPosition;
use crate::raft::EntryCommand;
use crate::raft::ProposeError;
use crate::testing::network::LocalNetwork;

/// A store whose syncs take a while, as those of a disk do.
struct SlowDisk {
    inner: MemoryStore,
    sync_time: Duration,
}

impl Store for SlowDisk {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.inner.get(family, key)
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        self.inner.write(batch, Durability::Buffered)?;
        match durability {
            Durability::Synced => self.sync(),
            Durability::Buffered => Ok(()),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a disk that is slow for real")]
    fn sync(&self) -> Result<(), StoreError> {
        std::thread::sleep(self.sync_time);
        self.inner.sync()
    }

    fn snapshot(&self) -> Box<dyn Snapshot + '_> {
        self.inner.snapshot()
    }

    fn pin(&self) -> Result<Box<dyn PinnedView>, StoreError> {
        self.inner.pin()
    }

    fn staging(&self) -> &dyn Staging {
        self.inner.staging()
    }

    fn approximate_bytes(&self, family: Family, start: &[u8], end: &[u8]) -> Result<u64, StoreError> {
        self.inner.approximate_bytes(family, start, end)
    }

    fn positions(&self) -> Positions {
        self.inner.positions()
    }
}

/// Fifty ranges with one writer each: while one sync runs, the others' appends gather for the next one.
#[tokio::test(flavor = "multi_thread")]
async fn groups_share_their_syncs() {
    const GROUPS: u64 = 50;
    const WRITES: u64 = 20;
    let network = LocalNetwork::new();
    let disk = SlowDisk { inner: MemoryStore::new(), sync_time: Duration::from_millis(4) };
    let node = TestNode::start(NodeId(1), Arc::new(disk), &network);
    let mut groups = Vec::new();
    for id in 1..=GROUPS {
        let range = descriptor(RangeId(id), 1);
        node.seed(&range);
        groups.push(node.start_group(&range).await);
    }
    within("elections", futures::future::join_all(groups.iter().map(|group| elect(group)))).await;

    let before = node.writer.counts();
    let write = |group: Arc<crate::raft::RaftGroup>| async move {
        for number in 0..WRITES {
            put(&group, &format!("{}={number}", group.range_id())).await.unwrap();
        }
    };
    let writers: Vec<_> = groups.iter().map(|group| tokio::spawn(write(Arc::clone(group)))).collect();
    for writer in writers {
        within("a writer's end", writer).await.unwrap();
    }
    let after = node.writer.counts();
    let (syncs, commits) = (after.syncs - before.syncs, GROUPS * WRITES);
    assert_eq!(after.appends - before.appends, commits);
    // Each group writes one after the other, so that no fewer syncs are possible.
    assert!(syncs >= WRITES, "{syncs} syncs");
    assert!(syncs * 5 <= commits, "{syncs} syncs of {commits} commits");
}

/// Whatever write or sync of a replica's life fails: the store is poisoned, the owner is told once, nobody is lied to.
#[tokio::test(flavor = "multi_thread")]
async fn failed_write_poisons_the_store() {
    let mut acknowledged_runs = 0;
    for fail_at in 2..24 {
        let network = LocalNetwork::new();
        let store = Arc::new(FaultStore::failing_at(MemoryStore::new(), fail_at));
        let node = TestNode::start(NodeId(1), Arc::clone(&store) as Arc<dyn Store>, &network);
        let range = descriptor(RANGE, 1);
        node.seed(&range);
        let group = within("the start", node.start_group(&range)).await;
        within("the election", group.elect()).await;
        let mut acknowledged = Vec::new();
        let scenario = async {
            for number in 0.. {
                if node.writer.poisoned().is_some() {
                    return;
                }
                let Some(term) = group.leading_term() else {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    continue;
                };
                let key = format!("k{number}");
                if group
                    .propose(term, EntryCommand::copy_of(term, format!("{key}=v").as_bytes()))
                    .await
                    .is_ok()
                {
                    acknowledged.push(key);
                }
            }
        };
        within("the failing write", scenario).await;
        within("the end of the Raft task", group.wait_fatal()).await;
        assert_eq!(node.poisoned.load(Ordering::SeqCst), 1);
        let term = group.leading_term().unwrap_or(2);
        let late = group.propose(term, EntryCommand::copy_of(term, b"late=v"));
        let late = within("the answer to a late proposal", late).await;
        assert!(matches!(late, Err(ProposeError::Fatal(_))), "{late:?}");
        assert_eq!(node.value("late"), None);
        node.stop(&network).await;
        acknowledged_runs += u32::from(!acknowledged.is_empty());

        // A device that works again: everything acknowledged is there.
        let network = LocalNetwork::new();
        let node = TestNode::start(NodeId(1), Arc::new(store.inner().fork()), &network);
        let group = within("the second start", node.start_group(&range)).await;
        within("the second election", elect(&group)).await;
        assert!(
            acknowledged.iter().all(|key| node.value(key).is_some()),
            "after write {fail_at}: {acknowledged:?}"
        );
        node.stop(&network).await;
    }
    assert!(acknowledged_runs >= 3, "the scenario never came as far as an acknowledgement");
}

#[tokio::test(flavor = "multi_thread")]
async fn full_logs_refuse_proposals_with_a_clear_error() {
    let network = LocalNetwork::new();
    let node = TestNode::start(NodeId(1), Arc::new(MemoryStore::new()), &network);
    let range = descriptor(RANGE, 1);
    node.seed(&range);
    let group = node.start_group(&range).await;
    let term = elect(&group).await;
    let held = node.writer.counts().log_bytes;
    node.writer.add_log_bytes(LOG_BYTES_MAX - held);
    let last = group.last_log();
    let error = group.propose(term, EntryCommand::copy_of(term, b"k=v")).await.unwrap_err();
    assert_eq!(error, ProposeError::LogFull { bytes: LOG_BYTES_MAX });
    assert!(error.to_string().contains("nothing was written"));
    assert_eq!(group.last_log(), last);
    node.writer.remove_log_bytes(LOG_BYTES_MAX - held);
    put(&group, "k=v").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn log_bytes_follow_the_logs() {
    let network = LocalNetwork::new();
    let node = TestNode::start(NodeId(1), Arc::new(MemoryStore::new()), &network);
    let range = descriptor(RANGE, 1);
    node.seed(&range);
    let group = node.start_group(&range).await;
    elect(&group).await;
    let before = node.writer.counts().log_bytes;
    put(&group, &format!("k={}", "x".repeat(10_000))).await.unwrap();
    let grown = node.writer.counts().log_bytes - before;
    assert!((10_000..10_200).contains(&grown), "{grown}");
    let writer = Arc::clone(&node.writer);
    group.shutdown().await;
    assert_eq!(writer.counts().log_bytes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn writer_ends_after_all_that_was_queued() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let network = LocalNetwork::new();
    let node = TestNode::start(NodeId(1), Arc::clone(&store), &network);
    let range = descriptor(RANGE, 1);
    node.seed(&range);
    let group = node.start_group(&range).await;
    let term = elect(&group).await;
    let proposal = group.enqueue(term, EntryCommand::copy_of(term, b"k=v")).await.unwrap();
    until("the entry in the log", || {
        group.last_log().is_some_and(|last| last.index > LogPosition::SEED.index + 1)
    })
    .await;
    node.stop(&network).await;
    let _ = within("its end", proposal.applied()).await;
    let node = TestNode::start(NodeId(1), store, &network);
    let group = node.start_group(&range).await;
    elect(&group).await;
    assert_eq!(node.value("k").unwrap(), "v");
}
