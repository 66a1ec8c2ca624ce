//! Simulated time: one clock of the world that moves in steps, and each machine's clocks derived from it.
//!
//! Within a step time stands still, but for one microsecond at each reading, so that no two readings are equal, as on a
//! machine. Lease clocks of all machines run alike; wall clocks are off by an offset that faults change.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use quorate_engine::clock::PhysicalClock;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// Length of a step in microseconds: the granularity of tokio's timers.
pub const STEP_MICROS: u64 = 1_000;
/// Wall time when a simulation begins: November 2023.
const WALL_START_MICROS: u64 = 1_700_000_000_000_000;

/// The world's clock; clones are the same one.
#[derive(Clone, Default)]
pub struct SimTime {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    micros: AtomicU64,
    readings: AtomicU64,
    /// What wall clocks went on by beside the steps.
    skipped: AtomicU64,
    /// Who runs now, for the log.
    machine: AtomicU64,
}

impl SimTime {
    /// Microseconds since the simulation began.
    pub fn now(&self) -> u64 {
        self.inner.micros.load(Ordering::Relaxed)
    }

    /// One step on.
    pub fn advance(&self) {
        self.inner.micros.fetch_add(STEP_MICROS, Ordering::Relaxed);
        self.inner.readings.store(0, Ordering::Relaxed);
    }

    /// All wall clocks go on by this much at once, and nothing else does: what waits for a wall clock comes without as many
    /// steps. Clocks that count for leases and timeouts stay as they are.
    pub fn skip_wall(&self, micros: u64) {
        self.inner.skipped.fetch_add(micros, Ordering::Relaxed);
    }

    /// True wall time in microseconds.
    pub fn wall_micros(&self) -> u64 {
        WALL_START_MICROS + self.now() + self.inner.skipped.load(Ordering::Relaxed)
    }

    /// Says which machine runs; zero for the world itself.
    pub fn set_machine(&self, machine: u64) {
        self.inner.machine.store(machine, Ordering::Relaxed);
    }

    /// Microseconds since the step began, each time one more.
    fn reading(&self) -> u64 {
        self.inner.readings.fetch_add(1, Ordering::Relaxed).min(STEP_MICROS - 1)
    }
}

impl FormatTime for SimTime {
    fn format_time(&self, w: &mut Writer<'_>) -> std::fmt::Result {
        let machine = self.inner.machine.load(Ordering::Relaxed);
        write!(w, "{} m{machine}", Shown(self.now()))
    }
}

/// A time as people read it.
pub struct Shown(pub u64);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{}.{:03}", self.0 / 1_000_000, self.0 / 1_000 % 1_000);
        f.pad(&text)
    }
}

/// A machine's clocks.
pub struct MachineClock {
    time: SimTime,
    offset: Arc<AtomicI64>,
}

impl MachineClock {
    /// Clocks whose wall time is off by `offset` microseconds.
    pub fn new(time: SimTime, offset: Arc<AtomicI64>) -> Self {
        Self { time, offset }
    }
}

impl PhysicalClock for MachineClock {
    fn now_micros(&self) -> u64 {
        let exact = self.time.wall_micros() + self.time.reading();
        exact.saturating_add_signed(self.offset.load(Ordering::Relaxed))
    }

    fn boottime(&self) -> Duration {
        Duration::from_micros(self.time.now() + self.time.reading())
    }
}
