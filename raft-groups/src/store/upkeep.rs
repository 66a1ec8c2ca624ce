//! What a store does now and then: logs are cut off, snapshots whose sender is silent are forgotten, and leaders that have
//! met damage hand over.
//!
//! Apart from the ticker: it may wait for the disk.

use std::sync::{Arc, Weak};
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
        store.cut_logs().await;
        store.all().iter().for_each(|replica| replica.tend_damage());
    }
}

impl RangeStore {
    /// Cuts off what nobody needs of the replicas' logs; one sync for all of them, if there is any.
    async fn cut_logs(&self) {
        let cuts: Vec<_> =
            self.all().into_iter().filter_map(|replica| Some((replica.next_cut()?, replica))).collect();
        if cuts.is_empty() {
            return;
        }
        let engine = Arc::clone(&self.shared.engine);
        match self.shared.blocking.run(move || engine.sync()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return self.shared.writer.poison(error),
            Err(error) => return tracing::warn!(%error, "logs were not cut off"),
        }
        for (cut, replica) in cuts {
            replica.cut_log(cut).await;
        }
    }
}
