//! A replica that has met damage on its disk: it hands its lease over, does not stand again, and says so, until another
//! takes its place.
//!
//! ```text
//!   a read, its log, or the view of a snapshot cannot be read ─▶ marked, told once ─▶ EndLease to another voter
//!                                   └ whoever asked tries the others      └ reported ─▶ replaced (placement::repair)
//! ```
//!
//! It stays a voter, and follows: its log and its vote are what they were, and what it acknowledges is on its disk. What
//! it lacks is in what it has applied, and no follower is asked for that.
//!
//! Nothing is marked on the disk: the damage is still there after a start, and is met again.

use std::sync::Arc;
use std::time::Duration;

use metrics::Unit;
use parking_lot::Mutex;
use quorate_engine::store::{DamagedSpan, Family};
use quorate_placement::topology::NodeId;

use super::Serving;
use crate::api::RangeError;
use crate::holdings::holdings;
use crate::lease::Quorum;
use crate::local_ranges::LocalRangeError;
use crate::raft::group_bounds;
use crate::safeguard::{self, Safeguard};

/// Shortest pause between two attempts to hand over.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest such pause: it doubles, so that two damaged replicas do not hand over to each other all the time.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long nobody may have led before a damaged replica stands after all: it serves what it can.
const STANDS_AFTER: Duration = Duration::from_secs(10);

const DAMAGED: &str = "quorate_range_replicas_damaged_total";

/// What a replica knows of its damage.
#[derive(Default)]
pub struct Damage {
    state: Mutex<KnownDamage>,
}

#[derive(Default)]
struct KnownDamage {
    /// What was met first.
    detail: Option<Arc<str>>,
    is_handing_over: bool,
    /// No attempt to hand over before, in microseconds of the lease's clock.
    next_attempt: u64,
    attempts: u32,
}

impl Damage {
    /// What was met, if anything was.
    pub fn detail(&self) -> Option<Arc<str>> {
        self.state.lock().detail.clone()
    }

    /// Takes note; true where it is news.
    fn note(&self, detail: &str) -> bool {
        let mut state = self.state.lock();
        let is_news = state.detail.is_none();
        state.detail.get_or_insert_with(|| Arc::from(detail));
        is_news
    }

    /// Begins an attempt to hand over, if one is due; gives its number.
    fn begin(&self, now: u64) -> Option<u32> {
        let mut state = self.state.lock();
        if state.detail.is_none() || state.is_handing_over || now < state.next_attempt {
            return None;
        }
        state.is_handing_over = true;
        let pause = PAUSE_MIN.saturating_mul(1 << state.attempts.min(10)).min(PAUSE_MAX);
        state.next_attempt = now.saturating_add(micros(pause));
        state.attempts += 1;
        Some(state.attempts - 1)
    }

    fn end(&self) {
        self.state.lock().is_handing_over = false;
    }

    fn is_handing_over(&self) -> bool {
        self.state.lock().is_handing_over
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

pub(crate) fn describe_metrics() {
    metrics::describe_counter!(
        DAMAGED,
        Unit::Count,
        "Replicas that have met damage on this node's disk: each hands over and is made anew"
    );
}

impl Serving {
    /// Marks this replica as damaged, and begins to hand its lease over.
    pub(crate) fn met(self: &Arc<Self>, detail: &str) {
        self.mark_damaged(detail);
        self.tend_damage();
    }

    /// Marks this replica as damaged.
    pub(crate) fn mark_damaged(&self, detail: &str) {
        if !safeguard::holds(Safeguard::DamagedReplaced) || !self.damage.note(detail) {
            return;
        }
        metrics::counter!(DAMAGED).increment(1);
        tracing::error!(
            range = %self.range_id,
            replica = %self.replica_id,
            detail,
            "a replica is damaged: it does not lead any more, and is made anew from the others where there are any"
        );
    }

    /// Marks this replica where it holds something of these spans.
    pub(crate) fn mark_unreadable(&self, unreadable: &[DamagedSpan]) {
        let (start, end) = group_bounds(self.range_id);
        let spans = holdings(&self.machine.descriptor()).spans;
        let meets = |lost: &&DamagedSpan| {
            lost.meets(Family::Raft, &start, &end)
                || spans.iter().any(|span| lost.meets(span.family, &span.start, &span.end))
        };
        if let Some(lost) = unreadable.iter().find(meets) {
            self.mark_damaged(&lost.detail);
        }
    }

    /// What it has met, for a person, if it has met damage.
    pub(crate) fn damage_met(&self) -> Option<String> {
        self.damage.detail().map(|detail| detail.to_string())
    }

    /// Whether it has met damage.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damage.detail().is_some()
    }

    /// Its Raft task could not start for damage: it takes no part, and is listed until it is replaced.
    pub(crate) fn stop_damaged(&self, detail: &str) {
        tracing::error!(range = %self.range_id, replica = %self.replica_id, detail, "a damaged replica takes no part");
        self.machine.cannot_start(detail);
    }

    /// Whether this replica may stand for election: a damaged one only where nobody else leads.
    pub(super) fn may_stand(&self, now: u64) -> bool {
        self.damage.detail().is_none()
            || self.is_alone()
            || now.saturating_sub(self.lease.lock().evidence_at()) >= micros(STANDS_AFTER)
    }

    /// Whether there is no other voter.
    fn is_alone(&self) -> bool {
        self.machine.group().is_some_and(|group| self.members(&group).is_single_voter())
    }

    /// The error as whoever asked is to see it.
    pub(super) fn or_damaged(self: &Arc<Self>, error: RangeError) -> RangeError {
        let RangeError::Damaged(detail) = &error else { return error };
        self.damaged(detail)
    }

    /// What whoever asked is told, where damage came in the way: nothing was done.
    pub(super) fn damaged(self: &Arc<Self>, detail: &str) -> RangeError {
        if !safeguard::holds(Safeguard::DamagedReplaced) {
            return RangeError::Storage(detail.to_owned());
        }
        self.met(detail);
        if self.is_alone() {
            let range_id = self.range_id;
            return RangeError::Damaged(format!(
                "{range_id} has no other replica from which this could be read: {detail}"
            ));
        }
        if self.damage.is_handing_over() || !self.leads() {
            return RangeError::NotLeaseholder { range_id: self.range_id, leaseholder: None };
        }
        self.unavailable(format!("its leader's replica is damaged, and no other one can lead: {detail}"))
    }

    /// Hands over, where this replica is damaged and leads, and an attempt is due.
    pub(crate) fn tend_damage(self: &Arc<Self>) {
        if self.damage.detail().is_none() || !self.leads() || self.is_alone() {
            return;
        }
        let Some(attempt) = self.damage.begin(self.shared.now()) else { return };
        let this = Arc::clone(self);
        tokio::spawn(async move {
            this.hand_over_anywhere(attempt).await;
            this.damage.end();
        });
    }

    /// Hands over to the first voter that takes the lease; each attempt begins with another.
    async fn hand_over_anywhere(&self, attempt: u32) {
        let descriptor = self.machine.descriptor();
        let voters = descriptor.voters().filter(|voter| voter.replica_id != self.replica_id);
        let mut nodes: Vec<NodeId> = voters.map(|voter| voter.node_id).collect();
        let first = usize::try_from(attempt).unwrap_or_default() % nodes.len().max(1);
        nodes.rotate_left(first);
        for node in nodes {
            match self.hand_over_to(node).await {
                Ok(()) => return,
                Err(LocalRangeError::Misplaced { .. }) => {}
                // Its lease has ended: whoever is elected next leads.
                Err(error) => {
                    tracing::info!(range = %self.range_id, %node, %error, "a damaged leader could not hand over");
                    return;
                }
            }
        }
    }
}
