//! Whom a replica surely follows, so that it can acknowledge a heartbeat without asking its Raft task.
//!
//! ```text
//!   append taken by the Raft task ──▶ following its leader ──▶ heartbeats of that leader are acknowledged here
//!                                          │  vote about to be given, election about to be asked for
//!                                          ▼
//!                                        doubt ──▶ heartbeats go to the Raft task, until it takes an append again
//! ```
//!
//! The Raft task alone knows its vote at every moment. Yet it changes only by what this node hands to it, so that it is
//! known from outside as long as nothing of the kind is on its way. An append that was on its way together with a vote
//! proves nothing: hence the [`Mark`].
//!
//! Invariant: while this replica follows a leader, its Raft task has voted for nobody since that leader's append, and is
//! not about to.

use crate::log_position::VoteState;

/// Taken before an append is handed to the Raft task: whether it was surely alone there is seen by it afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(u64);

/// What is known of the Raft task's vote.
#[derive(Debug, Default)]
pub struct Following {
    /// The leader's vote, as it stands in its messages.
    leader: Option<VoteState>,
    /// The highest term of which an append came in.
    heard: u64,
    /// Votes and elections that the Raft task was asked for and may not have seen yet.
    doubts: u32,
    /// Raised whenever one of them is over.
    settled: u64,
}

impl Following {
    /// An append of this term is about to be handed to the Raft task.
    pub fn heard(&mut self, term: u64) {
        self.heard = self.heard.max(term);
        if self.leader.is_some_and(|leader| leader.term != self.heard) {
            self.leader = None;
        }
    }

    /// For an append that is about to be handed to the Raft task; `None` where it will prove nothing.
    pub fn mark(&self) -> Option<Mark> {
        (self.doubts == 0).then_some(Mark(self.settled))
    }

    /// The Raft task took an append of this leader.
    pub fn taken(&mut self, leader: VoteState, mark: Option<Mark>) {
        if mark.is_some() && mark == self.mark() && leader.term == self.heard {
            self.leader = Some(leader);
        }
    }

    /// The Raft task is about to be asked for a vote or an election.
    pub fn doubt(&mut self) {
        self.doubts = self.doubts.saturating_add(1);
        self.leader = None;
    }

    /// It has been asked: whatever is handed to it from now on comes behind that.
    pub fn settle(&mut self) {
        self.doubts = self.doubts.saturating_sub(1);
        self.settled = self.settled.wrapping_add(1);
    }

    /// The Raft task ended.
    pub fn forget(&mut self) {
        self.leader = None;
    }

    /// Whether this leader is surely followed.
    pub fn is(&self, leader: VoteState) -> bool {
        self.doubts == 0 && self.leader == Some(leader)
    }
}
