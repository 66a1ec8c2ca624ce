//! Range 1 does not stay on a node whose clock is wrong: such a node reads and writes no table, the directory neither, so that
//! nothing of what is range 1's leaseholder's to do would be done.

use quorate_placement::topology::NodeId;
use quorate_placement::view::Liveness;

use super::Leader;
use crate::client::router::SYSTEM_RANGE;
use crate::clock_guard::ClockDoubt;

impl Leader {
    /// Hands range 1 over to a node whose clock is right, if this node leads it and its own is not. Where nobody's is, it
    /// stays; so it does where nobody takes it, until the next look.
    pub(super) async fn leave_where_clock_is_wrong(&self) {
        let Err(ClockDoubt::Beyond { .. }) = self.calls.rpc.check_clock(None) else { return };
        for to in self.system_nodes_with_right_clocks() {
            tracing::warn!(%to, "range 1 goes to a node whose clock is right");
            match self.calls.ranges.end_lease_and_transfer(SYSTEM_RANGE, to).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%to, %error, "range 1 stays where it is"),
            }
        }
    }

    /// Other nodes that vote in range 1 and have just told that they trust their clocks; none where this node does not lead.
    fn system_nodes_with_right_clocks(&self) -> Vec<NodeId> {
        let system = self.calls.router.system_range();
        let is_right = |node: &NodeId| {
            *node != self.calls.node_id()
                && self.with_board(|board, now| {
                    let report = board.last_report(*node);
                    let is_trusted = report.is_some_and(|report| report.clock_doubt.is_none());
                    is_trusted && board.liveness(*node, now.boot) == Liveness::Live
                }) == Some(true)
        };
        system.voter_nodes().into_iter().filter(is_right).collect()
    }
}
