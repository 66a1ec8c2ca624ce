//! The one ticker of a store: heartbeats and elections of all replicas.

use std::sync::Weak;
use std::time::Duration;

use tokio::sync::watch;

use super::RangeStore;
use crate::replica::beats::Beats;

/// How often replicas are looked at: well below the shortest random pause between elections.
const TICK: Duration = Duration::from_millis(20);

/// Ticks until the store is gone or stops.
pub(super) async fn run(store: Weak<RangeStore>, mut stop: watch::Receiver<bool>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
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
    }
}
