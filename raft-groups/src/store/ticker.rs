//! The one ticker of a store: heartbeats and elections of all replicas, and the hybrid clock's bound.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;

use super::RangeStore;
use crate::replica::beats::Beats;

/// How often replicas are looked at: well below the shortest random pause between elections.
const TICK: Duration = Duration::from_millis(20);
/// The clock's bound is looked at once in so many ticks.
const BOUND_TICKS: u32 = 5;

/// Ticks until the store is gone or stops.
pub(super) async fn run(store: Weak<RangeStore>, mut stop: watch::Receiver<bool>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for tick in 0_u32.. {
        tokio::select! {
            _ = interval.tick() => {}
            _ = stop.wait_for(|stopping| *stopping) => return,
        }
        let Some(store) = store.upgrade() else { return };
        let now = store.shared.now();
        let mut beats = Beats::default();
        for replica in store.replicas.read().values() {
            replica.tick(now, &mut beats);
        }
        beats.send(&store.shared.rpc, store.shared.timing.heartbeat_timeout());
        if tick % BOUND_TICKS == 0 {
            extend_bound(&store);
        }
    }
}

/// Keeps the clock's bound ahead, on a thread that may wait for the disk, so that giving out a timestamp never does.
fn extend_bound(store: &RangeStore) {
    let clock = Arc::clone(&store.shared.clock);
    store.shared.blocking.begin(move || {
        if let Err(error) = clock.extend_bound() {
            tracing::error!(%error, "the clock's bound");
        }
    });
}
