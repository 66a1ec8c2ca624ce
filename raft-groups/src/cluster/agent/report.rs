//! Reports to range 1's leaseholder, each second: how this node and its replicas are. The answer may give a lease on the
//! catalog.

use std::sync::Arc;
use std::time::Duration;

use super::Agent;
use crate::client::router::SYSTEM_RANGE;
use crate::cluster::message::{ClusterAnswer, ClusterRequest, NodeReport, ReplicaReport};
use crate::limits::REPORT_INTERVAL;

use crate::descriptor::RangeDescriptor;

/// Longest wait for the answer to a report: the next one is as good.
const REPORT_TIMEOUT: Duration = Duration::from_secs(1);

impl Agent {
    /// Reports each second.
    pub async fn report_forever(self: Arc<Self>) {
        loop {
            self.report_once().await;
            tokio::time::sleep(REPORT_INTERVAL).await;
        }
    }

    /// Reports to range 1's leaseholder, and takes the lease on the catalog that it may give.
    pub async fn report_once(&self) {
        let report = self.report();
        let version = report.catalog_version;
        let answer = self.calls.ask_leader(&ClusterRequest::Report(report), REPORT_TIMEOUT).await;
        let Ok(ClusterAnswer::Lease { until, required_version, system }) = answer else { return };
        self.contact.answered(self.calls.boottime());
        if let Some(system) = system {
            self.calls.router.learn(system);
        }
        if let (Some(until), Some(version)) = (until, version) {
            self.catalog.extend(version, until);
        }
        if version.is_some_and(|version| version < required_version) {
            self.catalog.changed.notify_one();
        }
    }

    /// How this node is.
    fn report(&self) -> NodeReport {
        self.learn_system_range();
        let (disk_used_bytes, disk_total_bytes) = self.disk.used_and_total();
        let replicas = self.calls.ranges.statuses().into_iter().map(|status| ReplicaReport {
            range_id: status.descriptor.range_id,
            replica_id: status.replica_id,
            applied: status.applied,
            has_lease: status.has_lease,
            leader: status.leader_node,
            size_bytes: status.size_bytes,
            complaint: status.breaker,
            damage: status.damage,
        });
        NodeReport {
            catalog_version: self.catalog.version(self.calls.clock.physical().boottime()),
            disk_used_bytes,
            disk_total_bytes,
            system_generation: self.calls.router.system_range().generation,
            replicas: replicas.collect(),
            changes: self.changes.lock().told(self.calls.boottime()),
            syncs: self.disk.syncs(),
            peers: self.peers_told(),
            clock_doubt: self.clock_doubt(),
            damaged_files: self.calls.ranges.damaged_files(),
        }
    }

    /// The router learns where range 1 is from the replica here.
    fn learn_system_range(&self) {
        if let Some(status) = self.calls.ranges.status(SYSTEM_RANGE).filter(|status| status.is_whole) {
            self.calls.router.learn(RangeDescriptor::clone(&status.descriptor));
        }
    }
}
