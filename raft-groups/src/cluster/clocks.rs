//! Asks other nodes what time it is, as far as other answers of theirs do not tell: see [`crate::clock_guard`].

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use quorate_placement::topology::NodeId;

use super::member::Member;
use super::message_format::ClusterRequest;
use crate::clock_guard::ClockDoubt;

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

impl Member {
    pub(super) async fn measure_clocks_forever(self: Arc<Self>) {
        let mut last = NodeId(0);
        loop {
            let due = self.peers_to_measure(last);
            last = due.last().copied().unwrap_or(last);
            let asking = due.iter().map(|node| self.ask_node(*node, &ClusterRequest::Time, TIME_TIMEOUT));
            // Whatever they answer, their time came with it.
            join_all(asking).await;
            let pause = if self.is_unmeasured() { UNMEASURED_INTERVAL } else { MEASURE_INTERVAL };
            tokio::time::sleep(pause).await;
        }
    }

    /// Whether this node serves nobody only because no other one has told its time yet.
    fn is_unmeasured(&self) -> bool {
        matches!(self.rpc.check_clock(None), Err(ClockDoubt::Unmeasured { .. }))
    }

    /// Waits for the first measurement, or until there is nothing to wait for.
    pub(super) async fn await_measured_clock(&self) {
        while self.is_unmeasured() {
            tokio::time::sleep(UNMEASURED_INTERVAL).await;
        }
    }

    /// Peers that were not measured lately, in turn: those after the last one first.
    fn peers_to_measure(&self, last: NodeId) -> Vec<NodeId> {
        let (guard, now) = (self.rpc.clock_guard(), self.boottime());
        let is_due =
            |node: &NodeId| *node != self.node_id() && !guard.is_measured(*node, MEASURED_LATELY, now);
        let (before, after): (Vec<_>, Vec<_>) =
            self.registry.ids().into_iter().filter(is_due).partition(|node| *node <= last);
        after.into_iter().chain(before).take(PEERS_ASKED_MAX).collect()
    }
}
