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

    /// Compares once.
    pub(super) async fn reconcile(&self) -> Result<(), ClusterError> {
        let local = self.ranges.statuses();
        let directory = self.directory(&table_keys()).await?;
        for descriptor in &directory {
            let is_here = descriptor.replica_on(self.node_id()).is_some();
            if is_here && self.ranges.status(descriptor.range_id).is_none() {
                tracing::info!(range = %descriptor.range_id, "a replica is created that was missed");
                if let Err(error) = self.ranges.create_replica(descriptor, false).await {
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
