//! The one ticker of a store: heartbeats and elections of all replicas.

use std::sync::Weak;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter};
use tokio::sync::watch;

use super::RangeStore;
use crate::replica::Beats;
use crate::telling::{Telling, shown};

/// How often replicas are looked at: well below the shortest random pause between elections.
const TICK: Duration = Duration::from_millis(20);
/// How often a ticker was late: the node did not run for a heartbeat's time or more.
const LATE: &str = "quorate_raft_ticker_late_total";

/// Ticks until the store is gone or stops.
pub(super) async fn run(store: Weak<RangeStore>, mut stop: watch::Receiver<bool>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    describe_counter!(
        LATE,
        Unit::Count,
        "Times the node did not run for so long that heartbeats were missed"
    );
    let (mut last, mut late) = (None, Telling::default());
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            _ = stop.wait_for(|stopping| *stopping) => return,
        }
        let Some(store) = store.upgrade() else { return };
        let now = store.shared.now();
        let mut beats = Beats::default();
        let silence = now.saturating_sub(last.replace(now).unwrap_or(now));
        if silence >= store.shared.timing.heartbeat {
            counter!(LATE).increment(1);
            if let Some(tell) = late.trouble(Duration::from_micros(now)) {
                let silence = shown(Duration::from_micros(silence));
                tracing::warn!(
                    "this node did not run for {silence}{tell}: its ranges may lose their leaders; the machine has too much else to \
                     do, or was paused"
                );
            }
        }
        for replica in store.replicas.read().values() {
            replica.tick(now, &mut beats);
        }
        beats.send(&store.shared.rpc, store.shared.timing.heartbeat_timeout());
    }
}
