//! Where an entry stands in a group's log, and for whom a replica has voted: what the room of Raft, leases, messages and formats
//! share, without openraft's types.

use std::fmt;

use quorate_placement::topology::ReplicaId;

/// A place in a group's log: a term's leader writes at most one entry at an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition {
    /// Term of the leader that wrote the entry.
    pub term: u64,
    /// Index of the entry.
    pub index: u64,
}

impl LogPosition {
    /// Where every fresh range starts: applied and purged up to here, without entries.
    pub const SEED: Self = Self { term: 1, index: 10 };
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.term, self.index)
    }
}

/// For whom a replica has voted in a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VoteState {
    /// The term.
    pub term: u64,
    /// The candidate; 0 is nobody.
    pub candidate: ReplicaId,
    /// Whether a quorum voted so: the candidate leads the term.
    pub is_committed: bool,
}
