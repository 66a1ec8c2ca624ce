//! The lease's clockwork, driven: by the store's ticker, by what comes in, and by what the machine tells.
//!
//! What it says is done here: heartbeats, elections. What it decides is in [`crate::lease`].

use std::sync::Arc;
use std::sync::atomic::Ordering;

use metrics::{Unit, counter, describe_counter};
use quorate_placement::topology::ReplicaId;

use super::Serving;
use super::beats::Beats;
use crate::lease::{Effect, Event, Quorum};
use crate::membership::GroupMembership;
use crate::raft::{LogCut, RaftGroup, Rest};

/// A follower that acknowledged nothing for so many microseconds is not waited for with the log.
const FOLLOWER_LIVE_MICROS: u64 = 3_000_000;
/// How often replicas of this node stood for election.
const ELECTIONS: &str = "quorate_raft_elections_total";

/// Says what the metrics of this file mean.
pub(crate) fn describe_metrics() {
    let help = "Elections in which replicas of this node stood by themselves: having heard of no leader (silence), behind the \
                end of their leader's lease (hand_over), or told to lead a new range (new_range)";
    describe_counter!(ELECTIONS, Unit::Count, help);
}

/// The members of a group, as a quorum, seen by one of its replicas.
pub(super) struct Members {
    /// Who they are.
    pub group: Arc<GroupMembership>,
    /// Who looks.
    pub me: ReplicaId,
}

impl Quorum for Members {
    fn newest(&self, stamps: &dyn Fn(ReplicaId) -> Option<u64>) -> Option<u64> {
        self.group.quorum_newest(stamps)
    }

    /// A group that knows its members not yet is none of a single voter: that would void a promise.
    fn is_single_voter(&self) -> bool {
        let mut sets = self.group.voters.iter().peekable();
        sets.peek().is_some() && sets.all(|voters| voters.len() == 1 && voters.contains(&self.me))
    }
}

/// For events that do not ask for a quorum.
pub(super) struct Nobody;

impl Quorum for Nobody {
    fn newest(&self, _: &dyn Fn(ReplicaId) -> Option<u64>) -> Option<u64> {
        None
    }

    fn is_single_voter(&self) -> bool {
        false
    }
}

impl Serving {
    /// Lets the lease's clockwork take a step that needs no quorum.
    pub(super) fn note(&self, event: Event) {
        // Heartbeats that come in mean nothing to whoever waits here for a lease.
        let is_told = !matches!(event, Event::AppendArrived { .. } | Event::AcknowledgementLeaves { .. });
        self.step_lease(event, &Nobody);
        if is_told {
            self.changed.notify_waiters();
        }
    }

    /// Lets the lease's clockwork take a step.
    pub(super) fn step_lease(&self, event: Event, quorum: &dyn Quorum) -> Option<Effect> {
        let mut lease = self.lease.lock();
        if event.may_hasten() {
            self.due_hint.store(0, Ordering::Relaxed);
        }
        lease.step(self.shared.now(), event, quorum)
    }

    /// What nobody needs of the log, if that is worth a cut.
    pub fn next_cut(&self) -> Option<LogCut> {
        let now = self.shared.now();
        let is_live = |peer: ReplicaId| {
            let heard = self.lease.lock().acknowledged_at(peer);
            heard.is_some_and(|at| now.saturating_sub(at) < FOLLOWER_LIVE_MICROS)
        };
        self.machine.group()?.next_cut(&is_live)
    }

    /// Who belongs to the group, for the lease's clockwork.
    pub(super) fn members(&self, group: &RaftGroup) -> Members {
        Members { group: group.membership(), me: self.replica_id }
    }

    /// What the store's ticker calls all the time: two comparisons, unless somebody waits or something is due.
    /// A heartbeat that its Raft task need not send is added to `beats`.
    pub fn tick(self: &Arc<Self>, now: u64, beats: &mut Beats) {
        self.look_at_breaker(now);
        if now < self.due_hint.load(Ordering::Relaxed) || !self.is_due(now) {
            return;
        }
        let Some(group) = self.machine.group() else { return };
        // Of a busy group what others look at all the time is left alone: whoever holds it may wait for its turn for long.
        let leads = self.leads();
        let is_busy = leads && group.take_busy();
        let known = if is_busy { group.membership_seen() } else { group.membership() };
        let members = Members { group: known, me: self.replica_id };
        let votes = members.group.voters.iter().any(|voters| voters.contains(&self.replica_id));
        let (can_stand, hand_over) =
            if leads { (votes, None) } else { (votes && self.may_stand(now), self.hand_over(&group)) };
        let reason = if hand_over.is_some() { "hand_over" } else { "silence" };
        match self.step_lease(Event::Tick { can_stand, hand_over }, &members) {
            Some(Effect::Heartbeat) => {
                let rest = if is_busy { None } else { group.rest(now) };
                self.beat(now, (group, rest), &members, beats);
            }
            Some(Effect::Elect) => self.stand(group, reason),
            Some(Effect::Admit | Effect::Refuse) | None => {}
        }
    }

    /// Sends this leader's heartbeats past its Raft task; what that has to tell of a busy group comes beside them.
    fn beat(
        self: &Arc<Self>,
        now: u64,
        (group, rest): (Arc<RaftGroup>, Option<Rest>),
        members: &Members,
        beats: &mut Beats,
    ) {
        if let Some(Rest { term, last, peers }) = rest {
            return self.add_beats((term, Some(last)), peers.into_iter(), &group, beats);
        }
        let term = {
            let lease = self.lease.lock();
            lease.leads().filter(|_| lease.may_beat_beside(now, members))
        };
        if let Some(term) = term {
            let others = members.group.nodes.iter().filter(|(replica, _)| **replica != self.replica_id);
            self.add_beats((term, None), others.map(|(replica, node)| (*replica, *node)), &group, beats);
        }
        self.shared.blocking.tasks().ordinary(async move { group.heartbeat().await });
    }

    fn is_due(&self, now: u64) -> bool {
        let lease = self.lease.lock();
        let due_at = lease.due_at();
        if now < due_at {
            self.due_hint.store(due_at, Ordering::Relaxed);
        }
        drop(lease);
        now >= due_at
    }

    /// Stands for election as soon as no promise forbids it, unless it leads: one replica of a fresh range is told to.
    pub fn campaign(self: &Arc<Self>) {
        if self.leads() {
            return;
        }
        let Some(group) = self.machine.group() else { return };
        if self.step_lease(Event::Campaign, &self.members(&group)) == Some(Effect::Elect) {
            self.stand(group, "new_range");
        }
    }

    fn stand(self: &Arc<Self>, group: Arc<RaftGroup>, reason: &'static str) {
        counter!(ELECTIONS, "reason" => reason).increment(1);
        let this = Arc::clone(self);
        self.shared.blocking.tasks().ordinary(async move {
            group.elect().await;
            this.note(Event::Asked);
        });
    }

    /// Ends the replica: when this returns it writes nothing any more.
    pub async fn shutdown(&self) {
        self.machine.forbid();
        self.note(Event::Deposed);
        self.machine.shutdown().await;
        self.changed.notify_waiters();
    }
}
