//! What crosses this room's door: entries, outcomes, and what a group's replica knows of itself, without openraft's types.

use bytes::Bytes;
use quorate_placement::topology::ReplicaId;

use super::entry_command::EntryCommand;
use crate::log_position::{LogPosition, VoteState};
use crate::membership::GroupMembership;

/// What an entry carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryPayload {
    /// A new leader's first entry: once applied, everything of earlier terms is.
    Blank,
    /// A change of members, in effect since it was appended.
    Membership(GroupMembership),
    /// A command, in the bytes of `command_format`.
    Command(EntryCommand),
}

/// An entry of a group's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Where.
    pub position: LogPosition,
    /// What.
    pub payload: EntryPayload,
}

/// An entry that a quorum has.
pub type CommittedEntry = LogEntry;

/// An entry of this replica's own proposal that was applied here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Where it stands in the log.
    pub position: LogPosition,
    /// What the [`super::Applier`] said of it.
    pub outcome: Bytes,
}

/// What a replica is within its group, as its Raft task sees it. Not an authority to serve: that is the lease's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Follows without a vote.
    Learner,
    /// Follows.
    Follower,
    /// Asks for votes.
    Candidate,
    /// Leads, or believes so.
    Leader,
}

/// What a group's replica knows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    /// Its role.
    pub role: Role,
    /// Its stored vote, and with it its term.
    pub vote: VoteState,
    /// Who leads its term, as far as it knows.
    pub leader: Option<ReplicaId>,
    /// Its last entry, on disk or on the way there.
    pub last_log: Option<LogPosition>,
    /// The newest entry that it knows to be committed.
    pub committed: Option<LogPosition>,
    /// The newest entry that it has applied.
    pub applied: Option<LogPosition>,
    /// Why the Raft task has ended.
    pub fatal: Option<String>,
}

impl GroupStatus {
    /// Its term.
    pub fn term(&self) -> u64 {
        self.vote.term
    }
}
