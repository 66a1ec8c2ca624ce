//! One replica of one range: a machine that turns entries into state, and what answers requests by it.
//!
//! ```text
//!   requests, ticks, messages ─▶ serving ─▶ machine ─▶ Raft group, store
//!                                   ▲          │
//!                                   └─ Listener┘   descriptor changed, reads before, term begun, task ended
//! ```
//!
//! The life of a write: [`serving`] waits for the lease and for latches, evaluates, proposes, and waits until [`machine`] has
//! applied the entry here. The life of a read: it waits the same way, reads a snapshot, and checks the lease last.
//!
//! Invariant: the machine imports nothing of what serves; what it has to tell goes through its [`machine::Listener`].

mod machine;
mod serving;
mod shared;
mod status;

use std::sync::Arc;

use quorate_engine::store::DamagedSpan;
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use crate::api::{RangeError, RangeRequest, Response};
use crate::applied_state::AppliedState;
use crate::descriptor::RangeDescriptor;
use crate::heartbeat::Beat;
use crate::local_ranges::LocalRangeError;
use crate::raft::{ChangeError, LogCut, MemberChange, MembersStamp, RaftError, RaftGroup};
use crate::raft_message::RaftMessage;
use crate::splits::key::SizeCount;
use crate::splits::trigger::Ended;

use machine::Machine;
use serving::Serving;
use serving::split::SplitPlan;

pub use serving::Past;
pub use serving::beats::Beats;
pub(crate) use serving::describe_metrics;
pub(crate) use serving::split::plan;
pub use shared::StoreShared;

/// One replica: its two parts, and its ids.
pub struct Replica {
    range_id: RangeId,
    replica_id: ReplicaId,
    machine: Arc<Machine>,
    serving: Arc<Serving>,
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
        let machine = Machine::new(Arc::clone(&shared), replica_id, applied, published);
        let serving = Serving::new(shared, Arc::clone(&machine), past, seed);
        Arc::new(Self { range_id: machine.range_id(), replica_id, machine, serving })
    }

    /// Starts the Raft task, and whoever rebuilds it. With `takes_grant` it may begin as the leader of the granted term:
    /// see [`crate::raft::GroupConfig::takes_grant`].
    ///
    /// # Errors
    /// Its state cannot be read.
    pub async fn start(&self, takes_grant: bool) -> Result<(), RaftError> {
        self.machine.start(Arc::clone(&self.serving) as _, takes_grant).await
    }

    /// Ends the replica: when this returns it writes nothing any more.
    pub async fn shutdown(&self) {
        self.serving.shutdown().await;
    }

    /// Ends the Raft task as a defect of its own would.
    #[cfg(any(test, feature = "known-bugs"))]
    pub async fn kill_raft_task(&self) {
        self.machine.kill_raft_task().await;
    }

    /// Its range.
    pub fn range_id(&self) -> RangeId {
        self.range_id
    }

    /// Its id.
    pub fn replica_id(&self) -> ReplicaId {
        self.replica_id
    }

    /// What turns its entries into state.
    #[cfg(test)]
    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }
}

/// What it answers, and what it does in its turn: see [`serving`].
impl Replica {
    /// Answers a request, or says why not, within [`crate::lease::timing::Timing::request`].
    ///
    /// # Errors
    /// See [`RangeError`].
    pub async fn execute(&self, request: RangeRequest) -> Result<Response, RangeError> {
        self.serving.execute(request).await
    }

    /// The bytes of an answer to a Raft message.
    pub async fn handle_encoded(self: Arc<Self>, message: RaftMessage) -> bytes::Bytes {
        self.serving.handle(message).await.encode()
    }

    /// Takes a leader's heartbeat, and promises what an acknowledgement promises; false where its Raft task has to see
    /// it.
    pub fn take_beat(&self, beat: &Beat) -> bool {
        self.serving.take_beat(beat)
    }

    /// What the store's ticker calls all the time. A heartbeat that its Raft task need not send is added to `beats`.
    pub fn tick(&self, now: u64, beats: &mut Beats) {
        self.serving.tick(now, beats);
    }

    /// Stands for election as soon as no promise forbids it, unless it leads: one replica of a fresh range is told to.
    pub fn campaign(&self) {
        self.serving.campaign();
    }

    /// Whether the lease is held now.
    pub(crate) fn has_lease(&self) -> bool {
        self.serving.has_lease()
    }

    /// Requests that hold or wait for latches.
    pub fn latched(&self) -> usize {
        self.serving.latched()
    }

    /// Hands the lease over to the replica on another node; returns when that one leads.
    pub(crate) async fn hand_over_to(&self, to: NodeId) -> Result<(), LocalRangeError> {
        self.serving.hand_over_to(to).await
    }

    /// Changes the members by one entry; nothing is enqueued behind an EndLease.
    pub(crate) async fn change_members(
        &self,
        on: MembersStamp,
        change: MemberChange,
    ) -> Result<(), ChangeError> {
        self.serving.change_members(on, change).await
    }

    /// Counts the range's bytes by key, as of several moments near now. Also says for which generation.
    pub(crate) async fn count_size(&self) -> Result<(u64, SizeCount), RangeError> {
        self.serving.count_size().await
    }

    /// Splits the range; returns once that is applied here.
    ///
    /// # Errors
    /// See [`Serving::split`].
    pub(crate) async fn split(&self, plan: SplitPlan) -> Result<(), RangeError> {
        self.serving.split(plan).await
    }

    /// Whether an attempt to split this range by its size begins now.
    pub(crate) fn begin_attempt(&self) -> bool {
        self.serving.begin_attempt()
    }

    /// An attempt is over. True where a person should be told that the range cannot be split.
    pub(crate) fn end_attempt(&self, how: Ended) -> bool {
        self.serving.end_attempt(how)
    }

    /// Whether this replica leads a range that has a quarter of the size at which it is split.
    pub(crate) fn may_split_soon(&self) -> bool {
        self.serving.may_split_soon()
    }

    /// Marks this replica where it holds something of these spans.
    pub(crate) fn mark_unreadable(&self, unreadable: &[DamagedSpan]) {
        self.serving.mark_unreadable(unreadable);
    }

    /// Whether it has met damage.
    pub(crate) fn is_damaged(&self) -> bool {
        self.serving.is_damaged()
    }

    /// Its Raft task could not start for damage: it takes no part, and is listed until it is replaced.
    pub(crate) fn stop_damaged(&self, detail: &str) {
        self.serving.stop_damaged(detail);
    }

    /// Hands over, where this replica is damaged and leads, and an attempt is due.
    pub(crate) fn tend_damage(&self) {
        self.serving.tend_damage();
    }

    /// What nobody needs of the log, if that is worth a cut.
    pub fn next_cut(&self) -> Option<LogCut> {
        self.serving.next_cut()
    }
}

/// What it is, and what it has applied: see [`machine`].
impl Replica {
    /// What it knows of its range.
    pub fn descriptor(&self) -> Arc<RangeDescriptor> {
        self.machine.descriptor()
    }

    /// Whether its descriptor may not stand in the directory yet.
    pub fn is_unpublished(&self) -> bool {
        self.machine.is_unpublished()
    }

    /// Generation of the newest descriptor that is known to stand in the directory; 0 for none.
    pub fn published(&self) -> u64 {
        self.machine.published()
    }

    /// A descriptor of this generation stands in the directory. True where that is news.
    pub fn note_published(&self, generation: u64) -> bool {
        self.machine.note_published(generation)
    }

    /// Its Raft task, if it runs.
    pub fn running(&self) -> Option<Arc<RaftGroup>> {
        self.machine.group()
    }

    /// Cuts off what [`Replica::next_cut`] said; the store was synced in between.
    pub async fn cut_log(&self, cut: LogCut) {
        self.machine.cut_log(cut).await;
    }
}
