//! What all replicas of a store share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quorate_engine::clock::{HybridClock, PhysicalClock};
use quorate_engine::kv::ScanEvaluator;
use quorate_engine::store::Store;
use quorate_placement::topology::NodeId;
use tokio::sync::{Notify, Semaphore};

use crate::blocking::Blocking;
use crate::cluster::version::ClusterVersion;
use crate::lease::timing::Timing;
use crate::raft::{LogWriter, Snapshots};
use crate::rpc::Rpc;
use crate::splits::nursery::Nursery;

/// What all replicas of a store share.
pub struct StoreShared {
    /// This node.
    pub node_id: NodeId,
    /// The store.
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
    /// The store's log writer.
    pub writer: Arc<LogWriter>,
    /// What all snapshots of the store share.
    pub snapshots: Arc<Snapshots>,
    /// How long things last.
    pub timing: Timing,
    /// When the store was opened, in microseconds of [`StoreShared::now`].
    pub opened_at: u64,
    /// Right sides of splits that are about to start.
    pub nursery: Nursery,
    /// Told when a range has outgrown its size.
    pub outgrown: Notify,
    /// The cluster's version, as seen here.
    pub cluster_version: ClusterVersion,
    /// Size beyond which a range is split.
    pub range_max_bytes: AtomicU64,
    /// Bytes of writes that may be worked on at a time.
    pub write_bytes: Arc<Semaphore>,
}

impl StoreShared {
    /// Size beyond which a range is split.
    pub fn range_max_bytes(&self) -> u64 {
        self.range_max_bytes.load(Ordering::Relaxed)
    }

    /// Microseconds of the clock that counts suspended time.
    pub fn now(&self) -> u64 {
        u64::try_from(self.physical.boottime().as_micros()).unwrap_or(u64::MAX)
    }
}
