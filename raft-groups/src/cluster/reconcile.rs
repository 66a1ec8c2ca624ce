//! Makes a node's replicas those that the directory gives it: creates what was missed while it was away, removes what
//! is gone.
//!
//! Local replicas are listed **before** the directory is read: a replica is created only after its row was committed,
//! so that a listed replica without a row belongs to a range that was removed since.

use std::sync::Arc;
use std::time::Duration;

use super::error::ClusterError;
use super::member::Member;
use super::ranges::{is_listed, table_keys};
use crate::descriptor::RangeDescriptor;
use crate::local_ranges::LocalRangeError;
use quorate_placement::topology::ReplicaId;

/// How often a node compares.
const RECONCILE_INTERVAL: Duration = Duration::from_secs(3);

impl Member {
    pub(super) async fn reconcile_forever(self: Arc<Self>) {
        loop {
            if let Err(error) = self.reconcile().await {
                tracing::debug!(%error, "replicas could not be compared with the directory");
            }
            tokio::time::sleep(RECONCILE_INTERVAL).await;
        }
    }

    /// Creates a replica that is in the directory and not here. Only a range that never changed begins with nothing:
    /// of any other one this replica needs a snapshot.
    async fn create_missed(
        &self,
        descriptor: &RangeDescriptor,
        own: ReplicaId,
    ) -> Result<(), LocalRangeError> {
        if descriptor.is_as_created() {
            return self.ranges.create_replica(descriptor, false).await;
        }
        self.ranges.create_learner(descriptor.range_id, own).await
    }

    /// Compares once.
    pub(super) async fn reconcile(&self) -> Result<(), ClusterError> {
        let local = self.ranges.statuses();
        let directory = self.directory(&table_keys()).await?;
        let system = self.router().system_range();
        let known: Vec<_> = directory.iter().chain([system.as_ref()]).cloned().collect();
        self.collect_gone(&known).await;
        for descriptor in &directory {
            let Some(own) = descriptor.replica_on(self.node_id()) else { continue };
            if self.ranges.status(descriptor.range_id).is_none() {
                tracing::info!(range = %descriptor.range_id, "a replica is created that was missed");
                if let Err(error) = self.create_missed(descriptor, own.replica_id).await {
                    tracing::warn!(range = %descriptor.range_id, %error, "it could not be created");
                }
            }
        }
        for status in local.iter().filter(|status| is_listed(status.descriptor.range_id)) {
            let range_id = status.descriptor.range_id;
            if directory.iter().all(|descriptor| descriptor.range_id != range_id) {
                tracing::info!(range = %range_id, "a replica is removed, its range is gone");
                self.router().forget(&status.descriptor);
                let next_replica_id = status.descriptor.next_replica_id;
                if let Err(error) = self.ranges.destroy_replica(range_id, next_replica_id).await {
                    tracing::warn!(range = %range_id, %error, "it could not be removed");
                }
            }
        }
        Ok(())
    }
}
