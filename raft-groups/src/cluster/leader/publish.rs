//! Ranges that have changed are worked into the directory, as range 1's leaseholder; see [`crate::cluster::agent`]'s
//! `publish` for who sends them.

use super::Leader;
use crate::cluster::directory::publication::Verdict;
use crate::cluster::message::ClusterAnswer;
use crate::descriptor::RangeDescriptor;

impl Leader {
    /// Works changed ranges into the directory.
    pub async fn lead_publish(&self, changed: Vec<RangeDescriptor>) -> ClusterAnswer {
        if !self.calls.is_leader() {
            return self.calls.not_leader();
        }
        // Each reads all rows: side by side they would only repeat each other.
        let _one_at_a_time = self.publishing.lock().await;
        match self.directory.publish(&changed, self).await {
            Ok(verdicts) => {
                self.remove_gone(&changed, &verdicts).await;
                ClusterAnswer::Published(verdicts)
            }
            Err(error) => ClusterAnswer::Unavailable(error.to_string()),
        }
    }

    /// Ranges whose table was dropped before they were published.
    async fn remove_gone(&self, changed: &[RangeDescriptor], verdicts: &[Verdict]) {
        let gone = changed.iter().zip(verdicts).filter(|(_, verdict)| **verdict == Verdict::Gone);
        let gone: Vec<_> = gone.map(|(descriptor, _)| descriptor.clone()).collect();
        for descriptor in &gone {
            tracing::info!(range = %descriptor.range_id, "removed: its table was dropped before it was published");
        }
        self.destroy_replicas(&gone).await;
    }
}
