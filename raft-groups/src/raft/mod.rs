//! One replica of one Raft group: the only room that knows openraft.
//!
//! The life of a proposal: [`RaftGroup::enqueue`] hands it to the group's Raft task, which appends it through
//! [`log_store`] to the store's one [`LogWriter`] (a queue of all groups, drained into one batch and one sync) and
//! sends it through [`network`] to the other replicas; once a quorum has it, [`state_machine`] gives it to the
//! replica's [`Applier`] and writes what that says, with the applied position, in one batch.
//!
//! Invariants:
//! - A vote is on the disk before anybody hears of it, and so is an entry.
//! - What is applied and the applied position change in one batch; neither is synced by itself, because the log is.
//! - Whether a replica may vote, stand for election or serve is decided outside: openraft's own lease is kept shorter
//!   than the promise of design.md section 6, so that it never decides.
//! - After [`RaftGroup::shutdown`] nothing of the group is written any more, and no apply is under way.
//! - Entries are cut off only up to what is applied and synced here; who needs them gets a [`snapshot`].
//!
//! openraft's contracts, with the places in its source, are collected in docs/design/openraft.md; the version is
//! pinned because each release may change them.

mod applied_format;
mod convert;
mod entry_command;
pub(crate) mod entry_format;
mod group;
pub(crate) mod log_format;
mod log_queue;
mod log_sizes;
mod log_store;
mod log_tail;
mod log_writer;
mod lone_log;
mod members;
mod network;
mod peers;
mod rest;
mod seed;
pub(crate) mod snapshot;
mod state_machine;
mod truncation;
mod types;
mod upkeep;

use bytes::Bytes;
use quorate_engine::store::{Batch, StoreError};
use quorate_placement::topology::ReplicaId;

use crate::log_position::LogPosition;

pub(crate) use applied_format::AppliedMembership;
pub use entry_command::EntryCommand;
pub use group::{GroupConfig, GroupTiming, Proposal, ProposeError, RaftError, RaftGroup};
pub use log_format::group_bounds;
pub use log_writer::{LogWriter, LogWriterCounts};
pub use lone_log::LoneLog;
pub use members::{ChangeError, LedMembers, MemberChange, MembersStamp};
pub use rest::Rest;
pub use seed::{GRANTED_TERM, applied_membership, erase, seed, seed_granted};
pub use snapshot::install::finish_installs;
#[cfg(test)]
pub use snapshot::message::{SnapshotBody, SnapshotMessage};
pub use snapshot::message::{SnapshotOffer, SnapshotRefusal, refuse_snapshot};
pub use snapshot::receive::{Admission, SnapshotHost, SnapshotInbox};
pub use snapshot::{Holdings, KeySpan, SNAPSHOT_RATE_DEFAULT, SnapshotHead, Snapshots, TransferProgress};
pub use types::{Applied, CommittedEntry, EntryPayload, GroupStatus, LogEntry, Role};
pub use upkeep::LogCut;

/// Turns committed entries into changes of the store. Called in the order of the log, never twice at once for a group.
pub trait Applier: Send + Sync + 'static {
    /// Adds to `batch` what the entries change and gives back one outcome an entry, for its proposer. The applied
    /// position and the membership are added by the caller, and all is written in one unsynced batch.
    ///
    /// # Errors
    /// Any error stops the replica for good: another replica might have applied what this one cannot.
    fn apply(&self, entries: &[CommittedEntry], batch: &mut Batch) -> Result<Vec<Bytes>, ApplyError>;

    /// The batch was written: `entries` are readable, and `last` is the applied position. Before any proposer hears.
    fn applied(&self, entries: &[CommittedEntry], last: LogPosition);

    /// An apply has met what cannot be: the replica stops for good.
    fn diverged(&self, _detail: &str) {}

    /// What the replica holds, as of what it has applied: a snapshot carries it, and one that comes in replaces it.
    fn holdings(&self) -> Holdings;

    /// A snapshot was installed in place of all that was applied: what is kept in memory of the state is to be read
    /// anew. `last` is the applied position.
    ///
    /// # Errors
    /// It cannot be read, which stops the replica.
    fn installed(&self, last: LogPosition) -> Result<(), ApplyError>;
}

/// Why a replica could not apply an entry.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ApplyError {
    /// The entry means nothing here: an unknown kind, damage, or a state that other replicas cannot have.
    #[error("the entry at {position} cannot be applied: {detail}")]
    Divergence {
        /// The entry.
        position: LogPosition,
        /// What was wrong.
        detail: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Learns what a lease is made of. Called from within the group's Raft task: it must be quick and must not call back.
pub trait LeaseObserver: Send + Sync + 'static {
    /// The time, taken before a message that asks for an acknowledgement is sent; in units of the observer's own.
    fn sent_now(&self) -> u64;

    /// Whether messages that ask for an acknowledgement may be sent: a leader that has lost its quorum pauses, so that
    /// the others' promises end.
    fn may_send(&self) -> bool {
        true
    }

    /// A replica accepted, as a follower of this one in `term`, a message that was sent at `sent_at` or later.
    fn acknowledged(&self, by: ReplicaId, term: u64, sent_at: u64);

    /// A vote was stored: in `term`, `leader` leads; `None` where that is open again. Whoever starts as the leader of a
    /// granted term hears of it before its Raft task runs.
    fn leadership(&self, term: u64, leader: Option<ReplicaId>);

    /// Damage on the disk came in the way of reading the log, or what a snapshot shall carry.
    fn met_damage(&self, _detail: &str) {}
}

/// Tells whether an error of storage is damage.
fn damage_of(error: &std::io::Error) -> Option<&StoreError> {
    let inner = error.get_ref()?.downcast_ref::<StoreError>()?;
    match inner {
        StoreError::Damaged { .. } => Some(inner),
        StoreError::Device { .. } | StoreError::Corruption(_) | StoreError::Locked { .. } => None,
    }
}

#[cfg(test)]
mod tests;
