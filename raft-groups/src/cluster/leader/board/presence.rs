//! What a board says of nodes that do not report, and of ranges that nobody leads: for people, who do something about it.
//! Whom to give replicas is decided by [`Board::liveness`] alone.
//!
//! ```text
//!   reports come ───────────────────────────────▶ reports
//!   silent │ another node, or the teller at the node's address, hears it ──▶ unreachable: it runs
//!          │ somebody has heard of it ──────────────────────────────────────▶ missing
//!          └ nobody has, since they started ────────────────────────────────▶ unheard
//! ```

use std::time::Duration;

use quorate_placement::topology::{NodeId, RangeId};
use quorate_placement::view::Liveness;

use super::Board;

use crate::cluster::status::Presence;
use crate::limits::SUSPECT_AFTER;

/// A node that others have heard within this time runs: among few nodes each is asked for its time every three seconds.
const HEARD_LATELY: Duration = Duration::from_secs(5);
/// … and this much later than this board did: what was on its way when it died proves nothing.
const HEARD_LATER: Duration = Duration::from_secs(2);
const _: () = assert!(HEARD_LATER.as_millis() < HEARD_LATELY.as_millis());

impl Board {
    /// Notes who leads what, by a report that has just come.
    pub(super) fn note_led(&mut self, led: impl Iterator<Item = RangeId>, now: Duration) {
        self.led.extend(led.map(|range_id| (range_id, now)));
    }

    /// A range that is new to this board was led by nobody before.
    pub(super) fn note_new(&mut self, range_id: RangeId, now: Duration) {
        self.led.entry(range_id).or_insert(now);
    }

    /// Ranges that are not in the directory any more need not be remembered.
    pub fn forget_led(&mut self, is_there: impl Fn(RangeId) -> bool) {
        self.led.retain(|range_id, _| is_there(*range_id));
    }

    /// Whether a silent node has answered at its address when it was asked last.
    pub fn set_answers(&mut self, node: NodeId, answers: bool) {
        if answers {
            self.answering.insert(node);
        } else {
            self.answering.remove(&node);
        }
    }

    /// Whether this board has only begun to listen, and has not heard this node yet.
    pub fn awaits(&self, node: NodeId, now: Duration) -> bool {
        !self.has_heard(node) && !self.has_listened(now)
    }

    /// Whether a node reports, and else what is known of it.
    pub fn presence(&self, node: NodeId, now: Duration) -> Presence {
        if self.awaits(node, now) {
            return Presence::Unheard { is_awaited: true };
        }
        let silence = self.silence(node, now);
        if silence < SUSPECT_AFTER {
            return Presence::Reports;
        }
        let heard = self.hearings(node, now).min();
        let proves_life = |age: Duration| age <= HEARD_LATELY && age.saturating_add(HEARD_LATER) <= silence;
        match heard {
            Some((age, teller)) if proves_life(age) => Presence::Unreachable { heard_by: Some(teller) },
            Some(_) | None if self.answering.contains(&node) => Presence::Unreachable { heard_by: None },
            None if !self.has_heard(node) => Presence::Unheard { is_awaited: false },
            Some(_) | None => Presence::Missing,
        }
    }

    /// Who has heard a node, and how long ago, by the reports of those who report.
    fn hearings(&self, node: NodeId, now: Duration) -> impl Iterator<Item = (Duration, NodeId)> {
        let telling = self
            .heard
            .iter()
            .filter(move |(teller, _)| **teller != node && self.silence(**teller, now) < SUSPECT_AFTER);
        telling.filter_map(move |(teller, heard)| {
            let peer = heard.report.peers.iter().find(|peer| peer.node_id == node)?;
            let age = now.saturating_sub(heard.at).saturating_add(Duration::from_millis(peer.silence_ms));
            Some((age, *teller))
        })
    }

    /// Who leads a range, for people: who says so; in the first seconds whoever was chosen for it or was given it.
    pub fn told_leader(&self, range_id: RangeId, now: Duration) -> Option<NodeId> {
        let is_new = self.entered.get(&range_id).is_some_and(|at| now < at.saturating_add(SUSPECT_AFTER));
        let chosen = || self.placed.get(&range_id).copied().filter(|_| is_new);
        let given = || self.given_to(range_id, now);
        let told = self.says_it_leads(range_id, now).or_else(given).or_else(chosen);
        told.filter(|node| self.liveness(*node, now) == Liveness::Live)
    }

    /// For how long nobody has said that they lead a range, as far as this board can know.
    pub fn leaderless(&self, range_id: RangeId, now: Duration) -> Option<Duration> {
        if self.told_leader(range_id, now).is_some() {
            return None;
        }
        let led = self.led.get(&range_id).copied().unwrap_or_default();
        Some(now.saturating_sub(led.max(self.started.boot)))
    }
}
