//! How the cluster is, as a node tells that does not reach range 1's leaseholder: by what it hears, by its own replicas, and
//! by who answers at the addresses of nodes that it does not hear.

use std::collections::BTreeSet;
use std::time::Duration;

use quorate_placement::topology::NodeId;
use quorate_placement::view::Liveness;

use super::Agent;
use crate::client::router::SYSTEM_RANGE;
use crate::cluster::identify::answering;
use crate::cluster::node_format::NodeRecord;
use crate::limits::SUSPECT_AFTER;

use crate::cluster::status::{
    ClusterStatus, DiskSyncs, NodeStatus, Presence, RangeStatus, clocks_of, members_of, millis,
};
use crate::local_ranges::ReplicaStatus;

impl Agent {
    /// What this node knows by itself; nodes that it does not hear are asked at their addresses whether they run.
    pub async fn own_status(&self, partial: String) -> ClusterStatus {
        let known = self.directory.registry.all();
        let is_silent = |record: &NodeRecord| !self.hears(record.node_id);
        let silent: Vec<_> = known.iter().filter(|record| is_silent(record)).cloned().collect();
        let answering = answering(self.bootstrap.as_ref(), &silent).await;
        let statuses = self.calls.ranges.statuses();
        let nodes = known.into_iter().map(|record| self.own_node_status(record, &statuses, &answering));
        let mut ranges: Vec<_> = statuses.iter().map(|status| self.own_range_status(status)).collect();
        ranges.sort_by(|a, b| a.span.cmp(&b.span));
        ClusterStatus {
            cluster_id: self.calls.identity.cluster_id,
            told_by: self.calls.node_id(),
            told_at: self.calls.moment().wall,
            partial: Some(partial),
            nodes: nodes.collect(),
            ranges,
        }
    }

    fn hears(&self, node: NodeId) -> bool {
        self.own_liveness(node) == Liveness::Live
    }

    fn own_liveness(&self, node: NodeId) -> Liveness {
        liveness_of_silence(self.calls.rpc.last_heard(node), self.directory.node_dead_after())
    }

    /// Whether a node was not heard since this one started, which is a moment ago.
    fn awaits(&self, node: NodeId) -> bool {
        self.calls.rpc.last_heard(node).is_none() && self.contact.age(self.calls.boottime()) < SUSPECT_AFTER
    }

    fn own_node_status(
        &self,
        record: NodeRecord,
        statuses: &[ReplicaStatus],
        answering: &BTreeSet<NodeId>,
    ) -> NodeStatus {
        let id = record.node_id;
        let (heard, is_own) = (self.calls.rpc.last_heard(id), id == self.calls.node_id());
        let leads = |status: &&ReplicaStatus| self.believed_leader(status) == Some(id);
        let holds = |status: &&ReplicaStatus| status.descriptor.replica_on(id).is_some();
        let (disk_used_bytes, disk_total_bytes) = if is_own { self.disk.used_and_total() } else { (0, 0) };
        NodeStatus {
            liveness: self.own_liveness(id),
            heard_ms: heard.map(millis),
            leaders: statuses.iter().filter(leads).count() as u64,
            replicas: statuses.iter().filter(holds).count() as u64,
            disk_used_bytes,
            disk_total_bytes,
            catalog_version: None,
            clock_offset_ms: self.calls.clock_offset_ms(id, self.calls.boottime()),
            absence: None,
            damaged_files: if is_own { self.calls.ranges.damaged_files() } else { Vec::new() },
            presence: match heard {
                Some(_) if self.hears(id) => Presence::Reports,
                Some(_) | None if answering.contains(&id) => Presence::Unreachable { heard_by: None },
                Some(_) => Presence::Missing,
                None => Presence::Unheard { is_awaited: self.awaits(id) },
            },
            syncs: if is_own { self.disk.syncs() } else { DiskSyncs::default() },
            clocks: if is_own { clocks_of(&self.peers_told()) } else { Vec::new() },
            clock_doubt: self.clock_doubt().filter(|_| is_own),
            record,
        }
    }

    fn own_range_status(&self, status: &ReplicaStatus) -> RangeStatus {
        let leader = self.believed_leader(status);
        let is_missing = |node: &NodeId| !self.hears(*node) && !self.awaits(*node);
        RangeStatus {
            range_id: status.descriptor.range_id,
            span: status.descriptor.span.clone(),
            replicas: status.descriptor.voter_nodes(),
            missing: status.descriptor.voter_nodes().into_iter().filter(is_missing).collect(),
            leader,
            size_bytes: status.size_bytes,
            complaint: status.breaker.clone(),
            generation: status.descriptor.generation,
            members: members_of(&status.descriptor, |replica| {
                let is_own = replica.replica_id == status.replica_id;
                (is_own.then_some(status.applied), status.damage.clone().filter(|_| is_own))
            }),
            change: None,
            outlook: None,
            // Range 1 has been away for that long, which says nothing of others: they may have lost their leader just now.
            leaderless_ms: leader.is_none().then(|| {
                if status.descriptor.range_id == SYSTEM_RANGE { millis(self.metadata_silence()) } else { 0 }
            }),
        }
    }

    /// Who leads a range with a replica here, as far as that one and this node can know: this node only while it holds the
    /// lease, another one only while it is heard.
    pub fn believed_leader(&self, status: &ReplicaStatus) -> Option<NodeId> {
        if status.has_lease {
            return Some(self.calls.node_id());
        }
        let is_heard =
            |node: &NodeId| self.calls.rpc.last_heard(*node).is_some_and(|silence| silence < SUSPECT_AFTER);
        let other = status.leader_node.filter(|node| *node != self.calls.node_id());
        other.filter(is_heard).filter(|_| status.breaker.is_none())
    }
}

fn liveness_of_silence(heard: Option<Duration>, dead_after: Duration) -> Liveness {
    match heard {
        Some(silence) if silence < SUSPECT_AFTER => Liveness::Live,
        Some(silence) if silence >= dead_after => Liveness::Dead,
        Some(_) | None => Liveness::Suspect,
    }
}
