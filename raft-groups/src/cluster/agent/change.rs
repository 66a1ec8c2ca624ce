//! A change of one range's replicas, step by step: the state machine, pure. [`drive`] carries its steps out.
//!
//! ```text
//!   learner added ── created on its node ── caught up, by its own report ── joint ── final ── the removed one is collected
//! ```
//!
//! The range's leader runs it. Each step is decided from what the range is at that moment ([`Seen`]); kept in memory is
//! only what can be found out again. So whoever leads after a loss goes on from the range alone: a joint configuration
//! is finished, a learner is promoted where the same change is asked for again, and removed where it is not.
//!
//! Invariants: nothing begins on another generation than the one it was decided on; a learner is created only after its
//! id is committed, so that no id is ever two replicas'; a learner gets a vote only once it has said itself what it
//! holds on its disk; the leader hands over before it leaves; every step has a deadline.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use crate::local_ranges::ReplicaProgress as Progress;
use crate::raft::{ChangeError, LedMembers, MemberChange, MembersStamp};

pub(super) mod drive;

/// Entries that a learner may lack when it gets a vote: about what is under way at any moment.
pub(super) const CATCH_UP_LAG_MAX: u64 = 64;
/// Longest time without any step forward before a change is given up.
pub(super) const STEP_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for a node to remove the replica that it has lost: it finds out by itself, later.
pub(super) const COLLECT_TIMEOUT: Duration = Duration::from_secs(10);
const _: () = assert!(COLLECT_TIMEOUT.as_secs() < STEP_TIMEOUT.as_secs());

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cluster) struct Goal {
    /// The generation of the range on which this was decided.
    pub generation: u64,
    /// The node that is to get a replica.
    pub add: Option<NodeId>,
    /// The node that is to lose its replica.
    pub remove: Option<NodeId>,
}

/// A range, as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its generation.
    pub generation: u64,
    /// Id of the next replica.
    pub next_replica_id: ReplicaId,
    /// The leader's own replica.
    pub me: ReplicaId,
    /// Who belongs to it.
    pub members: LedMembers,
    /// Voters that do not answer.
    pub silent: BTreeSet<ReplicaId>,
}

impl Seen {
    fn replica_on(&self, node: NodeId) -> Option<ReplicaId> {
        self.members.membership.nodes.iter().find(|(_, at)| **at == node).map(|(id, _)| *id)
    }

    fn votes(&self, replica: ReplicaId) -> bool {
        self.members.membership.voters.iter().any(|voters| voters.contains(&replica))
    }

    fn node_of(&self, replica: ReplicaId) -> Option<NodeId> {
        self.members.membership.nodes.get(&replica).copied()
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ChangeStep {
    /// Change the members by one entry.
    Members { on: MembersStamp, change: MemberChange },
    /// Have a node create the empty replica that the members have there.
    Create { node: NodeId, replica: ReplicaId },
    /// Ask a learner how far it is.
    Ask { node: NodeId, replica: ReplicaId },
    /// Hand over to a voter on this node: the leader itself is to leave. This is the last step here.
    HandOver { to: NodeId },
    /// Tell a node that its replica is gone from the range.
    Collect { node: NodeId },
    /// Look again in a moment.
    Pause,
    /// All is as it was wanted.
    Done,
    /// It was not done; the range is as it was, or somebody will tidy up.
    Failed(String),
}

/// How far a change is, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Looking at the range.
    Beginning,
    /// The new replica is added to the range and created on its node.
    Adding,
    /// The new replica gets its data.
    CatchingUp,
    /// Votes are given and taken.
    Joining,
    /// The old replica is removed from its node.
    Collecting,
    /// It did not work out: the new replica is removed again.
    GivingUp,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Beginning => "beginning",
            Self::Adding => "adding the replica",
            Self::CatchingUp => "copying",
            Self::Joining => "giving it its vote",
            Self::Collecting => "removing the old replica",
            Self::GivingUp => "giving up",
        })
    }
}

/// One change under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReplicaChange {
    range_id: RangeId,
    goal: Goal,
    has_begun: bool,
    stage: Stage,
    /// When something was last achieved.
    forward_at: Duration,
    /// The learner that was created on its node.
    created: Option<ReplicaId>,
    /// What the learner said last, and when it was asked for the first time.
    progress: Option<(Progress, Duration)>,
    is_caught_up: bool,
    /// Why the learner leaves again.
    given_up: Option<String>,
    /// A node still to be told that its replica is gone, and until when.
    collect: Option<(NodeId, Duration)>,
}

impl ReplicaChange {
    /// A change that begins now.
    pub fn new(range_id: RangeId, goal: Goal, now: Duration) -> Self {
        Self {
            range_id,
            goal,
            has_begun: false,
            stage: Stage::Beginning,
            forward_at: now,
            created: None,
            progress: None,
            is_caught_up: false,
            given_up: None,
            collect: None,
        }
    }

    /// What is wanted.
    pub fn goal(&self) -> Goal {
        self.goal
    }

    /// How far it is.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// What the learner said last, and when it began to catch up.
    pub fn progress(&self) -> Option<(Progress, Duration)> {
        self.progress
    }

    /// The next step, given the range as it is; `None` where this node does not lead it.
    pub fn next(&mut self, now: Duration, seen: Option<&Seen>) -> ChangeStep {
        let Some(seen) = seen else {
            return ChangeStep::Failed(format!("{} is not led here any more", self.range_id));
        };
        if !self.has_begun && seen.generation != self.goal.generation {
            let (wanted, is) = (self.goal.generation, seen.generation);
            return ChangeStep::Failed(format!(
                "{} has changed meanwhile: this was decided on generation {wanted}, it is {is}",
                self.range_id
            ));
        }
        self.has_begun = true;
        if let Some(step) = self.overdue(now) {
            return step;
        }
        if !seen.members.is_committed {
            return ChangeStep::Pause;
        }
        match seen.members.membership.voters.as_slice() {
            [_, last] => self.finish(seen, last),
            _ => self.advance(now, seen),
        }
    }

    /// Nothing has moved for too long.
    fn overdue(&mut self, now: Duration) -> Option<ChangeStep> {
        if now.saturating_sub(self.forward_at) < STEP_TIMEOUT {
            return None;
        }
        let reason =
            format!("{}: no step forward within {STEP_TIMEOUT:?} while {}", self.range_id, self.stage);
        match (self.given_up.take(), self.stage) {
            (None, Stage::Adding | Stage::CatchingUp) => {
                self.give_up(now, reason);
                None
            }
            (given_up, _) => Some(ChangeStep::Failed(given_up.unwrap_or(reason))),
        }
    }

    fn give_up(&mut self, now: Duration, reason: String) {
        self.given_up = Some(reason);
        self.forward_at = now;
        self.stage = Stage::GivingUp;
    }

    /// Two sets of voters: the second one takes over, whoever began it.
    fn finish(&mut self, seen: &Seen, last: &BTreeSet<ReplicaId>) -> ChangeStep {
        self.stage = Stage::Joining;
        if !last.contains(&seen.me) {
            return hand_over(seen, |replica| last.contains(&replica));
        }
        ChangeStep::Members { on: seen.members.stamp, change: MemberChange::Finish }
    }

    fn advance(&mut self, now: Duration, seen: &Seen) -> ChangeStep {
        let leaving = self.goal.remove.and_then(|node| Some((node, seen.replica_on(node)?)));
        if self.given_up.is_none()
            && let Some((_, leaving)) = leaving
            && leaving == seen.me
        {
            return hand_over(seen, |replica| replica != leaving);
        }
        let added = self.goal.add.map(|node| (node, seen.replica_on(node)));
        if let Some(reason) = self.given_up.clone() {
            return self.tidy_up(now, seen, added, reason);
        }
        match added {
            Some((node, None)) => self.add(seen, node),
            Some((node, Some(replica))) if !seen.votes(replica) => {
                self.catch_up(seen, node, replica).unwrap_or_else(|| self.join(seen, Some(replica), leaving))
            }
            Some((_, Some(_))) | None => self.remove(now, seen, leaving),
        }
    }

    fn add(&mut self, seen: &Seen, node: NodeId) -> ChangeStep {
        self.stage = Stage::Adding;
        // A learner left behind on the same node by an earlier attempt has gone: its id is used up.
        (self.created, self.progress, self.is_caught_up) = (None, None, false);
        let change = MemberChange::AddLearner { replica: seen.next_replica_id, node };
        ChangeStep::Members { on: seen.members.stamp, change }
    }

    /// What is missing before the learner may vote.
    fn catch_up(&mut self, seen: &Seen, node: NodeId, replica: ReplicaId) -> Option<ChangeStep> {
        if self.created != Some(replica) {
            self.stage = Stage::Adding;
            return Some(ChangeStep::Create { node, replica });
        }
        let lacks =
            self.progress.map(|(progress, _)| seen.members.committed.saturating_sub(progress.applied));
        if self.is_caught_up && lacks.is_some_and(|lacks| lacks <= CATCH_UP_LAG_MAX) {
            return None;
        }
        self.stage = Stage::CatchingUp;
        Some(ChangeStep::Ask { node, replica })
    }

    fn join(
        &mut self,
        seen: &Seen,
        promote: Option<ReplicaId>,
        leaving: Option<(NodeId, ReplicaId)>,
    ) -> ChangeStep {
        self.stage = Stage::Joining;
        let remove = leaving.map(|(_, replica)| replica).filter(|replica| seen.votes(*replica));
        let change = MemberChange::Join {
            promote: promote.into_iter().collect(),
            remove: remove.into_iter().collect(),
        };
        ChangeStep::Members { on: seen.members.stamp, change }
    }

    fn remove(&mut self, now: Duration, seen: &Seen, leaving: Option<(NodeId, ReplicaId)>) -> ChangeStep {
        match leaving {
            Some((_, replica)) if seen.votes(replica) => self.join(seen, None, leaving),
            Some((_, replica)) => {
                ChangeStep::Members { on: seen.members.stamp, change: MemberChange::RemoveLearner(replica) }
            }
            None => self.collect(now, self.goal.remove).unwrap_or(ChangeStep::Done),
        }
    }

    fn tidy_up(
        &mut self,
        now: Duration,
        seen: &Seen,
        added: Option<(NodeId, Option<ReplicaId>)>,
        reason: String,
    ) -> ChangeStep {
        match added {
            Some((_, Some(replica))) if !seen.votes(replica) => {
                ChangeStep::Members { on: seen.members.stamp, change: MemberChange::RemoveLearner(replica) }
            }
            Some((node, None)) => self.collect(now, Some(node)).unwrap_or(ChangeStep::Failed(reason)),
            Some((_, Some(_))) | None => ChangeStep::Failed(reason),
        }
    }

    /// Has the node told, until it answers or the time for that is over.
    fn collect(&mut self, now: Duration, node: Option<NodeId>) -> Option<ChangeStep> {
        let node = node?;
        let (_, until) = *self.collect.get_or_insert((node, now.saturating_add(COLLECT_TIMEOUT)));
        if now >= until {
            return None;
        }
        if self.given_up.is_none() {
            self.stage = Stage::Collecting;
        }
        Some(ChangeStep::Collect { node })
    }

    /// What became of a change of members.
    pub fn changed(&mut self, now: Duration, result: Result<(), ChangeError>) -> Option<ChangeStep> {
        match result {
            Ok(()) => {
                self.forward_at = now;
                None
            }
            // Looking again shows what is true.
            Err(ChangeError::Stale(_) | ChangeError::NotNow(_) | ChangeError::Undecided(_)) => None,
            Err(error @ (ChangeError::Refused(_) | ChangeError::Fatal(_))) => {
                Some(ChangeStep::Failed(format!("{}: {error}", self.range_id)))
            }
        }
    }

    /// What became of the replica that a node should create. One that refuses will not change its mind.
    pub fn created(&mut self, now: Duration, replica: ReplicaId, result: Result<(), CreateError>) {
        match result {
            Ok(()) => {
                self.created = Some(replica);
                self.forward_at = now;
            }
            Err(CreateError::NotNow) => {}
            Err(CreateError::Refused(reason)) => {
                self.give_up(now, format!("{}: its node refused the replica: {reason}", self.range_id));
            }
        }
    }

    /// The node that was to get a replica will not come back as it was. A replica that votes is for repair.
    pub fn target_lost(&mut self, now: Duration, reason: &str) {
        if self.given_up.is_none() && matches!(self.stage, Stage::Adding | Stage::CatchingUp) {
            self.give_up(now, format!("{}: its new node is lost: {reason}", self.range_id));
        }
    }

    /// What a learner says of itself; nothing where it did not answer.
    pub fn reported(&mut self, now: Duration, committed: u64, progress: Option<Progress>) {
        let Some(progress) = progress else { return };
        let (before, since) = self.progress.unwrap_or((Progress::default(), now));
        let is_forward = progress.applied > before.applied || progress.bytes != before.bytes;
        if self.progress.is_none() || is_forward {
            self.forward_at = now;
        }
        self.progress = Some((progress, since));
        self.is_caught_up =
            progress.applied > 0 && committed.saturating_sub(progress.applied) <= CATCH_UP_LAG_MAX;
    }

    /// A node has collected its replica, or says that it has none.
    pub fn collected(&mut self, now: Duration) {
        if let Some((_, until)) = &mut self.collect {
            *until = now;
        }
    }
}

/// Why a node did not create a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CreateError {
    /// No answer, or something is in the way for the moment.
    NotNow,
    /// It never will.
    Refused(String),
}

/// To a voter that answers and passes the test; the lowest id of them, so that it is the same one next time.
fn hand_over(seen: &Seen, may_lead: impl Fn(ReplicaId) -> bool) -> ChangeStep {
    let able = |replica: &ReplicaId| {
        *replica != seen.me && may_lead(*replica) && seen.votes(*replica) && !seen.silent.contains(replica)
    };
    let target = seen.members.membership.nodes.keys().copied().find(able).and_then(|id| seen.node_of(id));
    match target {
        Some(to) => ChangeStep::HandOver { to },
        None => ChangeStep::Pause,
    }
}

#[cfg(test)]
mod tests;
