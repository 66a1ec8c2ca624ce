//! What the machine tells whoever answers requests: all that it knows of them.

use quorate_engine::hlc::Timestamp;

use crate::raft::LeaseObserver;

/// What has happened in the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineEvent {
    /// Somebody before has read up to here: an EndLease or a split that is applied says so. No write may come at or below it.
    ReadBefore {
        /// The newest of these reads.
        upto: Timestamp,
    },
    /// Another descriptor was published: bounds, replicas, or all of it.
    DescriptorChanged,
    /// A leader's first entry was applied: so is everything of earlier terms.
    BlankApplied {
        /// The leader's term.
        term: u64,
    },
    /// The Raft task has ended, by itself: nobody leads by it any more.
    TaskEnded,
}

/// Learns what happens in the machine, and what a lease is made of. Called from within the Raft task: it must be quick, and must
/// not call back into that.
pub trait Listener: LeaseObserver {
    /// Something has happened.
    fn tell(&self, event: MachineEvent);
}
