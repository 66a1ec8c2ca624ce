//! Sweeps what transactions have left behind in the ranges that are led here.

use std::sync::Arc;
use std::time::Duration;

use super::Agent;

/// How often intents that transactions have left behind are looked for: somebody may be about to wait for them.
const SWEEP_INTENTS_INTERVAL: Duration = Duration::from_secs(5);
/// How often old records are: they stay for ten minutes anyway.
const SWEEP_RECORDS_INTERVAL: Duration = Duration::from_secs(20);

impl Agent {
    /// Resolves intents that transactions have left behind in the ranges that are led here.
    pub async fn sweep_intents_forever(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SWEEP_INTENTS_INTERVAL).await;
            self.directory.database().sweep_intents(self.calls.ranges.as_ref()).await;
        }
    }

    /// Removes records that nobody may ask for any more from the ranges that are led here.
    pub async fn sweep_records_forever(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SWEEP_RECORDS_INTERVAL).await;
            self.directory.database().sweep_records(self.calls.ranges.as_ref()).await;
        }
    }
}
