//! The cluster as the allocator sees it: the directory, and what the board says of its nodes and ranges.

use std::collections::BTreeMap;

use quorate_placement::policy::Policy;
use quorate_placement::repair::{Outlook, outlook};
use quorate_placement::topology::RangeId;
use quorate_placement::view::{NodeView, PendingTransfer, RangeView, ReplicaView, View};

use super::Leader;
use super::board::Board;
use crate::cluster::calls::Moment;
use crate::cluster::directory::rows::is_listed;
use crate::cluster::node_format::NodeRecord;
use crate::descriptor::RangeDescriptor;

impl Leader {
    /// The cluster as the allocator sees it; `None` where this node does not hold range 1's lease.
    pub(super) fn view(&self, directory: &[RangeDescriptor]) -> Option<View> {
        self.view_after(directory, Vec::new())
    }

    /// [`Leader::view`] with hand-overs taken as done.
    pub(super) fn view_after(
        &self,
        directory: &[RangeDescriptor],
        pending: Vec<PendingTransfer>,
    ) -> Option<View> {
        let system = self.calls.router.system_range();
        self.with_board(|board, now| {
            let mut ranges = vec![range_view(board, now, &system, Policy::system())];
            let listed = directory.iter().filter(|descriptor| is_listed(descriptor.range_id));
            ranges.extend(listed.map(|descriptor| range_view(board, now, descriptor, Policy::default())));
            let nodes = self.directory.registry.all();
            let nodes = nodes.into_iter().map(|record| node_view(board, now, record)).collect();
            View::new(nodes, ranges, pending).with_changes(board.pending_changes(now.boot))
        })
    }

    /// What becomes of ranges that are short of replicas, in words.
    pub(super) fn outlooks(&self, directory: &[RangeDescriptor]) -> BTreeMap<RangeId, String> {
        let Some(view) = self.view(directory) else { return BTreeMap::new() };
        let told = |range: &RangeView| match outlook(&view, range, 0) {
            Outlook::Whole | Outlook::UnderWay => None,
            other @ (Outlook::Next(_)
            | Outlook::NoQuorum
            | Outlook::NoneSound(_)
            | Outlook::Waits(_)
            | Outlook::Queued(_)
            | Outlook::NoNode(_)) => Some((range.id, other.to_string())),
        };
        view.ranges().filter_map(told).collect()
    }
}

fn node_view(board: &Board, now: Moment, record: NodeRecord) -> NodeView {
    let report = board.last_report(record.node_id);
    NodeView {
        id: record.node_id,
        liveness: board.liveness(record.node_id, now.boot),
        is_heard: board.has_heard(record.node_id),
        doubts_clock: report.is_some_and(|report| report.clock_doubt.is_some()),
        disk_used_bytes: report.map_or(0, |report| report.disk_used_bytes),
        disk_total_bytes: report.map_or(0, |report| report.disk_total_bytes),
        locality: record.locality,
    }
}

fn range_view(board: &Board, now: Moment, descriptor: &RangeDescriptor, policy: Policy) -> RangeView {
    let leader = board.leader(descriptor.range_id, now.boot);
    let voters = || descriptor.voters();
    let learners = descriptor.replicas.iter().filter(|replica| !replica.is_voter());
    RangeView {
        id: descriptor.range_id,
        replicas: voters()
            .map(|replica| ReplicaView { id: replica.replica_id, node: replica.node_id })
            .collect(),
        learners: learners.map(|replica| replica.node_id).collect(),
        damaged: voters()
            .filter(|replica| board.damage(replica, descriptor.range_id).is_some())
            .map(|replica| replica.node_id)
            .collect(),
        leader,
        size_bytes: board.size_and_complaint(descriptor.range_id, leader).0,
        policy,
    }
}
