//! Latencies of a run: recorded by the clients, drained into slots of time by the sampler.
//!
//! Clients share a few shards, each behind a lock that is nearly never contended: a histogram for each of 256 clients
//! would take the processor's caches from the systems that are measured.

use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;

/// Significant digits of a latency.
const DIGITS: u8 = 3;
/// Shards: more than the threads of any machine that this suite is meant for.
const SHARDS: usize = 16;

/// Latencies in nanoseconds.
#[derive(Clone, Debug)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { histogram: new_histogram() }
    }
}

#[expect(clippy::expect_used, reason = "between one and five digits are always allowed")]
fn new_histogram() -> Histogram<u64> {
    Histogram::new(DIGITS).expect("three digits are allowed")
}

impl Latencies {
    /// Adds one.
    pub fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX >> 1).min(u64::MAX >> 1);
        // The histogram grows by itself; only beyond its address space it would refuse.
        let _ = self.histogram.record(nanos);
    }

    /// Adds all of another.
    pub fn add(&mut self, other: &Self) {
        // As above.
        let _ = self.histogram.add(&other.histogram);
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The latency that this share of all stays at or below, in microseconds; 0 where there are none.
    pub fn quantile_us(&self, share: f64) -> f64 {
        if self.histogram.is_empty() { 0.0 } else { self.histogram.value_at_quantile(share) as f64 / 1_000.0 }
    }

    /// The longest, in microseconds.
    pub fn max_us(&self) -> f64 {
        self.histogram.max() as f64 / 1_000.0
    }

    fn clear(&mut self) {
        self.histogram.reset();
    }
}

/// Latencies of each kind of operation since the last drain.
#[derive(Debug)]
pub struct Recorder {
    shards: Vec<Mutex<Vec<Latencies>>>,
}

impl Recorder {
    /// For this many kinds of operations.
    pub fn new(kinds: usize) -> Self {
        let shard = || Mutex::new((0..kinds).map(|_| Latencies::default()).collect());
        Self { shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    /// Adds one of a client.
    pub fn record(&self, client: usize, kind: usize, latency: Duration) {
        let Some(shard) = self.shards.get(client % SHARDS) else { return };
        if let Some(latencies) = shard.lock().get_mut(kind) {
            latencies.record(latency);
        }
    }

    /// Moves everything into `totals`, by kind; returns what has come since the last drain, of all kinds together.
    pub fn drain(&self, totals: &mut [Latencies]) -> Latencies {
        let mut interval = Latencies::default();
        for shard in &self.shards {
            for (latencies, total) in shard.lock().iter_mut().zip(totals.iter_mut()) {
                total.add(latencies);
                interval.add(latencies);
                latencies.clear();
            }
        }
        interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorder_drains_each_latency_once() {
        let recorder = Recorder::new(2);
        for client in 0..40 {
            recorder.record(client, client % 2, Duration::from_micros(10 + client as u64));
        }
        let mut totals = vec![Latencies::default(), Latencies::default()];
        let interval = recorder.drain(&mut totals);
        assert_eq!((interval.count(), totals[0].count(), totals[1].count()), (40, 20, 20));
        assert!((interval.max_us() - 49.0).abs() < 0.1, "{}", interval.max_us());
        assert_eq!(recorder.drain(&mut totals).count(), 0);
        assert_eq!(totals[0].count(), 20, "nothing is counted twice");
    }

    #[test]
    fn latencies_keep_three_digits_over_the_whole_span() {
        let mut latencies = Latencies::default();
        for micros in [1, 1_000, 1_000_000, 60_000_000] {
            latencies.record(Duration::from_micros(micros));
        }
        assert!((latencies.quantile_us(0.25) - 1.0).abs() < 0.01);
        assert!((latencies.max_us() / 60e6 - 1.0).abs() < 0.001);
        assert!(Latencies::default().quantile_us(0.5).abs() < f64::EPSILON);
    }
}
