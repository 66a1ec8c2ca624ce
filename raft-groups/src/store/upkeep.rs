//! What a store does now and then: logs are cut off, and snapshots whose sender is silent are forgotten.
//!
//! One replica after the other, apart from the ticker: a cut may wait for the disk.

use std::sync::Weak;
use std::time::Duration;

use tokio::sync::watch;

use super::RangeStore;

/// How often.
const PAUSE: Duration = Duration::from_secs(1);

/// Goes on until the store is gone or stops.
pub(super) async fn run(store: Weak<RangeStore>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = stop.wait_for(|stopping| *stopping) => return,
        }
        let Some(store) = store.upgrade() else { return };
        store.inbox.sweep().await;
        for replica in store.all() {
            replica.truncate_log().await;
        }
    }
}
