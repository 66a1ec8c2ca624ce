//! How slow a simulated disk is. What it forgets in a power cut is `PowerCutStore`'s business.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_raft_groups::blocking::Stalls;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A healthy disk's half of a synced write, at most, in microseconds.
const WRITE_MICROS_MAX: u64 = 1_500;
/// Work beside the log takes time once in so many times.
const WORK_TAKES_TIME_ONE_IN: u32 = 8;
/// Its half, at most, in microseconds.
const WORK_MICROS_MAX: u64 = 4_000;

/// The disk of one machine; clones are the same one.
#[derive(Clone)]
pub struct Disk {
    state: Arc<Mutex<State>>,
}

struct State {
    rng: StdRng,
    write_extra: u64,
    work_extra: u64,
    apply: u64,
}

impl Disk {
    /// A healthy one.
    pub fn new(seed: u64) -> Self {
        let state = State { rng: StdRng::seed_from_u64(seed), write_extra: 0, work_extra: 0, apply: 0 };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Writes of the log take up to `micros` longer.
    pub fn slow_writes(&self, micros: u64) {
        self.state.lock().write_extra = micros;
    }

    /// Committed entries are applied `micros` late.
    pub fn delay_apply(&self, micros: u64) {
        self.state.lock().apply = micros;
    }

    /// Whether nothing takes longer than on a healthy one.
    pub fn is_sound(&self) -> bool {
        let state = self.state.lock();
        state.write_extra == 0 && state.work_extra == 0 && state.apply == 0
    }

    /// Other work takes up to `micros` longer.
    pub fn slow_work(&self, micros: u64) {
        self.state.lock().work_extra = micros;
    }
}

impl Stalls for Disk {
    fn apply(&self) -> Duration {
        Duration::from_micros(self.state.lock().apply)
    }

    fn log_write(&self) -> Duration {
        let mut state = self.state.lock();
        let most = WRITE_MICROS_MAX + state.write_extra;
        Duration::from_micros(state.rng.random_range(0..=most))
    }

    fn work(&self) -> Duration {
        let mut state = self.state.lock();
        if state.work_extra == 0 && !state.rng.random_ratio(1, WORK_TAKES_TIME_ONE_IN) {
            return Duration::ZERO;
        }
        let most = WORK_MICROS_MAX + state.work_extra;
        Duration::from_micros(state.rng.random_range(0..=most))
    }
}
