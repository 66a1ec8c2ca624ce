//! Changed ranges find their way into the directory.
//!
//! A range that changed is unpublished, on every replica and over restarts, until somebody knows that the directory has
//! it. Its leader sends it to range 1's leaseholder, which works it in (see `directory/publication`) in one transaction;
//! the followers learn from the directory itself (`reconcile`). Splits need nobody's leave, so that all of this is
//! after the fact.

use std::sync::Arc;
use std::time::Duration;

use quorate_placement::topology::RangeId;

use super::Agent;
use crate::cluster::directory::publication::Verdict;
use crate::cluster::directory::rows::is_listed;
use crate::cluster::error::ClusterError;
use crate::cluster::message::{ClusterAnswer, ClusterRequest};

/// How often a node looks for ranges that changed.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);
/// Longest wait for the answer.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);
/// Ranges in one request: a few hundred bytes each.
const PUBLISH_RANGES_MAX: usize = 256;

impl Agent {
    /// Publishes what changed of the ranges that are led here, as soon as it did.
    pub async fn publish_forever(self: Arc<Self>) {
        loop {
            tokio::time::sleep(PUBLISH_INTERVAL).await;
            if let Err(error) = self.publish_changed().await {
                tracing::debug!(%error, "changed ranges could not be published yet");
            }
        }
    }

    /// Publishes what changed of the ranges that this node leads.
    async fn publish_changed(&self) -> Result<(), ClusterError> {
        let mut changed = self.calls.ranges.unpublished();
        // Every store knows range 1: it has no row.
        if let Some(system) = changed.iter().find(|descriptor| !is_listed(descriptor.range_id)) {
            self.calls.router.learn(system.clone());
            self.mark_published(system.range_id, system.generation).await;
        }
        changed.retain(|descriptor| is_listed(descriptor.range_id));
        changed.truncate(PUBLISH_RANGES_MAX);
        if changed.is_empty() {
            return Ok(());
        }
        let request = ClusterRequest::PublishRanges { descriptors: changed.clone() };
        let answer = self.calls.ask_leader(&request, PUBLISH_TIMEOUT).await?;
        let ClusterAnswer::Published(verdicts) = answer else { return answer.expect_done() };
        for (descriptor, verdict) in changed.iter().zip(verdicts) {
            if verdict == Verdict::Stands {
                self.mark_published(descriptor.range_id, descriptor.generation).await;
            }
        }
        Ok(())
    }

    /// Remembers that a descriptor, or a newer one, stands in the directory.
    pub async fn mark_published(&self, range_id: RangeId, generation: u64) {
        if let Err(error) = self.calls.ranges.note_published(range_id, generation).await {
            tracing::warn!(range = %range_id, %error, "that it is published could not be remembered");
        }
    }
}
