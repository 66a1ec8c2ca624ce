//! openraft's own suite of contracts, over both stores.

use std::sync::Arc;

use futures::Stream;
use openraft::alias::{SnapshotMetaOf, SnapshotOf};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{OptionalSend, StorageError};
use parking_lot::Mutex;
use quorate_engine::memory::MemoryStore;
use quorate_engine::rocks::RocksStore;
use quorate_engine::store::{Batch, Durability, Family, Store};
use quorate_placement::topology::RangeId;
use tokio::sync::watch;

use super::harness::{Recorder, TextApplier};
use crate::blocking::Blocking;
use crate::raft::applied_format::{
    AppliedMembership, applied_key, encode_applied, encode_membership, membership_key,
};
use crate::raft::convert::{RaftLogId, RaftStoredMembership, TypeConfig, membership_of, position_of};
use crate::raft::log_store::{GroupLog, LogStore};
use crate::raft::log_writer::LogWriter;
use crate::raft::snapshot::{LogHolds, RangeSnapshot, SNAPSHOT_RATE_DEFAULT, Snapshots};
use crate::raft::state_machine::{ApplyGate, Machinery, SnapshotBuilder, StateMachine};

const RANGE: RangeId = RangeId(7);

/// The state machine, with an installation of snapshots without data: all that the suite's have is their position.
struct SuiteMachine {
    inner: StateMachine,
    store: Arc<dyn Store>,
    writer: Arc<LogWriter>,
}

fn machine(store: &Arc<dyn Store>, writer: &Arc<LogWriter>) -> StateMachine {
    StateMachine::open(Machinery {
        range_id: RANGE,
        store: Arc::clone(store),
        writer: Arc::clone(writer),
        applier: Arc::new(TextApplier),
        gate: Arc::new(ApplyGate::default()),
        applied: watch::channel(None).0,
        snapshots: Snapshots::new(SNAPSHOT_RATE_DEFAULT),
        holds: LogHolds::default(),
        blocking: Blocking::threads(),
        _alive: watch::channel(()).0,
    })
    .unwrap()
}

impl RaftStateMachine<TypeConfig> for SuiteMachine {
    type SnapshotData = RangeSnapshot;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<RaftLogId>, RaftStoredMembership), std::io::Error> {
        self.inner.applied_state().await
    }

    async fn apply<Strm>(&mut self, entries: Strm) -> Result<(), std::io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, std::io::Error>> + Unpin + OptionalSend,
    {
        self.inner.apply(entries).await
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        self.inner.get_snapshot_builder().await
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMetaOf<TypeConfig>,
        _snapshot: RangeSnapshot,
    ) -> Result<(), std::io::Error> {
        let mut batch = Batch::new();
        let position = meta.last_log_id.as_ref().map(position_of).unwrap();
        batch.put(Family::Range, applied_key(RANGE), encode_applied(position));
        let membership = AppliedMembership {
            position: meta.last_membership.log_id().as_ref().map(position_of),
            membership: membership_of(meta.last_membership.membership()),
        };
        batch.put(Family::Range, membership_key(RANGE), encode_membership(&membership));
        self.store.write(batch, Durability::Synced).map_err(std::io::Error::other)?;
        self.inner = machine(&self.store, &self.writer);
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<SnapshotOf<TypeConfig, RangeSnapshot>>, std::io::Error> {
        self.inner.get_current_snapshot().await
    }
}

fn build(store: Arc<dyn Store>) -> (LogStore, SuiteMachine) {
    let writer =
        LogWriter::start(Arc::clone(&store), &Blocking::threads(), |error| panic!("{error}")).unwrap();
    let observer = Arc::new(Recorder::default());
    let log = GroupLog::open(RANGE, Arc::clone(&store), Arc::clone(&writer), observer).unwrap();
    let inner = machine(&store, &writer);
    (LogStore::new(log), SuiteMachine { inner, store, writer })
}

struct Memory;

impl StoreBuilder<TypeConfig, LogStore, SuiteMachine> for Memory {
    async fn build(&self) -> Result<((), LogStore, SuiteMachine), StorageError<TypeConfig>> {
        let (log, machine) = build(Arc::new(MemoryStore::new()));
        Ok(((), log, machine))
    }
}

/// Keeps the writers of all stores that it made: their threads must have closed RocksDB before the process ends.
#[derive(Clone, Default)]
struct Rocks {
    writers: Arc<Mutex<Vec<Arc<LogWriter>>>>,
}

impl StoreBuilder<TypeConfig, LogStore, SuiteMachine, tempfile::TempDir> for Rocks {
    async fn build(&self) -> Result<(tempfile::TempDir, LogStore, SuiteMachine), StorageError<TypeConfig>> {
        let folder = tempfile::tempdir().unwrap();
        let store = RocksStore::open(folder.path(), Default::default()).unwrap();
        let (log, machine) = build(Arc::new(store));
        self.writers.lock().push(Arc::clone(&machine.writer));
        Ok((folder, log, machine))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn suite_of_openraft_in_memory() {
    Suite::test_all(Memory).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn suite_of_openraft_in_rocksdb() {
    let rocks = Rocks::default();
    Suite::test_all(rocks.clone()).await.unwrap();
    let writers = std::mem::take(&mut *rocks.writers.lock());
    for writer in writers {
        writer.shutdown().await;
    }
}
