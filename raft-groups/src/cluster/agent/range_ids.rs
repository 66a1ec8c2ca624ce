//! Ids for the right sides of splits, taken ahead of need.

use std::sync::Arc;
use std::time::Duration;

use super::Agent;

/// How often a node looks whether it needs ids: an id is waited for longer than this.
const IDS_INTERVAL: Duration = Duration::from_millis(200);

impl Agent {
    /// Keeps ids for the right sides of splits at hand.
    pub async fn take_range_ids_forever(self: Arc<Self>) {
        loop {
            tokio::time::sleep(IDS_INTERVAL).await;
            if !self.calls.ranges.wants_range_ids() {
                continue;
            }
            match self.directory.take_range_ids().await {
                Ok(block) => self.calls.ranges.offer_range_ids(block),
                Err(error) => tracing::debug!(%error, "range 1 gives no ids for ranges"),
            }
        }
    }
}
