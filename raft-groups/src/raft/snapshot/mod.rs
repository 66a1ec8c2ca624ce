//! Snapshots: a replica that lacks entries which its leader has cut off gets the range's state instead.
//!
//! ```text
//!   leader    pin a view, with apply ── begin ── chunk ── chunk ── end ─────────────────────────┐
//!   follower                   admitted ── parts staged ── marker ── taken in ── state, synced ─┴─ installed
//! ```
//!
//! [`SnapshotHead`] says what it is: position, membership, spans, and the replicated state of the range. [`send`] reads
//! the spans from the pinned view; [`receive`] stages them; [`install`] makes them the follower's state, over a power cut
//! at any moment.
//!
//! Invariants: one goes out of a store and one comes in at a time, so that one view is pinned at most; a view is pinned
//! no longer than [`send`] allows; a follower says that it has a snapshot only when it is on its disk.

pub(crate) mod head_format;
pub(crate) mod install;
pub(crate) mod message;
mod parts;
pub(crate) mod receive;
pub(crate) mod send;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use metrics::{Unit, describe_counter};
use parking_lot::Mutex;
use quorate_engine::codec::check::{Broken, holds};
use quorate_engine::staging::{Pair, PinnedView, StagedPart};
use quorate_engine::store::{Family, Store, StoreError};
use quorate_placement::topology::{RangeId, ReplicaId};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::applied_format::AppliedMembership;
use crate::blocking::Blocking;
use crate::log_position::LogPosition;

/// Snapshots that leave a store at a time.
const OUTGOING_MAX: usize = 1;
/// Bytes of snapshots that a node sends in a second, by default (design.md section 12).
pub const SNAPSHOT_RATE_DEFAULT: u64 = 64 << 20;

/// Snapshots sent.
pub(crate) const SENT: &str = "quorate_raft_snapshots_sent_total";
/// Bytes of pairs sent.
pub(crate) const SENT_BYTES: &str = "quorate_raft_snapshot_sent_bytes_total";
/// Snapshots installed.
pub(crate) const INSTALLED: &str = "quorate_raft_snapshots_installed_total";

/// Keys of one family, from the first to before the second, which is never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySpan {
    /// The family.
    pub family: Family,
    /// First key.
    pub start: Bytes,
    /// First key after the span.
    pub end: Bytes,
}

/// What a replica holds in the store besides Raft's own state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holdings {
    /// Spans whose pairs a snapshot carries, in the order of sending; they share no key.
    pub spans: Vec<KeySpan>,
    /// Few small pairs, equal on all replicas, that change together with the applied position: first key of the family
    /// `range`, and the key after the last.
    pub shared: (Bytes, Bytes),
    /// Bytes of the pairs in the spans as the state machine counts them; 0 where it does not.
    pub bytes: u64,
}

/// What a snapshot is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotHead {
    /// Everything up to here is in it.
    pub position: LogPosition,
    /// Who belonged to the group then.
    pub(crate) membership: AppliedMembership,
    /// See [`Holdings::spans`].
    pub spans: Vec<KeySpan>,
    /// The pairs of [`Holdings::shared`].
    pub shared: Vec<Pair>,
    /// Where these pairs may lie.
    pub(crate) shared_bounds: (Bytes, Bytes),
}

impl SnapshotHead {
    /// What must hold of a head. Walks the shared pairs, which are a handful.
    ///
    /// # Errors
    /// The rule that does not.
    pub(crate) fn validate(&self) -> Result<(), Broken> {
        let (start, end) = &self.shared_bounds;
        let is_within = |(key, _): &Pair| key >= start && key < end;
        holds(self.shared.iter().all(is_within), "the shared pairs of a range lie within their bounds")?;
        holds(
            self.shared.is_sorted_by(|a, b| a.0 < b.0),
            "the shared pairs of a range are in order, each key once",
        )?;
        holds(self.membership.position <= Some(self.position), "a snapshot has the entry of its membership")?;
        self.membership.validate()?;
        validate_spans(&self.spans)
    }

    /// What must hold of the head of a snapshot for a replica whose shared pairs lie within these bounds: nothing else of
    /// its store is replaced.
    ///
    /// # Errors
    /// The rule that does not.
    pub fn is_of(&self, shared: &(Bytes, Bytes)) -> Result<(), Broken> {
        holds(self.shared_bounds == *shared, "a snapshot replaces what is of its own range")
    }
}

/// What must hold of the spans that a replica holds: users' data alone, and no key twice.
///
/// # Errors
/// The rule that does not.
pub(crate) fn validate_spans(spans: &[KeySpan]) -> Result<(), Broken> {
    for (place, span) in spans.iter().enumerate() {
        let is_data = match span.family {
            Family::Data | Family::Lock | Family::Txn => true,
            Family::Raft | Family::Range => false,
        };
        let is_first = spans.iter().take(place).all(|other| other.family != span.family);
        holds(is_data, "a snapshot's spans are of users' data")?;
        holds(is_first, "a range has one span of each family")?;
        holds(span.start < span.end, "a span of a snapshot has an end, and is not empty")?;
    }
    Ok(())
}

#[cfg(test)]
impl SnapshotHead {
    /// A head without members.
    pub(crate) fn for_test(position: LogPosition, holdings: Holdings, shared: Vec<Pair>) -> Self {
        let membership = AppliedMembership::default();
        Self { position, membership, spans: holdings.spans, shared, shared_bounds: holdings.shared }
    }
}

/// A snapshot in openraft's hands.
pub(crate) enum RangeSnapshot {
    /// What is applied now, without bytes: nobody may send one at the moment, or nobody wants to.
    Virtual,
    /// To be sent.
    Pinned(Box<Pinned>),
    /// To be installed.
    Received(Box<Received>),
}

/// A view of a range that is kept until it was sent.
pub(crate) struct Pinned {
    pub(crate) head: SnapshotHead,
    pub(crate) view: Arc<dyn PinnedView>,
    /// About how many bytes it is.
    pub(crate) bytes_expected: u64,
    /// Keeps the leader's log from this snapshot on.
    pub(crate) _hold: LogHold,
    /// The one that may be sent.
    pub(crate) _slot: OwnedSemaphorePermit,
}

/// What came in.
pub(crate) struct Received {
    pub(crate) head: SnapshotHead,
    pub(crate) content: Content,
}

/// Where what came in is.
pub(crate) enum Content {
    /// Here: little enough for one batch.
    Small(Vec<StagedPart>),
    /// Staged.
    Staged(StagedArea),
}

/// An area of staged parts that nobody has begun to install: removed when this is dropped.
pub(crate) struct StagedArea {
    store: Arc<dyn Store>,
    blocking: Blocking,
    area: u64,
    is_owner: bool,
}

impl StagedArea {
    pub(crate) fn new(store: Arc<dyn Store>, blocking: Blocking, area: u64) -> Self {
        Self { store, blocking, area, is_owner: true }
    }

    /// Its number.
    pub(crate) fn number(&self) -> u64 {
        self.area
    }

    /// Leaves the parts to a marker, which needs them until the installation is over.
    pub(crate) fn leave_to_marker(mut self) -> u64 {
        self.is_owner = false;
        self.area
    }
}

impl Drop for StagedArea {
    fn drop(&mut self) {
        if !self.is_owner {
            return;
        }
        let (store, area) = (Arc::clone(&self.store), self.area);
        self.blocking.begin(move || {
            if let Err(error) = store.staging().unstage(area) {
                // The next start removes them; no other area has this number before.
                tracing::warn!(area, %error, "staged parts are left");
            }
        });
    }
}

/// A snapshot on its way, for reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferProgress {
    /// The replica at the other end.
    pub peer: ReplicaId,
    /// Bytes so far.
    pub bytes: u64,
    /// About how many bytes it will be.
    pub bytes_expected: u64,
}

type Progress = Mutex<BTreeMap<RangeId, TransferProgress>>;

/// What all snapshots of a store share: their number, their rate, and how far they are.
pub struct Snapshots {
    outgoing: Arc<Semaphore>,
    /// Bytes a second, never zero.
    rate: AtomicU64,
    sending: Progress,
    receiving: Progress,
}

impl Snapshots {
    /// With so many bytes a second.
    pub fn new(rate: u64) -> Arc<Self> {
        describe_counter!(
            SENT,
            Unit::Count,
            "Snapshots of ranges that this node has sent, and that were installed"
        );
        describe_counter!(SENT_BYTES, Unit::Bytes, "Bytes of snapshots that this node has sent");
        describe_counter!(INSTALLED, Unit::Count, "Snapshots of ranges that this node has installed");
        Arc::new(Self {
            outgoing: Arc::new(Semaphore::new(OUTGOING_MAX)),
            rate: AtomicU64::new(rate.max(1)),
            sending: Mutex::default(),
            receiving: Mutex::default(),
        })
    }

    /// How far the snapshot is that a range's replica here is sending.
    pub fn sending(&self, range: RangeId) -> Option<TransferProgress> {
        self.sending.lock().get(&range).copied()
    }

    /// How far the snapshot is that comes in for a range's replica here.
    pub fn receiving(&self, range: RangeId) -> Option<TransferProgress> {
        self.receiving.lock().get(&range).copied()
    }

    /// The right to send one, if nobody has it.
    pub(crate) fn slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.outgoing).try_acquire_owned().ok()
    }

    /// How long so many bytes take.
    pub(crate) fn pace(&self, bytes: u64) -> Duration {
        Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / self.rate.load(Ordering::Relaxed))
    }

    /// Sends so many bytes a second, from the next chunk on.
    pub fn set_rate(&self, rate: u64) {
        self.rate.store(rate.max(1), Ordering::Relaxed);
    }
}

/// One range's line in a table of progress, as long as this lives.
pub(crate) struct Reported {
    snapshots: Arc<Snapshots>,
    range: RangeId,
    is_outgoing: bool,
}

impl Reported {
    pub(crate) fn new(
        snapshots: &Arc<Snapshots>,
        range: RangeId,
        is_outgoing: bool,
        progress: TransferProgress,
    ) -> Self {
        let reported = Self { snapshots: Arc::clone(snapshots), range, is_outgoing };
        reported.table().lock().insert(range, progress);
        reported
    }

    fn table(&self) -> &Progress {
        if self.is_outgoing { &self.snapshots.sending } else { &self.snapshots.receiving }
    }

    pub(crate) fn add(&self, bytes: u64) {
        if let Some(progress) = self.table().lock().get_mut(&self.range) {
            progress.bytes += bytes;
        }
    }
}

impl Drop for Reported {
    fn drop(&mut self) {
        self.table().lock().remove(&self.range);
    }
}

/// Positions from which a group's log is kept for the sake of snapshots on their way.
#[derive(Clone, Default)]
pub(crate) struct LogHolds {
    held: Arc<Mutex<BTreeMap<u64, usize>>>,
    released: Arc<Notify>,
    #[cfg(test)]
    made: Arc<std::sync::atomic::AtomicU64>,
}

impl LogHolds {
    /// Keeps the entries after `index` until the hold is dropped.
    pub(crate) fn hold(&self, index: u64) -> LogHold {
        *self.held.lock().entry(index).or_default() += 1;
        #[cfg(test)]
        self.made.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        LogHold { holds: self.clone(), index }
    }

    /// Waits until nothing is held any more, and with it no view is pinned; the caller sets the deadline.
    pub(crate) async fn all_released(&self) {
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            released.as_mut().enable();
            if self.oldest().is_none() {
                return;
            }
            released.await;
        }
    }

    /// How many were made.
    #[cfg(test)]
    pub(crate) fn made(&self) -> u64 {
        self.made.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// The oldest index after which entries are held.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.held.lock().keys().next().copied()
    }
}

/// See [`LogHolds::hold`].
pub(crate) struct LogHold {
    holds: LogHolds,
    index: u64,
}

impl Drop for LogHold {
    fn drop(&mut self) {
        let mut held = self.holds.held.lock();
        if let Some(count) = held.get_mut(&self.index) {
            assert!(*count > 0, "what is let go was held");
            *count -= 1;
            if *count == 0 {
                held.remove(&self.index);
            }
        }
        drop(held);
        self.holds.released.notify_waiters();
    }
}

/// Takes what a snapshot says of a replica from a pinned view.
pub(crate) fn head_of(
    view: &dyn PinnedView,
    holdings: Holdings,
    position: LogPosition,
    membership: AppliedMembership,
) -> Result<SnapshotHead, StoreError> {
    let (start, end) = &holdings.shared;
    let shared = view.page(Family::Range, start, end, usize::MAX)?;
    Ok(SnapshotHead { position, membership, spans: holdings.spans, shared, shared_bounds: holdings.shared })
}
