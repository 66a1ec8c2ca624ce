//! One replica of one range: requests in, Raft messages in, entries applied.
//!
//! The life of a write: [`propose`] waits for the lease and for latches, evaluates, proposes, and waits until
//! [`apply`] has applied the entry here. The life of a read: [`read`] waits the same way, reads a snapshot, and checks
//! the lease last. [`serve`] says whether this replica may serve, and when to stop waiting.
//!
//! Invariants:
//! - Promise and lease ([`LeaseState`]) live as long as the replica, not as long as its Raft task.
//! - Latches end only when the entry is applied here, or can never be, or when this replica cannot serve in that term
//!   any more (design.md section 6).
//! - The timestamp cache is raised before a read's snapshot is taken, and its lease is checked after it was read.

pub mod apply;
pub mod beats;
pub(crate) mod damage;
mod ended;
mod hand_over;
mod members;
mod observe;
mod propose;
pub(crate) mod raft_task;
mod read;
mod reload;
mod serve;
pub(crate) mod split;
mod status;
mod transact;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use quorate_engine::clock::{HybridClock, PhysicalClock};
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{ScanEvaluator, Span};
use quorate_engine::kv_reads::ReadSpan;
use quorate_engine::mvcc::ChangeWindow;
use quorate_engine::store::Store;
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};
use tokio::sync::{Notify, Semaphore, watch};

use crate::api::{RangeError, RangeRequest, Request, Response};
use crate::applied_state::AppliedState;
use crate::blocking::Blocking;
use crate::cluster::version::ClusterVersion;
use crate::concurrency::latch::Latches;
use crate::concurrency::timestamp_cache::TimestampCache;
use crate::descriptor::RangeDescriptor;
use crate::lease::timing::Timing;
use crate::lease::{Effect, Event, LeaseState, Quorum};
use crate::log_position::LogPosition;
use crate::raft::{LogWriter, Snapshots};
use crate::rpc::Rpc;
use crate::splits::nursery::{Newborn, Nursery};
use crate::splits::trigger::Attempts;

use damage::Damage;
use ended::Ended;
use propose::InFlight;
use raft_task::RaftTask;

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

/// One replica.
pub struct Replica {
    shared: Arc<StoreShared>,
    range_id: RangeId,
    replica_id: ReplicaId,
    descriptor: RwLock<Arc<RangeDescriptor>>,
    lease: Mutex<LeaseState>,
    /// Nothing is due before, in microseconds: spares the ticker the lock. Changed under the lock of `lease` only.
    due_hint: AtomicU64,
    cache: Mutex<TimestampCache>,
    latches: Arc<Latches>,
    in_flight: Arc<InFlight>,
    applied: Mutex<AppliedState>,
    /// Right sides of splits in the batch that is being written.
    newborns: Mutex<Vec<Newborn>>,
    /// Right side of the last split that was proposed here since the store was opened, until it is applied.
    proposed_split: Mutex<Option<RangeId>>,
    /// What is known of attempts to split it.
    attempts: Mutex<Attempts>,
    /// Generation of the newest descriptor that is known to stand in the directory.
    published: AtomicU64,
    task: RaftTask,
    /// Held shared while a command is enqueued, and alone while the lease ends: nothing is enqueued behind an EndLease.
    enqueue_lock: tokio::sync::RwLock<()>,
    /// The last EndLease that was seen on its way into this replica's log.
    end_lease: Mutex<Option<LogPosition>>,
    /// What it has met on its disk.
    damage: Damage,
    /// Who waits for transactions whose records lie here.
    ended: Ended,
    /// Whether the breaker is open, as long as anybody waits for that: the ticker looks.
    tripped: watch::Sender<bool>,
    /// Told when leadership, lease or applied state may have changed.
    changed: Notify,
}

/// What a replica that begins may have promised before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// It was made just now, and that is on the disk: nothing.
    None,
    /// A split brought it, whose apply is not synced: it may have promised something before the power was cut, and have
    /// lost that, if the store was opened since.
    Split,
    /// It was opened from disk: anything.
    Unknown,
}

/// How a replica comes into being.
pub struct Origin {
    /// Its own id.
    pub replica_id: ReplicaId,
    /// What it is, and what it has applied.
    pub applied: AppliedState,
    /// Generation of the newest descriptor that is known to stand in the directory; 0 for none.
    pub published: u64,
    /// What it may have promised.
    pub past: Past,
    /// Seed of its random times.
    pub seed: u64,
}

impl Replica {
    /// A replica whose Raft task does not run yet: see [`Replica::start`].
    pub fn new(shared: Arc<StoreShared>, origin: Origin) -> Arc<Self> {
        let Origin { replica_id, applied, published, past, seed } = origin;
        let descriptor = Arc::clone(&applied.descriptor);
        let now = shared.now();
        let lease = match past {
            Past::None => LeaseState::fresh(replica_id, shared.timing, seed, now),
            Past::Split => LeaseState::born(replica_id, shared.timing, seed, (shared.opened_at, now)),
            Past::Unknown => LeaseState::opened(replica_id, shared.timing, seed, now),
        };
        Arc::new(Self {
            shared,
            range_id: descriptor.range_id,
            replica_id,
            descriptor: RwLock::new(descriptor),
            lease: Mutex::new(lease),
            due_hint: AtomicU64::new(0),
            cache: Mutex::new(TimestampCache::new(Timestamp::MIN)),
            latches: Arc::new(Latches::default()),
            in_flight: Arc::default(),
            applied: Mutex::new(applied),
            newborns: Mutex::default(),
            proposed_split: Mutex::default(),
            attempts: Mutex::default(),
            published: AtomicU64::new(published),
            task: RaftTask::default(),
            enqueue_lock: tokio::sync::RwLock::new(()),
            end_lease: Mutex::new(None),
            damage: Damage::default(),
            ended: Ended::default(),
            tripped: watch::Sender::new(false),
            changed: Notify::new(),
        })
    }

    /// Its range.
    pub fn range_id(&self) -> RangeId {
        self.range_id
    }

    /// Its id.
    pub fn replica_id(&self) -> ReplicaId {
        self.replica_id
    }

    /// Whether its descriptor may not stand in the directory yet.
    pub fn is_unpublished(&self) -> bool {
        self.published.load(Ordering::Relaxed) < self.descriptor().generation
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

    /// Answers a request, or says why not, within [`Timing::request`].
    ///
    /// # Errors
    /// See [`RangeError`].
    pub async fn execute(self: &Arc<Self>, request: RangeRequest) -> Result<Response, RangeError> {
        self.check_bounds(&request.request)?;
        let answer = self.answer(request.request).await;
        answer.map_err(|error| self.or_damaged(error))
    }

    async fn answer(self: &Arc<Self>, request: Request) -> Result<Response, RangeError> {
        match request {
            Request::Get { keys, read } => self.get(keys, read).await,
            Request::Scan { scan, read } => self.scan(scan, read).await,
            Request::Changes { changes, read } => self.changes(changes, read).await,
            Request::Refresh { spans, after, upto, own } => {
                self.refresh(spans, ChangeWindow { after, upto, own }).await
            }
            Request::Transact(step) => self.transact(step).await,
            Request::Commit(commit) => self.commit(commit).await,
            Request::QueryTransaction { transaction, anchor, started } => {
                self.query_transaction(transaction, anchor, started).await
            }
        }
    }

    /// Every key of a request has to lie in the range.
    fn check_bounds(&self, request: &Request) -> Result<(), RangeError> {
        let descriptor = self.descriptor();
        let own = &descriptor.span;
        let all = |spans: &[Span]| spans.iter().all(|span| span.is_empty() || own.covers(span));
        let all_read =
            |reads: &[ReadSpan]| reads.iter().all(|read| read.span.is_empty() || own.covers(&read.span));
        let covers = match request {
            Request::Get { keys, .. } => keys.iter().all(|key| own.contains(key)),
            Request::Scan { scan, .. } => all(std::slice::from_ref(&scan.span)),
            Request::Changes { changes, .. } => all(std::slice::from_ref(&changes.span)),
            Request::Refresh { spans, .. } => all_read(spans),
            Request::Commit(commit) => {
                commit.writes.iter().all(|write| own.contains(&write.key)) && all_read(&commit.read_spans)
            }
            Request::QueryTransaction { anchor, .. } => own.contains(anchor),
            Request::Transact(step) => all(&step.spans()),
        };
        // An empty replica covers nothing, not even a request for no keys.
        if covers && descriptor.is_known() {
            return Ok(());
        }
        Err(self.mismatch(&descriptor))
    }

    /// Lets the lease's clockwork take a step that needs no quorum.
    fn note(&self, event: Event) {
        // Heartbeats that come in mean nothing to whoever waits here for a lease.
        let is_told = !matches!(event, Event::AppendArrived { .. } | Event::AcknowledgementLeaves { .. });
        self.step_lease(event, &Nobody);
        if is_told {
            self.changed.notify_waiters();
        }
    }

    /// Lets the lease's clockwork take a step.
    fn step_lease(&self, event: Event, quorum: &dyn Quorum) -> Option<Effect> {
        let mut lease = self.lease.lock();
        if event.may_hasten() {
            self.due_hint.store(0, Ordering::Relaxed);
        }
        lease.step(self.shared.now(), event, quorum)
    }
}

/// For events that do not ask for a quorum.
struct Nobody;

impl Quorum for Nobody {
    fn newest(&self, _: &dyn Fn(ReplicaId) -> Option<u64>) -> Option<u64> {
        None
    }

    fn is_single_voter(&self) -> bool {
        false
    }
}
