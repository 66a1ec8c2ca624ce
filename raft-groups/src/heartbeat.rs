//! Heartbeats of many groups from one node to another: the payloads of `Service::Heartbeat`. Their bytes are those of
//! `wire::beats`.
//!
//! Each says that the replica `from` leads the term. Where its group rests it stands for an append without entries: all of its
//! log up to `last` is committed, and `to` has it already; what is not taken is told again, by an append. Where the group is
//! busy there is no `last`, and appends come beside it.

use quorate_placement::topology::{RangeId, ReplicaId};

use crate::log_position::{LogPosition, VoteState};

/// A heartbeat past the Raft task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The group's range.
    pub range_id: RangeId,
    /// The replica that leads.
    pub from: ReplicaId,
    /// The replica meant.
    pub to: ReplicaId,
    /// The term that it leads.
    pub term: u64,
    /// Its last entry, which is committed, where the group rests; none where its Raft task has more to tell.
    pub last: Option<LogPosition>,
}

impl Beat {
    /// The leader's vote.
    pub fn leader(&self) -> VoteState {
        VoteState { term: self.term, candidate: self.from, is_committed: true }
    }
}
