//! What turns a replica's entries into state: its Raft task, the apply, and the right sides that splits bring.
//!
//! ```text
//!   Raft task ─▶ entries ─▶ apply ─▶ one batch: data, applied state, right sides of splits
//!                                └─▶ descriptor published, and whoever listens told (`MachineEvent`)
//! ```
//!
//! Invariant: it knows nothing of whoever answers requests, but a [`Listener`]: whether anybody serves, waits or holds latches
//! makes no difference to what is applied.

mod apply;
mod grant;
mod raft_task;
mod reload;
mod tell;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use quorate_engine::hlc::Timestamp;
use quorate_placement::topology::{RangeId, ReplicaId};

use crate::applied_state::AppliedState;
use crate::descriptor::RangeDescriptor;
use crate::local_ranges::LocalRangeError;
use crate::raft::{RaftGroup, TransferProgress};
use crate::replica::shared::StoreShared;
use crate::splits::nursery::Newborn;

pub use apply::EntryOutcome;
pub(super) use apply::bounds::covers;
pub use tell::{Listener, MachineEvent};

use raft_task::RaftTask;

/// See the module.
pub struct Machine {
    shared: Arc<StoreShared>,
    range_id: RangeId,
    replica_id: ReplicaId,
    /// What requests go by: applied, and written.
    descriptor: RwLock<Arc<RangeDescriptor>>,
    applied: Mutex<AppliedState>,
    /// Right sides of splits in the batch that is being written.
    newborns: Mutex<Vec<Newborn>>,
    /// Right side of the last split that was proposed here since the store was opened, until it is applied.
    proposed_split: Mutex<Option<RangeId>>,
    /// Generation of the newest descriptor that is known to stand in the directory.
    published: AtomicU64,
    task: RaftTask,
}

/// A machine, and whom it tells: what its Raft task holds.
struct RunningMachine {
    machine: Arc<Machine>,
    listener: Arc<dyn Listener>,
}

impl Machine {
    /// A machine whose Raft task does not run yet: see [`Machine::start`]. `published` is the generation of the newest
    /// descriptor that is known to stand in the directory; 0 for none.
    pub fn new(
        shared: Arc<StoreShared>,
        replica_id: ReplicaId,
        applied: AppliedState,
        published: u64,
    ) -> Arc<Self> {
        let descriptor = Arc::clone(&applied.descriptor);
        Arc::new(Self {
            shared,
            range_id: descriptor.range_id,
            replica_id,
            descriptor: RwLock::new(descriptor),
            applied: Mutex::new(applied),
            newborns: Mutex::default(),
            proposed_split: Mutex::default(),
            published: AtomicU64::new(published),
            task: RaftTask::default(),
        })
    }

    /// Its range.
    pub fn range_id(&self) -> RangeId {
        self.range_id
    }

    /// Its replica.
    pub fn replica_id(&self) -> ReplicaId {
        self.replica_id
    }

    /// Whether its descriptor may not stand in the directory yet.
    pub fn is_unpublished(&self) -> bool {
        self.published() < self.descriptor().generation
    }

    /// Generation of the newest descriptor that is known to stand in the directory; 0 for none.
    pub fn published(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }

    /// A descriptor of this generation stands in the directory. True where that is news.
    pub fn note_published(&self, generation: u64) -> bool {
        self.published.fetch_max(generation, Ordering::Relaxed) < generation
    }

    /// What it knows of its range.
    pub fn descriptor(&self) -> Arc<RangeDescriptor> {
        Arc::clone(&self.descriptor.read())
    }

    /// About how many bytes the range holds.
    pub fn size_bytes(&self) -> u64 {
        self.applied.lock().size_bytes
    }

    /// Newest timestamp of any command, if known. What is applied is marked before the store shows it: of a snapshot that was
    /// taken before this is asked, the mark covers all.
    pub fn newest_write(&self) -> Option<Timestamp> {
        self.applied.lock().newest_write
    }

    /// Whether a change of members is under way.
    pub fn is_joint(&self) -> bool {
        self.applied.lock().is_joint
    }

    /// The running Raft task.
    pub fn group(&self) -> Option<Arc<RaftGroup>> {
        self.task.group()
    }

    /// Why the Raft task never runs again, if so.
    pub fn stopped(&self) -> Option<String> {
        self.task.stopped()
    }

    /// Something was found here that other replicas may not have: this one stops for good.
    pub fn diverged(&self, detail: &str) {
        self.task.diverged(detail);
    }

    /// Damage keeps the Raft task from starting: it never runs.
    pub fn cannot_start(&self, detail: &str) {
        self.task.cannot_start(detail);
    }

    /// The snapshot that comes in for it, and one that leaves.
    pub fn transfers(&self) -> (Option<TransferProgress>, Option<TransferProgress>) {
        let snapshots = &self.shared.snapshots;
        (snapshots.receiving(self.range_id), snapshots.sending(self.range_id))
    }

    /// Waits until all that was applied here is on the disk.
    ///
    /// # Errors
    /// [`LocalRangeError::Storage`] where the store failed.
    pub async fn sync(&self) -> Result<(), LocalRangeError> {
        let engine = Arc::clone(&self.shared.engine);
        let storage = |error: &dyn ToString| LocalRangeError::Storage(error.to_string());
        let synced =
            self.shared.blocking.run(move || engine.sync()).await.map_err(|error| storage(&error))?;
        synced.map_err(|error| {
            // A store that failed to sync must not be used again.
            self.shared.writer.poison(error.clone());
            storage(&error)
        })
    }
}
