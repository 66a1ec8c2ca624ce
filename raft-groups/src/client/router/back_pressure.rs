//! A range that is about to be split takes no writes: they wait here, and no quorum budget pays for it.

use std::time::Duration;

use parking_lot::Mutex;
use quorate_placement::topology::NodeId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::transport::{Attempt, Outgoing, Transport};
use crate::api::RangeError;
use crate::limits::BACK_PRESSURE_MAX;

/// Pause after the first round; it doubles from round to round.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
/// Longest pause between rounds: an election takes about a second, and the first write after it should not wait long.
const PAUSE_MAX: Duration = Duration::from_millis(160);

/// The transport, asked again and again while a range is busy.
pub(super) struct BackPressure {
    /// The layer below.
    pub transport: Transport,
    jitter: Mutex<StdRng>,
}

impl BackPressure {
    /// Over a transport; `seed` is that of the pauses.
    pub fn new(transport: Transport, seed: u64) -> Self {
        Self { transport, jitter: Mutex::new(StdRng::seed_from_u64(seed)) }
    }

    /// Asks a node, again and again while its range is about to be split. Also says how long that was.
    pub async fn attempt(
        &self,
        node: NodeId,
        outgoing: &mut Outgoing<'_>,
        left: Duration,
    ) -> (Attempt, Duration) {
        let begun = self.transport.boottime();
        let mut held = Duration::ZERO;
        loop {
            let attempt = self.transport.attempt(node, outgoing, left).await;
            let is_busy = matches!(attempt, Attempt::Answered(Err(RangeError::Busy { .. })));
            if !is_busy || held >= BACK_PRESSURE_MAX {
                return (attempt, held);
            }
            tokio::time::sleep(self.pause(1)).await;
            held = self.transport.boottime().saturating_sub(begun);
        }
    }

    /// Half to the whole of a doubling pause, so that many waiting requests do not come back as one.
    pub fn pause(&self, round: u32) -> Duration {
        let doubled =
            PAUSE_FIRST.saturating_mul(1_u32.checked_shl(round.saturating_sub(1)).unwrap_or(u32::MAX));
        let share = self.jitter.lock().random_range(0.5..1.0);
        doubled.min(PAUSE_MAX).mul_f64(share)
    }
}
