//! The clocks of the machine that a node runs on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use quorate_engine::clock::PhysicalClock;
use quorate_sql::node::SqlClock;
use rustix::time::{ClockId, clock_gettime};

/// The machine's wall clock, and its clock of leases, which goes on while the machine sleeps (`CLOCK_BOOTTIME`): a
/// laptop that sleeps through its lease must notice.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineClock;

impl PhysicalClock for MachineClock {
    #[expect(clippy::disallowed_methods, reason = "the machine's clock itself")]
    fn now_micros(&self) -> u64 {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX)
    }

    fn boottime(&self) -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
    }
}

#[async_trait]
impl SqlClock for MachineClock {
    fn now_micros(&self) -> u64 {
        PhysicalClock::now_micros(self)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_move_on_and_know_the_year() {
        let clock = MachineClock;
        let start = clock.boottime();
        while clock.boottime() == start {}
        assert!(clock.boottime() > start);
        assert!(PhysicalClock::now_micros(&clock) > 1_700_000_000_000_000, "after November 2023");
    }
}
