//! Who may vote, stand for election and serve: the clockwork of one replica, pure.
//!
//! ```text
//!             acknowledges (or sends, as leader)
//!                        │ promise: no vote, no election
//!                        ├───────────────────────────────┤ +1.0 s    ├─ election at +0..0.3 s
//!   leader's send  │ lease: may serve      │ +0.7 s
//!                  ├───────────────────────┤
//! ```
//!
//! Everything that moves the state is an [`Event`] with the time at which it happened; what has to be done about it is
//! an [`Effect`]. Time is microseconds of a clock that counts suspended time.
//!
//! Invariants (design.md section 6; stories 4, 11, 17, 18 of section 14):
//! - The promise is recorded before the acknowledgement leaves, and outlives the Raft task: this state belongs to the
//!   replica, not to openraft.
//! - A heartbeat is acknowledged without the Raft task only by a replica that surely follows its leader ([`following`]).
//! - A leader whose Raft task reaches no quorum loses its lease in the end, whatever is acknowledged past it.
//! - A replica opened from disk behaves as if it had acknowledged something at that moment.
//! - A lease counts from the time of sending, is held only in the term whose own blank entry is applied, and never
//!   once handed over.

pub mod breaker;
pub mod following;
pub mod timing;

use std::collections::BTreeMap;

use quorate_placement::topology::ReplicaId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::log_position::VoteState;
use crate::safeguard::{self, Safeguard};
use following::{Following, Mark};
use timing::Timing;

/// What happened to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An append or heartbeat of a leader came in, and is about to be handed to the group.
    AppendArrived {
        /// Term of its leader.
        term: u64,
    },
    /// An append was taken by the Raft task: the acknowledgement is about to leave.
    AcknowledgementLeaves {
        /// The leader's vote.
        leader: VoteState,
        /// [`LeaseState::mark`], as it was when the append came in.
        mark: Option<Mark>,
    },
    /// A heartbeat that tells nothing new came in, and this replica has all that its leader has.
    BeatArrived {
        /// The leader's vote.
        leader: VoteState,
    },
    /// The Raft task was handed the vote request that was admitted, or asked for the election that was due.
    Asked,
    /// Someone asks for this replica's vote. `pre` votes bind nobody.
    VoteArrived {
        /// Only asked whether it would be given.
        pre: bool,
        /// The promise is void: see [`HandOver`].
        hand_over: Option<HandOver>,
    },
    /// This replica is about to send an append or heartbeat: it promises, unless it has handed over.
    Sent,
    /// A peer acknowledged what this leader had sent at `sent_at`.
    Acknowledged {
        /// The peer.
        by: ReplicaId,
        /// Term of the acknowledged message.
        term: u64,
        /// Stamp of its sending.
        sent_at: u64,
    },
    /// A peer took a heartbeat of a busy group that this leader had sent at `sent_at` beside its Raft task.
    TakenBeside {
        /// The peer.
        by: ReplicaId,
        /// Term of the heartbeat.
        term: u64,
        /// Stamp of its sending.
        sent_at: u64,
    },
    /// This replica was elected: its vote for itself is committed.
    Elected {
        /// The new term.
        term: u64,
    },
    /// Another leads now, or nobody.
    Deposed,
    /// This replica applied its own blank entry of a term.
    BlankApplied {
        /// The term.
        term: u64,
    },
    /// This leader is about to hand over: it serves no more in this term.
    HandingOver,
    /// Stand as soon as the promise allows it, without waiting at random: told to one replica of a fresh group.
    Campaign,
    /// Time passed.
    Tick {
        /// Whether this replica has a vote, and its group works.
        can_stand: bool,
        /// The last entry of the log hands over, and the vote is still that of its leader.
        hand_over: Option<HandOver>,
    },
}

impl Event {
    /// Whether it may bring the next due moment forward (see [`LeaseState::due_at`]).
    pub fn may_hasten(&self) -> bool {
        match self {
            // A heartbeat is admitted only after an append of its leader, which has ended all waiting for a next round.
            Self::Sent
            | Self::Acknowledged { .. }
            | Self::TakenBeside { .. }
            | Self::AcknowledgementLeaves { .. }
            | Self::BeatArrived { .. }
            | Self::Asked => false,
            Self::AppendArrived { .. }
            | Self::VoteArrived { .. }
            | Self::Elected { .. }
            | Self::Deposed
            | Self::BlankApplied { .. }
            | Self::HandingOver
            | Self::Campaign
            | Self::Tick { .. } => true,
        }
    }
}

/// The last log entry is an EndLease of this term's leader, and the stored vote is still that leader's: the promise is
/// void, for one vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandOver {
    /// Term of the EndLease.
    pub term: u64,
}

/// What has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Hand the vote request to the group, and say [`Event::Asked`] then, unless it binds nobody. Acknowledge the
    /// heartbeat: it is promised.
    Admit,
    /// Refuse the vote request: a promise stands. Leave the heartbeat to the group: nothing is promised.
    Refuse,
    /// Send a heartbeat to all peers.
    Heartbeat,
    /// Stand for election (after asking whether the others would vote); say [`Event::Asked`] then.
    Elect,
}

/// Who counts for a quorum; answers for the effective membership, joint ones too.
pub trait Quorum {
    /// The newest of these stamps that a quorum has reached; `None` where none has.
    fn newest(&self, stamps: &dyn Fn(ReplicaId) -> Option<u64>) -> Option<u64>;

    /// Whether this replica is the only voter.
    fn is_single_voter(&self) -> bool;
}

/// A replica that was just created stands by itself only after this many times the promise's length: on a machine that is
/// busy many times over the campaigner's first append takes seconds, and whoever stands meanwhile takes its votes away.
const FRESH_PROMISES: u64 = 4;
/// The pause between election rounds doubles at most this often: to 1.2 s, longer than any round that can be won.
const RETRY_DOUBLINGS_MAX: u32 = 3;

/// Promise, election timer and lease of one replica.
#[derive(Debug)]
pub struct LeaseState {
    me: ReplicaId,
    timing: Timing,
    random: StdRng,
    /// Last acknowledgement sent, or own send; the opening counts as one. `None` for a replica without past.
    promised_at: Option<u64>,
    /// Term of the EndLease whose one vote was given away.
    hand_over_used: Option<u64>,
    /// Added to the promise's end before the next election.
    jitter: u64,
    /// No election before this, after a round that led to nothing.
    retry_at: u64,
    /// Rounds that led to nothing, one after the other.
    lost_rounds: u32,
    /// When a leader with a quorum was last seen, or when this replica was opened.
    evidence_at: u64,
    /// The term whose blank entry is applied.
    blank_applied: Option<u64>,
    following: Following,
    leader: Option<Leader>,
}

/// What a leader knows.
#[derive(Debug)]
struct Leader {
    term: u64,
    elected_at: u64,
    /// Newest send time that each peer acknowledged in this term.
    acknowledged: BTreeMap<ReplicaId, u64>,
    /// The same, of what the Raft task had sent, or need not send.
    told: BTreeMap<ReplicaId, u64>,
    next_heartbeat: u64,
    pause: Pause,
    handed_over: bool,
}

/// Whether a leader sends heartbeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// As usual.
    Sending,
    /// Not until then.
    Paused { until: u64 },
    /// One round was sent; another pause begins then if it is not acknowledged.
    Probing { until: u64 },
}

impl LeaseState {
    /// A replica opened from disk: what it promised before is not known, so it promises anew.
    pub fn opened(me: ReplicaId, timing: Timing, seed: u64, now: u64) -> Self {
        Self { promised_at: Some(now), ..Self::after_promises(1, me, timing, seed, now) }
    }

    /// The right side of a split on this node. What it may have promised before a power cut that took the split's apply
    /// away was promised before the store was opened, at `opened_at`.
    pub fn born(me: ReplicaId, timing: Timing, seed: u64, (opened_at, now): (u64, u64)) -> Self {
        Self { promised_at: Some(opened_at), ..Self::after_promises(1, me, timing, seed, now) }
    }

    /// A replica just created: it has promised nothing, and may vote at once. It leaves time to the one that is told to
    /// campaign, and to peers that are still created.
    pub fn fresh(me: ReplicaId, timing: Timing, seed: u64, now: u64) -> Self {
        Self::after_promises(FRESH_PROMISES, me, timing, seed, now)
    }

    /// A replica that stands by itself after this many times the promise's length, at random.
    fn after_promises(promises: u64, me: ReplicaId, timing: Timing, seed: u64, now: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let jitter = random.random_range(0..=timing.election_spread);
        Self {
            me,
            timing,
            random,
            promised_at: None,
            hand_over_used: None,
            jitter,
            retry_at: now + promises * timing.vote_promise + jitter,
            lost_rounds: 0,
            evidence_at: now,
            blank_applied: None,
            following: Following::default(),
            leader: None,
        }
    }

    /// Takes note of an event, and says what to do.
    pub fn step(&mut self, now: u64, event: Event, quorum: &dyn Quorum) -> Option<Effect> {
        let before = (self.promised_at, self.hand_over_used, self.blank_applied);
        let effect = self.take(now, event, quorum);
        assert!(self.promised_at >= before.0, "a promise is never shortened");
        assert!(
            self.hand_over_used >= before.1,
            "a hand-over is used once, and none of an earlier term after it"
        );
        assert!(self.blank_applied >= before.2, "what is applied stays applied");
        effect
    }

    fn take(&mut self, now: u64, event: Event, quorum: &dyn Quorum) -> Option<Effect> {
        match event {
            Event::AppendArrived { term } => {
                self.follow(now);
                self.following.heard(term);
                None
            }
            Event::AcknowledgementLeaves { leader, mark } => {
                self.follow(now);
                self.following.taken(leader, mark);
                None
            }
            Event::BeatArrived { leader } => {
                if !self.following.is(leader) && safeguard::holds(Safeguard::BeatsOfFollowers) {
                    return Some(Effect::Refuse);
                }
                self.follow(now);
                Some(Effect::Admit)
            }
            Event::Asked => {
                self.following.settle();
                None
            }
            Event::VoteArrived { pre, hand_over } => Some(self.vote(now, pre, hand_over, quorum)),
            Event::Sent => {
                // Whoever has handed over has no lease for which to promise, and goes on sending for as long as a peer lacks
                // anything: one that is gone for good would keep it from voting for the others.
                if !self.is_handing_over() || !safeguard::holds(Safeguard::SentBehindHandOver) {
                    self.promise(now);
                }
                None
            }
            Event::Acknowledged { by, term, sent_at } => {
                self.acknowledged(now, by, term, sent_at);
                self.told(by, term, sent_at);
                None
            }
            Event::TakenBeside { by, term, sent_at } => {
                self.acknowledged(now, by, term, sent_at);
                None
            }
            Event::Elected { term } => {
                self.elected(now, term);
                None
            }
            Event::Deposed => {
                self.leader = None;
                self.following.forget();
                None
            }
            Event::BlankApplied { term } => {
                self.blank_applied = self.blank_applied.max(Some(term));
                None
            }
            Event::HandingOver => {
                if let Some(leader) = &mut self.leader {
                    leader.handed_over = true;
                }
                assert!(
                    self.lease_until(now, quorum).is_none(),
                    "who hands over serves no more in this term"
                );
                None
            }
            Event::Campaign => {
                self.retry_at = 0;
                self.lost_rounds = 0;
                self.jitter = 0;
                self.tick_follower(now, true, None, quorum)
            }
            Event::Tick { can_stand, hand_over } => self.tick(now, can_stand, hand_over, quorum),
        }
    }

    /// Until when this replica may serve: `None` where it may not at all. The caller compares with a time read after
    /// all else was done.
    pub fn lease_until(&self, now: u64, quorum: &dyn Quorum) -> Option<u64> {
        let leader = self.leader.as_ref()?;
        if leader.handed_over || self.blank_applied != Some(leader.term) {
            return None;
        }
        let stamp = self.quorum_stamp(now, leader, quorum)?;
        assert!(stamp <= now, "a lease counts from a time of sending, which is over");
        let until = stamp.saturating_add(self.timing.lease_duration);
        assert!(
            until < stamp.saturating_add(self.timing.vote_promise),
            "a lease ends before the promises that it rests on"
        );
        Some(until)
    }

    /// Term that this replica leads, if it leads.
    pub fn leads(&self) -> Option<u64> {
        self.leader.as_ref().map(|leader| leader.term)
    }

    /// Whether this leader has begun to hand over.
    pub fn is_handing_over(&self) -> bool {
        self.leader.as_ref().is_some_and(|leader| leader.handed_over)
    }

    /// Whether this leader has stopped sending, so that another can be elected.
    pub fn is_paused(&self) -> bool {
        self.leader.as_ref().is_some_and(|leader| matches!(leader.pause, Pause::Paused { .. }))
    }

    /// End of the promise not to vote; `None` where there is none.
    pub fn promise_until(&self) -> Option<u64> {
        self.promised_at.map(|at| at.saturating_add(self.timing.vote_promise))
    }

    /// When this replica last had a quorum behind it, or heard of a leader, as of the last tick.
    pub fn evidence_at(&self) -> u64 {
        self.evidence_at
    }

    /// [`LeaseState::evidence_at`] as of now.
    pub fn evidence(&self, now: u64, quorum: &dyn Quorum) -> u64 {
        let seen = self.leader.as_ref().and_then(|leader| self.quorum_stamp(now, leader, quorum));
        self.evidence_at.max(seen.unwrap_or(0))
    }

    /// When a peer last acknowledged something that this leader had sent: the time of sending.
    pub fn acknowledged_at(&self, peer: ReplicaId) -> Option<u64> {
        self.leader.as_ref()?.acknowledged.get(&peer).copied()
    }

    /// For an append that is about to be handed to the Raft task: see [`Event::AcknowledgementLeaves`].
    pub fn mark(&self) -> Option<Mark> {
        self.following.mark()
    }

    /// The next moment at which a tick can have an effect: until then it is a comparison.
    pub fn due_at(&self) -> u64 {
        match &self.leader {
            Some(Leader { pause: Pause::Paused { until } | Pause::Probing { until }, .. }) => *until,
            Some(leader) => leader.next_heartbeat,
            None => self.election_at(),
        }
    }

    /// A leader is heard of, and promised to.
    fn follow(&mut self, now: u64) {
        self.promise(now);
        self.evidence_at = self.evidence_at.max(now);
        self.retry_at = 0;
        self.lost_rounds = 0;
    }

    fn promise(&mut self, now: u64) {
        self.promised_at = self.promised_at.max(Some(now));
    }

    fn vote(&mut self, now: u64, pre: bool, hand_over: Option<HandOver>, quorum: &dyn Quorum) -> Effect {
        if !self.promise_is_over(now, quorum) {
            match hand_over {
                Some(HandOver { term }) if self.hand_over_used < Some(term) => {
                    if !pre {
                        self.hand_over_used = Some(term);
                    }
                }
                Some(_) | None => return Effect::Refuse,
            }
        }
        if !pre {
            // Whoever may have been given the vote gets the time to win before this replica stands against it.
            self.retry_at = self.retry_at.max(now + self.timing.retry_max);
            self.following.doubt();
        }
        Effect::Admit
    }

    fn promise_is_over(&self, now: u64, quorum: &dyn Quorum) -> bool {
        quorum.is_single_voter()
            || self.promise_until().is_none_or(|until| now >= until)
            || !safeguard::holds(Safeguard::VotePromise)
    }

    fn acknowledged(&mut self, now: u64, by: ReplicaId, term: u64, sent_at: u64) {
        assert!(sent_at <= now, "nothing is acknowledged before it was sent");
        let Some(leader) = &mut self.leader else { return };
        if leader.term == term {
            let newest = leader.acknowledged.entry(by).or_insert(sent_at);
            *newest = sent_at.max(*newest);
        }
    }

    fn told(&mut self, by: ReplicaId, term: u64, sent_at: u64) {
        let Some(leader) = self.leader.as_mut().filter(|leader| leader.term == term) else { return };
        let newest = leader.told.entry(by).or_insert(sent_at);
        *newest = sent_at.max(*newest);
    }

    /// Whether this leader sends heartbeats beside its Raft task: not for long where that reaches no quorum any more, so
    /// that another leads where it has stopped for good.
    pub fn may_beat_beside(&self, now: u64, quorum: &dyn Quorum) -> bool {
        let Some(leader) = &self.leader else { return false };
        let told = quorum.newest(&|replica| {
            if replica == self.me { Some(now) } else { leader.told.get(&replica).copied() }
        });
        now < told.unwrap_or(0).max(leader.elected_at).saturating_add(self.timing.beside)
    }

    fn elected(&mut self, now: u64, term: u64) {
        if self.leads() == Some(term) {
            return;
        }
        assert!(self.leads() < Some(term), "terms only rise");
        self.evidence_at = now;
        self.leader = Some(Leader {
            term,
            elected_at: now,
            acknowledged: BTreeMap::new(),
            told: BTreeMap::new(),
            next_heartbeat: now,
            pause: Pause::Sending,
            handed_over: false,
        });
    }

    fn tick(
        &mut self,
        now: u64,
        can_stand: bool,
        hand_over: Option<HandOver>,
        quorum: &dyn Quorum,
    ) -> Option<Effect> {
        if self.leader.is_some() {
            self.tick_leader(now, quorum)
        } else {
            self.tick_follower(now, can_stand, hand_over, quorum)
        }
    }

    fn tick_follower(
        &mut self,
        now: u64,
        can_stand: bool,
        hand_over: Option<HandOver>,
        quorum: &dyn Quorum,
    ) -> Option<Effect> {
        if !can_stand || now < self.retry_at {
            return None;
        }
        let handed = hand_over.filter(|hand_over| self.hand_over_used < Some(hand_over.term));
        let due = if quorum.is_single_voter() { 0 } else { self.election_at() };
        if handed.is_none() && now < due {
            return None;
        }
        // Standing is voting for oneself.
        if let Some(HandOver { term }) = handed {
            self.hand_over_used = Some(term);
        }
        self.retry_at = now + self.retry_pause();
        self.jitter = self.random.random_range(0..=self.timing.election_spread);
        self.following.doubt();
        Some(Effect::Elect)
    }

    /// A new round throws the last one away, so that rounds that are slower than the pause, as on a disk whose syncs
    /// take long, would never end: the pause doubles from lost round to lost round.
    fn retry_pause(&mut self) -> u64 {
        let pause = self.random.random_range(self.timing.retry_min..=self.timing.retry_max);
        let pause = pause << self.lost_rounds.min(RETRY_DOUBLINGS_MAX);
        self.lost_rounds = self.lost_rounds.saturating_add(1);
        pause
    }

    fn tick_leader(&mut self, now: u64, quorum: &dyn Quorum) -> Option<Effect> {
        let leader = self.leader.as_ref()?;
        let seen = self.quorum_stamp(now, leader, quorum).unwrap_or(0).max(leader.elected_at);
        let timing = self.timing;
        self.evidence_at = self.evidence_at.max(seen);
        let leader = self.leader.as_mut()?;
        if leader.handed_over {
            // The others' promises end by themselves, should the hand-over fail.
            return None;
        }
        match leader.pause {
            Pause::Sending | Pause::Probing { .. } if seen + timing.quorum_pause > now => {
                leader.pause = Pause::Sending;
                if now < leader.next_heartbeat {
                    return None;
                }
                leader.next_heartbeat = timing.next_heartbeat(now);
                assert!(leader.next_heartbeat > now, "the next heartbeat is still to come");
                Some(Effect::Heartbeat)
            }
            Pause::Probing { until } if now < until => None,
            Pause::Sending | Pause::Probing { .. } => {
                leader.pause = Pause::Paused { until: now + timing.quorum_pause };
                None
            }
            Pause::Paused { until } if now < until => None,
            Pause::Paused { .. } => {
                leader.pause = Pause::Probing { until: now + timing.lease_duration };
                leader.next_heartbeat = timing.next_heartbeat(now);
                Some(Effect::Heartbeat)
            }
        }
    }

    /// The newest time of sending that a quorum has acknowledged. This replica is as good as its newest send, which
    /// is at least as new as anything that others acknowledged.
    fn quorum_stamp(&self, now: u64, leader: &Leader, quorum: &dyn Quorum) -> Option<u64> {
        quorum.newest(&|replica| {
            if replica == self.me { Some(now) } else { leader.acknowledged.get(&replica).copied() }
        })
    }

    fn election_at(&self) -> u64 {
        let promised = self.promise_until().map_or(0, |until| until.saturating_add(self.jitter));
        promised.max(self.retry_at)
    }
}

#[cfg(test)]
mod tests;
