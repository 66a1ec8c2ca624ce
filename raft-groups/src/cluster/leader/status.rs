//! How the cluster is, as range 1's leaseholder knows from all reports.

use std::time::Duration;

use quorate_engine::kv::{Key, KvError, Span};
use quorate_placement::topology::NodeId;
use quorate_placement::view::Liveness;

use super::Leader;
use super::board::Board;
use crate::cluster::calls::Moment;
use crate::cluster::message::ClusterAnswer;
use crate::cluster::node_format::NodeRecord;
use crate::cluster::status::{
    ClusterStatus, DiskSyncs, NodeStatus, RangeStatus, clocks_of, members_of, millis,
};
use crate::descriptor::RangeDescriptor;

/// Longest wait for reports of nodes that a new leaseholder has not heard yet.
pub(in crate::cluster) const REPORTS_WAIT: Duration = Duration::from_millis(1_200);

impl Leader {
    /// The directory, read once a board that has only begun to listen had time to.
    ///
    /// # Errors
    /// What to answer instead: that another node leads, or why the directory cannot be read.
    pub async fn directory_to_tell(&self) -> Result<Vec<RangeDescriptor>, ClusterAnswer> {
        if !self.calls.is_leader() {
            return Err(self.calls.not_leader());
        }
        let read = self.directory.read(&Span::prefix(Key::default())).await;
        let complaint = |error: KvError| {
            let leads = self.calls.is_leader();
            if leads { ClusterAnswer::Unavailable(error.to_string()) } else { self.calls.not_leader() }
        };
        let directory = read.map_err(complaint)?;
        // Nor is a board that has only begun to listen to be taken at its word.
        let _ = tokio::time::timeout(REPORTS_WAIT, self.await_reports()).await;
        Ok(directory)
    }

    /// Everything that range 1's leaseholder knows of the directory's ranges and of all nodes; `None` on other nodes.
    pub fn status_of(&self, directory: &[RangeDescriptor]) -> Option<ClusterStatus> {
        let outlooks = self.outlooks(directory);
        self.with_board(|board, now| {
            board.forget_led(|range_id| directory.iter().any(|known| known.range_id == range_id));
            let range = |descriptor: &RangeDescriptor| RangeStatus {
                outlook: outlooks.get(&descriptor.range_id).cloned(),
                ..range_status(board, now, descriptor)
            };
            let ranges: Vec<_> = directory.iter().map(range).collect();
            let node = |record: NodeRecord| NodeStatus {
                leaders: ranges.iter().filter(|range| range.leader == Some(record.node_id)).count() as u64,
                ..self.node_status(board, now, record)
            };
            let nodes = self.directory.registry.all().into_iter().map(node).collect();
            ClusterStatus {
                cluster_id: self.calls.identity.cluster_id,
                told_by: self.calls.node_id(),
                told_at: now.wall,
                partial: None,
                nodes,
                ranges,
            }
        })
    }

    /// A node, by its last report; how many ranges it leads is not told here.
    fn node_status(&self, board: &Board, now: Moment, record: NodeRecord) -> NodeStatus {
        let id = record.node_id;
        let report = board.last_report(id);
        NodeStatus {
            liveness: board.liveness(id, now.boot),
            heard_ms: self.told_silence(board, id, now.boot).map(millis),
            leaders: 0,
            replicas: report.map_or(0, |report| report.replicas.len() as u64),
            disk_used_bytes: report.map_or(0, |report| report.disk_used_bytes),
            disk_total_bytes: report.map_or(0, |report| report.disk_total_bytes),
            catalog_version: report.and_then(|report| report.catalog_version),
            clock_offset_ms: self.calls.clock_offset_ms(id, now.boot),
            absence: board.absence(id).map(str::to_owned),
            presence: board.presence(id, now.boot),
            syncs: report.map_or_else(DiskSyncs::default, |report| report.syncs),
            clocks: report.map_or_else(Vec::new, |report| clocks_of(&report.peers)),
            clock_doubt: report.and_then(|report| report.clock_doubt.clone()),
            damaged_files: report.map_or_else(Vec::new, |report| report.damaged_files.clone()),
            record,
        }
    }

    /// How long ago a node was heard: by its last report, or, where this board has had none, by anything of it that came in.
    fn told_silence(&self, board: &Board, node: NodeId, now: Duration) -> Option<Duration> {
        if board.has_heard(node) { Some(board.silence(node, now)) } else { self.calls.rpc.last_heard(node) }
    }
}

/// A range, by the reports of its replicas; what becomes of it is not told here.
fn range_status(board: &Board, now: Moment, descriptor: &RangeDescriptor) -> RangeStatus {
    let range_id = descriptor.range_id;
    let leader = board.told_leader(range_id, now.boot);
    let (size_bytes, complaint) = board.size_and_complaint(range_id, leader);
    let live = |node: NodeId| board.liveness(node, now.boot) == Liveness::Live;
    let is_gone = |node: NodeId| !live(node) || board.lacks(node, range_id);
    let missing = |node: &NodeId| !board.awaits(*node, now.boot) && is_gone(*node);
    RangeStatus {
        range_id,
        span: descriptor.span.clone(),
        replicas: descriptor.voter_nodes(),
        missing: descriptor.voter_nodes().into_iter().filter(missing).collect(),
        leader,
        size_bytes,
        complaint,
        generation: descriptor.generation,
        members: members_of(descriptor, |replica| {
            let damage = board.damage(replica, range_id).map(str::to_owned);
            (board.applied(replica, range_id), damage)
        }),
        change: board.change_of(range_id, now.boot).cloned(),
        outlook: None,
        leaderless_ms: board.leaderless(range_id, now.boot).map(millis),
    }
}
