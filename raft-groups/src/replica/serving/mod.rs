//! What answers a replica's requests: its lease, latches, timestamp cache, reads, writes, hand-overs, and who waits.
//!
//! ```text
//!   requests ─▶ lease? latches, evaluation ─▶ commands ─▶ machine
//!   messages ─▶ promise? ─────────────────────────────────▶ its Raft task
//!   tick ─────▶ lease's clockwork: heartbeats, elections ─▶ its Raft task
//! ```
//!
//! It uses the machine, which knows nothing of it but a listener ([`observe`]).
//!
//! Invariants:
//! - Promise and lease ([`LeaseState`]) live as long as the replica, not as long as its Raft task.
//! - Latches end only when the entry is applied here, or can never be, or when this replica cannot serve in that term
//!   any more (design.md section 6).
//! - The timestamp cache is raised before a read's snapshot is taken, and its lease is checked after it was read.

pub mod beats;
mod clockwork;
mod damage;
mod ended;
mod hand_over;
mod members;
mod messages;
mod observe;
mod propose;
mod read;
mod serve;
pub(crate) mod split;
mod transact;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::Span;
use quorate_engine::kv_reads::ReadSpan;
use quorate_engine::mvcc::ChangeWindow;
use quorate_placement::topology::{RangeId, ReplicaId};
use tokio::sync::{Notify, watch};

use crate::api::{RangeError, RangeRequest, Request, Response};
use crate::concurrency::latch::Latches;
use crate::concurrency::timestamp_cache::TimestampCache;
use crate::lease::LeaseState;
use crate::log_position::LogPosition;
use crate::replica::machine::Machine;
use crate::replica::shared::StoreShared;
use crate::splits::trigger::Attempts;

use damage::Damage;
use ended::Ended;
use propose::InFlight;

/// Says what the metrics of this folder mean.
pub(crate) fn describe_metrics() {
    damage::describe_metrics();
    clockwork::describe_metrics();
}

/// See the module.
pub struct Serving {
    shared: Arc<StoreShared>,
    range_id: RangeId,
    replica_id: ReplicaId,
    machine: Arc<Machine>,
    lease: Mutex<LeaseState>,
    /// Nothing is due before, in microseconds: spares the ticker the lock. Changed under the lock of `lease` only.
    due_hint: AtomicU64,
    cache: Mutex<TimestampCache>,
    latches: Arc<Latches>,
    in_flight: Arc<InFlight>,
    /// What is known of attempts to split the range.
    attempts: Mutex<Attempts>,
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

impl Serving {
    /// Of a machine that does not run yet. `seed` is that of its random times.
    pub fn new(shared: Arc<StoreShared>, machine: Arc<Machine>, past: Past, seed: u64) -> Arc<Self> {
        let (range_id, replica_id) = (machine.range_id(), machine.replica_id());
        let now = shared.now();
        let lease = match past {
            Past::None => LeaseState::fresh(replica_id, shared.timing, seed, now),
            Past::Split => LeaseState::born(replica_id, shared.timing, seed, (shared.opened_at, now)),
            Past::Unknown => LeaseState::opened(replica_id, shared.timing, seed, now),
        };
        Arc::new(Self {
            shared,
            range_id,
            replica_id,
            machine,
            lease: Mutex::new(lease),
            due_hint: AtomicU64::new(0),
            cache: Mutex::new(TimestampCache::new(Timestamp::MIN)),
            latches: Arc::new(Latches::default()),
            in_flight: Arc::default(),
            attempts: Mutex::default(),
            enqueue_lock: tokio::sync::RwLock::new(()),
            end_lease: Mutex::new(None),
            damage: Damage::default(),
            ended: Ended::default(),
            tripped: watch::Sender::new(false),
            changed: Notify::new(),
        })
    }

    /// Answers a request, or says why not, within [`crate::lease::timing::Timing::request`].
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
        let descriptor = self.machine.descriptor();
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
}
