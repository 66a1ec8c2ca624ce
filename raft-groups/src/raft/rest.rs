//! When a group rests: its leader has nothing to tell but that it is there, and openraft need not know.
//!
//! ```text
//!   appends and heartbeats of openraft ── nothing new for a while ──▶ heartbeats past it
//!            ▲                                                             │
//!            └── a command is proposed (a round of openraft's heartbeats first), or a peer did not take one ──┘
//! ```
//!
//! What openraft misses meanwhile is the time at which a quorum answered: it takes no command while it believes that to
//! be long ago, hence the round before one. All else that it would learn from an answer is a reason not to rest.
//!
//! Invariant: while a group rests, all its members have all of the leader's log, and it is committed.

use std::time::Duration;

use openraft::Instant;
use openraft::async_runtime::watch::WatchReceiver;
use quorate_placement::topology::{NodeId, ReplicaId};

use super::convert::{position_of, vote_of};
use super::group::{RaftGroup, role_of};
use super::types::Role;
use crate::log_position::{LogPosition, VoteState};

/// How long nothing new was told before a group rests, in microseconds: one that is written more often never waits for
/// a round before a command.
const REST_AFTER: u64 = 2_000_000;

/// What a leader that rests says to its peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// The term that it leads.
    pub term: u64,
    /// Its last entry, which all have and which is committed.
    pub last: LogPosition,
    /// The other members, and their nodes.
    pub peers: Vec<(ReplicaId, NodeId)>,
}

/// Whether a group rests, and how long there has been nothing to tell.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    /// The last entry, and since when everybody has it.
    seen: Option<(LogPosition, u64)>,
    rests: bool,
}

impl Quiet {
    /// At `now` everybody has all up to here, and knows it; or there is something to tell. Gives back whether the group
    /// rests.
    fn observe(&mut self, now: u64, all_told: Option<LogPosition>) -> bool {
        let since = match (self.seen, all_told) {
            (Some((before, since)), Some(position)) if before == position => since,
            (_, _) => now,
        };
        self.seen = all_told.map(|position| (position, since));
        self.rests = all_told.is_some() && now.saturating_sub(since) >= REST_AFTER;
        self.rests
    }

    /// openraft is to be asked again for a while. Gives back whether the group rested.
    pub(super) fn stir(&mut self) -> bool {
        self.seen = None;
        std::mem::take(&mut self.rests)
    }
}

/// The last entry, if all have it and know that it is committed.
fn all_told(
    last: Option<LogPosition>,
    committed: Option<LogPosition>,
    mut matched: impl Iterator<Item = Option<LogPosition>>,
) -> Option<LogPosition> {
    (last == committed && matched.all(|matched| matched == last)).then_some(last).flatten()
}

impl RaftGroup {
    /// What this replica says to its peers without openraft, if it leads and its group rests; it is asked whenever a
    /// heartbeat is due, with the time in microseconds.
    pub fn rest(&self, now: u64) -> Option<Rest> {
        let view = self.view();
        let rests = self.quiet().lock().observe(now, view.as_ref().map(|rest| rest.last));
        view.filter(|_| rests)
    }

    /// What would be said, if there is nothing else to tell.
    fn view(&self) -> Option<Rest> {
        let metrics = self.metrics().borrow_watched();
        let (me, vote) = (self.replica_id(), vote_of(&metrics.vote));
        let leads = role_of(metrics.state) == Role::Leader && vote.is_committed && vote.candidate == me;
        let matched = metrics.replication.as_ref().filter(|_| leads)?;
        let members = metrics.membership_config.membership();
        let others = || members.nodes().filter(|(id, _)| **id != me.0);
        let matched = others().map(|(id, _)| matched.get(id)?.as_ref().map(position_of));
        let committed = metrics.local_committed.as_ref().map(position_of);
        let last = all_told(self.log().last(), committed, matched)?;
        let peers = others().map(|(id, node)| (ReplicaId(*id), NodeId(node.0))).collect();
        Some(Rest { term: vote.term, last, peers })
    }

    /// Ends the rest: a peer did not take what was said. openraft asks all of them, and learns why.
    pub async fn stir(&self) {
        if self.quiet().lock().stir() {
            self.heartbeat().await;
        }
    }

    /// Ends the rest before a command: waits until openraft knows that a quorum answers. Where none does in time, it
    /// refuses the command, as it would at any other time.
    pub async fn wake(&self) {
        if !self.quiet().lock().rests || self.leading_term().is_none() {
            return;
        }
        let is_sole = self.membership().is_single_voter();
        if !is_sole {
            self.heartbeat().await;
            let mut metrics = self.metrics().clone();
            let is_recent = |age: Duration| age < self.leader_lease() / 2;
            let answered = metrics.wait_until(|metrics| {
                metrics.last_quorum_acked.is_some_and(|at| is_recent(at.into_inner().elapsed()))
            });
            if tokio::time::timeout(self.leader_lease() / 2, answered).await.is_err() {
                return;
            }
        }
        self.quiet().lock().stir();
    }

    /// Whether this replica has all that a leader with nothing new to tell tells: its vote, and its last entry, on the
    /// disk and applied.
    pub fn has_all_of(&self, leader: VoteState, last: LogPosition) -> bool {
        self.applied() >= Some(last) && self.log().is_settled(leader, last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(index: u64) -> Option<LogPosition> {
        Some(LogPosition { term: 3, index })
    }

    #[test]
    fn everything_is_told_once_all_have_it_and_know_it() {
        let told = |last, committed, matched: &[Option<LogPosition>]| {
            all_told(last, committed, matched.iter().copied())
        };
        assert_eq!(told(at(9), at(9), &[at(9), at(9)]), at(9));
        assert_eq!(told(at(9), at(9), &[]), at(9), "a group of one");
        assert_eq!(told(at(9), at(9), &[at(9), at(8)]), None, "one is behind");
        assert_eq!(told(at(9), at(9), &[at(9), None]), None, "one has never answered");
        assert_eq!(told(at(9), at(8), &[at(9), at(9)]), None, "nobody was told of the commit");
        assert_eq!(told(at(8), at(9), &[at(9), at(9)]), None);
        assert_eq!(told(None, None, &[None]), None, "an empty log");
        let older = Some(LogPosition { term: 2, index: 9 });
        assert_eq!(told(at(9), at(9), &[at(9), older]), None, "another entry at that index");
    }

    #[test]
    fn group_rests_after_a_while_and_begins_anew_when_stirred() {
        let mut quiet = Quiet::default();
        assert!(!quiet.observe(1_000, at(9)));
        assert!(!quiet.observe(1_000 + REST_AFTER - 1, at(9)));
        assert!(quiet.observe(1_000 + REST_AFTER, at(9)) && quiet.rests);
        let later = 1_000 + 2 * REST_AFTER;
        assert!(!quiet.observe(later, at(10)), "another entry");
        assert!(quiet.observe(later + REST_AFTER, at(10)));
        assert!(!quiet.observe(later + REST_AFTER + 1, None), "something is to be told");
        assert!(!quiet.observe(later + REST_AFTER + 2, at(10)));
        assert!(quiet.observe(later + 3 * REST_AFTER, at(10)));
        assert!(quiet.stir() && !quiet.stir(), "it rested once");
        assert!(!quiet.observe(later + 4 * REST_AFTER, at(10)));
    }
}
