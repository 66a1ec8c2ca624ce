//! Asks other nodes what time it is, as far as other answers of theirs do not tell: see [`crate::clock_guard`]; and tells
//! what was found, in reports and metrics.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use metrics::{Unit, describe_gauge, gauge};
use quorate_placement::topology::NodeId;

use super::Agent;
use crate::clock_guard::ClockDoubt;
use crate::cluster::message::{ClusterRequest, PeerReport};
use crate::cluster::status::millis;

/// How often peers are looked at.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);
/// How often while no peer was measured at all, and how often whoever waits for that looks.
const UNMEASURED_INTERVAL: Duration = Duration::from_millis(50);
/// A peer whose last answer is older is asked.
const MEASURED_LATELY: Duration = Duration::from_secs(2);
/// Longest wait for the time: an answer that took longer says little.
const TIME_TIMEOUT: Duration = Duration::from_secs(1);
/// Peers that are asked in one round; the others have their turn in the next ones.
const PEERS_ASKED_MAX: usize = 8;
/// Peers that a report tells of.
const PEERS_TOLD_MAX: usize = 256;

const CLOCK_OFFSET: &str = "quorate_clock_offset_seconds";
const CLOCK_OFFSET_ALLOWED: &str = "quorate_clock_offset_allowed_seconds";
const CLOCK_TRUSTED: &str = "quorate_clock_trusted";

impl Agent {
    /// Asks peers for their time each second, and tells what was found.
    pub async fn measure_clocks_forever(self: Arc<Self>) {
        describe_metrics();
        let mut last = NodeId(0);
        loop {
            let due = self.peers_to_measure(last);
            last = due.last().copied().unwrap_or(last);
            let asking =
                due.iter().map(|node| self.calls.ask_node(*node, &ClusterRequest::Time, TIME_TIMEOUT));
            // Whatever they answer, their time came with it.
            join_all(asking).await;
            self.count_clocks();
            let pause = if self.is_unmeasured() { UNMEASURED_INTERVAL } else { MEASURE_INTERVAL };
            tokio::time::sleep(pause).await;
        }
    }

    /// Whether this node serves nobody only because no other one has told its time yet.
    fn is_unmeasured(&self) -> bool {
        matches!(self.calls.rpc.check_clock(None), Err(ClockDoubt::Unmeasured { .. }))
    }

    /// Waits for the first measurement, or until there is nothing to wait for.
    pub async fn await_measured_clock(&self) {
        while self.is_unmeasured() {
            tokio::time::sleep(UNMEASURED_INTERVAL).await;
        }
    }

    /// Why this node does not trust its clock.
    pub fn clock_doubt(&self) -> Option<String> {
        self.calls.rpc.check_clock(None).err().map(|doubt| doubt.to_string())
    }

    fn others(&self) -> impl Iterator<Item = NodeId> {
        let this = self.calls.node_id();
        self.directory.registry.ids().into_iter().filter(move |node| *node != this)
    }

    /// What this node tells of the others: whom it hears, and their clocks.
    pub fn peers_told(&self) -> Vec<PeerReport> {
        let (guard, now) = (self.calls.rpc.clock_guard(), self.calls.boottime());
        let told = self.others().filter_map(|node_id| {
            let silence = self.calls.rpc.last_heard(node_id)?;
            Some(PeerReport {
                node_id,
                silence_ms: millis(silence),
                clock_ahead_ms: guard.offset_ms(node_id, now),
            })
        });
        told.take(PEERS_TOLD_MAX).collect()
    }

    fn count_clocks(&self) {
        let (guard, now) = (self.calls.rpc.clock_guard(), self.calls.boottime());
        for node in self.others() {
            // What is not measured is not zero.
            let ahead = guard.offset_seconds(node, now).unwrap_or(f64::NAN);
            gauge!(CLOCK_OFFSET, "peer" => node.to_string()).set(ahead);
        }
        gauge!(CLOCK_OFFSET_ALLOWED).set(guard.allowed().as_secs_f64());
        gauge!(CLOCK_TRUSTED).set(if self.clock_doubt().is_some() { 0.0 } else { 1.0 });
    }

    /// Peers that were not measured lately, in turn: those after the last one first.
    fn peers_to_measure(&self, last: NodeId) -> Vec<NodeId> {
        let (guard, now) = (self.calls.rpc.clock_guard(), self.calls.boottime());
        let is_due =
            |node: &NodeId| *node != self.calls.node_id() && !guard.is_measured(*node, MEASURED_LATELY, now);
        let (before, after): (Vec<_>, Vec<_>) =
            self.directory.registry.ids().into_iter().filter(is_due).partition(|node| *node <= last);
        after.into_iter().chain(before).take(PEERS_ASKED_MAX).collect()
    }
}

fn describe_metrics() {
    describe_gauge!(
        CLOCK_OFFSET,
        Unit::Seconds,
        "How far a peer's clock is ahead of this node's; NaN where it was not measured lately"
    );
    describe_gauge!(
        CLOCK_OFFSET_ALLOWED,
        Unit::Seconds,
        "How far this node's clock may be from those of most others: beyond it the node serves no clients"
    );
    describe_gauge!(
        CLOCK_TRUSTED,
        Unit::Count,
        "1 while this node trusts its own clock, and 0 while it does not"
    );
}
