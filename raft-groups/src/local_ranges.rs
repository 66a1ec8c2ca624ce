//! What a node's store of ranges offers to the rest of the node: [`LocalRanges`], implemented by `store::RangeStore`
//! and by fakes in tests.
//!
//! Everything here concerns replicas of this node alone; whoever wants another node's replica goes through
//! `client::router`.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quorate_engine::kv::Key;
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use crate::api::{RangeError, RangeRequest, Response};
use crate::descriptor::RangeDescriptor;
use crate::raft::{ChangeError, LedMembers, MemberChange, MembersStamp};

/// The replicas of one store.
#[async_trait]
pub trait LocalRanges: Send + Sync + 'static {
    /// Asks the local replica. Waits for quorums are bounded.
    ///
    /// # Errors
    /// [`RangeError::Mismatch`] where there is no such replica here, and all that a range answers.
    async fn execute(&self, request: RangeRequest) -> Result<Response, RangeError>;

    /// Creates the replica that the descriptor gives this node, empty, and starts it; with `campaign` it stands for
    /// election at once. Durable when it returns. Repeating it does nothing.
    ///
    /// # Errors
    /// A tombstone stands there, the descriptor has no replica here, or the store failed.
    async fn create_replica(
        &self,
        descriptor: &RangeDescriptor,
        campaign: bool,
    ) -> Result<(), LocalRangeError>;

    /// Creates a replica without log and data: a learner-to-be, which never stands for election and never serves. It
    /// becomes whole by the first snapshot that its range's leader sends, which brings the descriptor. Durable when it
    /// returns. Repeating it does nothing.
    ///
    /// # Errors
    /// A tombstone stands there, another replica of the range is here, or the store failed.
    async fn create_learner(&self, range_id: RangeId, replica_id: ReplicaId) -> Result<(), LocalRangeError>;

    /// Removes the local replica with its data and leaves a tombstone below `next_replica_id`. Repeating it does
    /// nothing.
    ///
    /// # Errors
    /// The store failed.
    async fn destroy_replica(
        &self,
        range_id: RangeId,
        next_replica_id: ReplicaId,
    ) -> Result<(), LocalRangeError>;

    /// Hands the lease of a range that is led here over to the replica on another node.
    ///
    /// # Errors
    /// Not led here, no replica there, or not done in time.
    async fn end_lease_and_transfer(&self, range_id: RangeId, to: NodeId) -> Result<(), LocalRangeError>;

    /// A range that is led here, for whoever changes its replicas; `None` where this node does not lead it.
    fn led_range(&self, range_id: RangeId) -> Option<LedRange>;

    /// Changes the members of a range that is led here, by one entry, within a bounded time.
    ///
    /// # Errors
    /// See [`ChangeError`]; after most of them looking again shows what is true.
    async fn change_members(
        &self,
        range_id: RangeId,
        on: MembersStamp,
        change: MemberChange,
    ) -> Result<(), ChangeError>;

    /// How far a local replica is, counting only what is on the disk; `None` where it is not here.
    ///
    /// # Errors
    /// The store failed.
    async fn progress(
        &self,
        range_id: RangeId,
        replica_id: ReplicaId,
    ) -> Result<Option<ReplicaProgress>, LocalRangeError>;

    /// Splits a range that is led here at `at`, or in the middle of its bytes; gives the right side, which has a leader
    /// soon after. Both sides are published by themselves.
    ///
    /// # Errors
    /// [`LocalRangeError::NotLeader`]; [`LocalRangeError::Refused`] for a key that is not inside of the range, for range
    /// 1, and where one key has all bytes; [`LocalRangeError::Timeout`] where it was not done in time, or the range
    /// changed meanwhile: it may still be done.
    async fn split(&self, range_id: RangeId, at: Option<Key>) -> Result<RangeDescriptor, LocalRangeError>;

    /// Sets the size beyond which ranges of this node are split.
    fn set_range_max_bytes(&self, bytes: u64);

    /// The cluster is at this version, or a newer one: commands of newer kinds may be proposed.
    fn set_cluster_version(&self, version: u32);

    /// Sets how many bytes of snapshots this node sends in a second.
    fn set_snapshot_rate(&self, bytes: u64);

    /// Gives the node ids for the right sides of splits: taken from range 1, and nobody else's.
    fn offer_range_ids(&self, block: Range<u64>);

    /// Whether more of them will be needed soon: a range grows towards its limit, or somebody waits.
    fn wants_range_ids(&self) -> bool;

    /// Descriptors of ranges led here that may not stand in the directory yet; range 1, which has no row there, too.
    fn unpublished(&self) -> Vec<RangeDescriptor>;

    /// A descriptor of this generation, or a newer one, stands in the directory.
    ///
    /// # Errors
    /// The store failed.
    async fn note_published(&self, range_id: RangeId, generation: u64) -> Result<(), LocalRangeError>;

    /// Files of the store that are known to be damaged.
    fn damaged_files(&self) -> Vec<String>;

    /// All local replicas, by range id.
    fn statuses(&self) -> Vec<ReplicaStatus>;

    /// One local replica.
    fn status(&self, range_id: RangeId) -> Option<ReplicaStatus>;

    /// Who leads a range, as far as its replica here knows; `None` where there is none. Asked for each request, while a
    /// whole status takes longer than a read.
    fn leader_node(&self, range_id: RangeId) -> Option<Option<NodeId>>;
}

/// A range, as the node that leads it sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedRange {
    /// As applied here.
    pub descriptor: RangeDescriptor,
    /// The replica that leads.
    pub replica_id: ReplicaId,
    /// Who belongs to the group, also as of an entry that is not committed yet.
    pub members: LedMembers,
}

/// How far a replica has come. Only what is on its disk counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplicaProgress {
    /// Last log index applied and synced.
    pub applied: u64,
    /// Bytes of a snapshot that comes in.
    pub bytes: u64,
    /// About how many bytes it will be; 0 where none comes in.
    pub bytes_expected: u64,
}

/// How a local replica is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// Its range; [`RangeDescriptor::unknown`] until the first snapshot of an empty replica.
    pub descriptor: Arc<RangeDescriptor>,
    /// Its own id, which the descriptor need not name yet, or any more.
    pub replica_id: ReplicaId,
    /// What it is in its group.
    pub role: GroupRole,
    /// Its Raft term.
    pub term: u64,
    /// The node that leads, as far as this replica knows.
    pub leader_node: Option<NodeId>,
    /// Whether it may serve strong reads now.
    pub has_lease: bool,
    /// Last applied log index.
    pub applied: u64,
    /// About how many bytes its data take.
    pub size_bytes: u64,
    /// On the leader: peers that have acknowledged nothing for longer than a lease, and since when.
    pub silent_peers: Vec<SilentPeer>,
    /// Generation of the newest descriptor that is known to stand in the directory; 0 for none.
    pub published: u64,
    /// Whether it has all that its range held at some moment: false for an empty replica before its first snapshot.
    pub is_whole: bool,
    /// A snapshot that comes in.
    pub receiving: Option<Transfer>,
    /// A snapshot that is being sent.
    pub sending: Option<Transfer>,
    /// Why requests fail at once, where they do: the breaker is open, or the replica has stopped for good.
    pub breaker: Option<String>,
    /// What it has met on its disk, if anything is damaged there: it does not lead, and waits to be made anew.
    pub damage: Option<String>,
}

/// What a replica is in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupRole {
    /// Leads.
    Leader,
    /// Follows.
    Follower,
    /// Stands for election.
    Candidate,
    /// Follows without a vote.
    Learner,
    /// Stopped for good by an error.
    Stopped,
}

/// A snapshot on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The replica at the other end.
    pub peer: ReplicaId,
    /// Bytes so far.
    pub bytes: u64,
    /// About how many bytes it will be.
    pub bytes_expected: u64,
}

/// A peer that does not acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SilentPeer {
    /// Its node.
    pub node_id: NodeId,
    /// For how long.
    pub silent: Duration,
}

/// Why a local replica could not be created, removed or moved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocalRangeError {
    /// A replica with this or a higher id was removed here before: it must not come back.
    #[error("{range_id} was removed from this node")]
    Tombstone {
        /// The range.
        range_id: RangeId,
    },
    /// The descriptor gives this node no replica, or a replica with other keys is in the way.
    #[error("{range_id} does not belong on this node: {detail}")]
    Misplaced {
        /// The range.
        range_id: RangeId,
        /// What stands against it.
        detail: String,
    },
    /// Not led here.
    #[error("{range_id} is not led here")]
    NotLeader {
        /// The range.
        range_id: RangeId,
    },
    /// Not possible, whoever asks.
    #[error("{range_id}: {detail}")]
    Refused {
        /// The range.
        range_id: RangeId,
        /// Why.
        detail: String,
    },
    /// Not done within its time; may still happen.
    #[error("{range_id}: {detail}")]
    Timeout {
        /// The range.
        range_id: RangeId,
        /// What was waited for.
        detail: String,
    },
    /// The store failed, or does not offer this.
    #[error("storage: {0}")]
    Storage(String),
}
