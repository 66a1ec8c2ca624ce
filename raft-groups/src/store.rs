//! All replicas of one node's store: [`RangeStore`].
//!
//! It opens what is on the disk, hands requests and Raft messages to replicas, drives their elections and heartbeats
//! from one ticker, and creates and removes replicas. Raft groups never tick by themselves; an idle follower costs a
//! comparison per tick.
//!
//! Invariants: a replica exists here only with its descriptor or its id on the disk, and never below its range's
//! tombstone; two replicas never hold the same key.

mod create;
mod open;
mod serve;
mod snapshots;
mod splits;
mod ticker;
mod upkeep;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use quorate_engine::clock::{HybridClock, PhysicalClock};
use quorate_engine::kv::{Key, ScanEvaluator, Span};
use quorate_engine::store::{Store, StoreError};
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};
use tokio::sync::{Notify, Semaphore, watch};

use crate::api::{RangeError, RangeRequest, Response};
use crate::blocking::Blocking;
use crate::descriptor::RangeDescriptor;
use crate::lease::timing::Timing;
use crate::local_ranges::{LedRange, LocalRangeError, LocalRanges, ReplicaProgress, ReplicaStatus};
use crate::raft::{ChangeError, LogWriterCounts, MemberChange, MembersStamp, SnapshotInbox};
use crate::replica::{Replica, StoreShared};
use crate::rpc::Rpc;
use crate::splits::ids::RangeIds;

pub use open::{StoreOpenError, is_sole_voter};

/// What a store is made of.
#[derive(Clone)]
pub struct StoreConfig {
    /// This node.
    pub node_id: NodeId,
    /// Where everything is kept.
    pub engine: Arc<dyn Store>,
    /// Hybrid time.
    pub clock: Arc<HybridClock>,
    /// The machine's clocks.
    pub physical: Arc<dyn PhysicalClock>,
    /// Where work that may wait for the disk runs.
    pub blocking: Blocking,
    /// The way to other nodes.
    pub rpc: Arc<Rpc>,
    /// Runs scan programs.
    pub evaluator: Arc<dyn ScanEvaluator>,
    /// Of all random times.
    pub seed: u64,
    /// How long things last: [`crate::lease::timing::LAN`].
    pub timing: Timing,
    /// Told once when the store has failed: the process must stop, and never retry (design.md section 5).
    pub on_failure: Arc<dyn Fn(StoreError) + Send + Sync>,
}

/// All replicas of a node.
pub struct RangeStore {
    shared: Arc<StoreShared>,
    replicas: RwLock<BTreeMap<RangeId, Arc<Replica>>>,
    /// Creating and removing happen one at a time.
    changing: tokio::sync::Mutex<()>,
    /// Keys of snapshots that come in.
    reserved: Arc<Mutex<BTreeMap<RangeId, Span>>>,
    inbox: SnapshotInbox,
    /// Ids for the right sides of splits.
    ids: RangeIds,
    /// Splits by size under way.
    splitting: Semaphore,
    /// Told when the right side of a split has started.
    arrived: Notify,
    /// Raft messages that wait for a split of this node.
    waiting: Semaphore,
    seed: u64,
    /// True once the store is shutting down.
    stopping: watch::Sender<bool>,
}

impl RangeStore {
    /// Opens every replica on the disk, registers for Raft messages, and starts the ticker.
    ///
    /// # Errors
    /// See [`StoreOpenError`].
    pub async fn open(config: StoreConfig) -> Result<Arc<Self>, StoreOpenError> {
        open::open(config).await
    }

    /// Ends all replicas: when this returns nothing is written any more.
    pub async fn shutdown(&self) {
        self.stopping.send_replace(true);
        let _changing = self.changing.lock().await;
        let replicas = std::mem::take(&mut *self.replicas.write());
        futures::future::join_all(replicas.values().map(|replica| replica.shutdown())).await;
        self.shared.writer.shutdown().await;
    }

    /// What the log writer has done so far.
    pub fn log_counts(&self) -> LogWriterCounts {
        self.shared.writer.counts()
    }

    /// Ends a replica's Raft task as a defect of its own would; it is rebuilt after a while.
    #[cfg(any(test, feature = "known-bugs"))]
    pub async fn kill_raft_task(&self, range_id: RangeId) {
        if let Some(replica) = self.replica(range_id) {
            replica.kill_raft_task().await;
        }
    }

    /// A local replica.
    fn replica(&self, range_id: RangeId) -> Option<Arc<Replica>> {
        self.replicas.read().get(&range_id).cloned()
    }

    fn all(&self) -> Vec<Arc<Replica>> {
        self.replicas.read().values().cloned().collect()
    }
}

#[async_trait]
impl LocalRanges for RangeStore {
    async fn execute(&self, request: RangeRequest) -> Result<Response, RangeError> {
        self.serve(request).await
    }

    async fn create_replica(
        &self,
        descriptor: &RangeDescriptor,
        campaign: bool,
    ) -> Result<(), LocalRangeError> {
        self.create(descriptor, campaign).await
    }

    async fn create_learner(&self, range_id: RangeId, replica_id: ReplicaId) -> Result<(), LocalRangeError> {
        self.create_empty(range_id, replica_id).await
    }

    async fn destroy_replica(
        &self,
        range_id: RangeId,
        next_replica_id: ReplicaId,
    ) -> Result<(), LocalRangeError> {
        self.destroy(range_id, next_replica_id).await
    }

    async fn end_lease_and_transfer(&self, range_id: RangeId, to: NodeId) -> Result<(), LocalRangeError> {
        self.hand_over(range_id, to).await
    }

    fn led_range(&self, range_id: RangeId) -> Option<LedRange> {
        self.replica(range_id)?.led()
    }

    async fn change_members(
        &self,
        range_id: RangeId,
        on: MembersStamp,
        change: MemberChange,
    ) -> Result<(), ChangeError> {
        match self.replica(range_id) {
            Some(replica) => replica.change_members(on, change).await,
            None => Err(ChangeError::Stale(format!("{range_id} is not on this node"))),
        }
    }

    async fn progress(
        &self,
        range_id: RangeId,
        replica_id: ReplicaId,
    ) -> Result<Option<ReplicaProgress>, LocalRangeError> {
        let replica = self.replica(range_id).filter(|replica| replica.replica_id() == replica_id);
        match replica {
            Some(replica) => replica.progress().await.map(Some),
            None => Ok(None),
        }
    }

    async fn split(&self, range_id: RangeId, at: Option<Key>) -> Result<RangeDescriptor, LocalRangeError> {
        self.split_range(range_id, at).await
    }

    fn set_range_max_bytes(&self, bytes: u64) {
        self.shared.range_max_bytes.store(bytes, Ordering::Relaxed);
        self.shared.outgrown.notify_one();
    }

    fn set_cluster_version(&self, version: u32) {
        self.shared.cluster_version.raise(version);
    }

    fn set_snapshot_rate(&self, bytes: u64) {
        self.shared.snapshots.set_rate(bytes);
    }

    fn offer_range_ids(&self, block: Range<u64>) {
        self.ids.offer(block);
    }

    fn wants_range_ids(&self) -> bool {
        self.needs_ids()
    }

    fn unpublished(&self) -> Vec<RangeDescriptor> {
        let led = self.all().into_iter().filter(|replica| replica.is_unpublished() && replica.has_lease());
        led.map(|replica| RangeDescriptor::clone(&replica.descriptor())).collect()
    }

    async fn note_published(&self, range_id: RangeId, generation: u64) -> Result<(), LocalRangeError> {
        self.note_published_generation(range_id, generation).await
    }

    fn damaged_files(&self) -> Vec<String> {
        self.shared.engine.damaged_files()
    }

    fn statuses(&self) -> Vec<ReplicaStatus> {
        self.all().iter().map(|replica| replica.status()).collect()
    }

    fn status(&self, range_id: RangeId) -> Option<ReplicaStatus> {
        self.replica(range_id).map(|replica| replica.status())
    }

    fn leader_node(&self, range_id: RangeId) -> Option<Option<NodeId>> {
        self.replica(range_id).map(|replica| replica.leader_node())
    }
}

#[cfg(test)]
mod tests;
