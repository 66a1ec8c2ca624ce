//! Clocks: the physical one that comes in from outside, and the hybrid one that gives timestamps out.
//!
//! [`HybridClock`] is the larger of physical time and what was seen before, plus one. Three promises (design.md
//! section 5):
//!
//! - Timestamps only rise, also over a restart: none is given out above a [`ClockBound`] that was persisted before, and
//!   a start waits until the physical clock has passed that bound ([`HybridClock::wait_before_start`]).
//! - The clock is never dragged far ahead: [`HybridClock::forward`] refuses what lies beyond the maximum offset.
//! - Nothing is persisted while a timestamp is given out, as long as somebody calls
//!   [`HybridClock::extend_bound`] in time; where nobody did, [`HybridClock::now`] does it itself.

mod bound_format;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::hlc::Timestamp;
use crate::store::{Batch, Durability, Family, Store, StoreError};

pub use bound_format::ClockBound;

/// How far apart two healthy nodes' clocks may be (design.md section 12), in milliseconds.
pub const CLOCK_OFFSET_MAX_DEFAULT_MS: u64 = 250;
/// How far ahead of the clock the persisted bound may be, in milliseconds: the longest wait of a quick restart.
pub const CLOCK_BOUND_AHEAD_MAX_MS: u64 = 500;
const CLOCK_BOUND_AHEAD_MAX_MICROS: u64 = CLOCK_BOUND_AHEAD_MAX_MS * 1000;

/// The clocks of a machine.
pub trait PhysicalClock: Send + Sync + 'static {
    /// Wall clock: microseconds since 1970. May jump either way.
    fn now_micros(&self) -> u64;

    /// Time since some start, which only rises and counts the time that the machine sleeps: for leases.
    fn boottime(&self) -> Duration;
}

/// The machine's clocks through the standard library. Its [`PhysicalClock::boottime`] stands still while the machine
/// sleeps; a node takes a clock that does not.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// The machine's clocks; `boottime` starts at zero.
    #[expect(clippy::disallowed_methods, reason = "the machine's clock itself")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl PhysicalClock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the machine's clock itself")]
    fn now_micros(&self) -> u64 {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX)
    }

    fn boottime(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that stands still until a test moves it. Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    state: Arc<Mutex<ManualState>>,
}

#[derive(Debug, Default)]
struct ManualState {
    micros: u64,
    boottime: Duration,
}

impl ManualClock {
    /// A clock at this wall time.
    pub fn new(micros: u64) -> Self {
        Self { state: Arc::new(Mutex::new(ManualState { micros, boottime: Duration::ZERO })) }
    }

    /// Lets time pass, on both clocks.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.state.lock();
        state.micros += u64::try_from(duration.as_micros()).expect("tests do not wait half a million years");
        state.boottime += duration;
    }

    /// Sets the wall clock alone, as an operator or a broken machine would.
    pub fn set_micros(&self, micros: u64) {
        self.state.lock().micros = micros;
    }
}

impl PhysicalClock for ManualClock {
    fn now_micros(&self) -> u64 {
        self.state.lock().micros
    }

    fn boottime(&self) -> Duration {
        self.state.lock().boottime
    }
}

/// Where the bound survives a restart.
pub trait BoundStore: Send + Sync + 'static {
    /// Persists the bound: it is on the disk when the call returns.
    ///
    /// # Errors
    /// The store failed; no timestamp above the old bound is given out.
    fn persist(&self, bound: ClockBound) -> Result<(), StoreError>;
}

/// A [`BoundStore`] for clocks whose timestamps die with the process: tests, and stores in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct ForgetBound;

impl BoundStore for ForgetBound {
    fn persist(&self, _bound: ClockBound) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A [`BoundStore`] in the `range` family of a store, under a key that the caller chooses.
pub struct StoredBound {
    store: Arc<dyn Store>,
    key: Bytes,
}

impl StoredBound {
    /// The bound under `key`.
    pub fn new(store: Arc<dyn Store>, key: impl Into<Bytes>) -> Self {
        Self { store, key: key.into() }
    }

    /// The bound persisted last; `None` in a fresh store.
    ///
    /// # Errors
    /// The store failed, or the bytes are damaged.
    pub fn load(&self) -> Result<Option<ClockBound>, StoreError> {
        let Some(bytes) = self.store.get(Family::Range, &self.key)? else { return Ok(None) };
        let bound = ClockBound::decode(&bytes).map_err(|error| StoreError::Corruption(error.to_string()))?;
        Ok(Some(bound))
    }
}

impl BoundStore for StoredBound {
    fn persist(&self, bound: ClockBound) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.put(Family::Range, self.key.clone(), bound.encode());
        self.store.write(batch, Durability::Synced)
    }
}

/// Why a clock does not do what it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClockError {
    /// A timestamp from elsewhere lies too far ahead: that node's clock or this one is wrong.
    #[error(
        "timestamp {timestamp} is {ahead_ms} ms ahead of this node's clock, more than the maximum clock offset of \
         {offset_max_ms} ms; check the time synchronisation of the nodes"
    )]
    TooFarAhead {
        /// The timestamp refused.
        timestamp: Timestamp,
        /// Milliseconds that it lies ahead.
        ahead_ms: u64,
        /// Milliseconds that are allowed.
        offset_max_ms: u64,
    },
    /// The bound could not be persisted.
    #[error("the clock's bound could not be persisted: {0}")]
    Bound(#[from] StoreError),
}

/// The hybrid logical clock of a node.
pub struct HybridClock {
    physical: Arc<dyn PhysicalClock>,
    bounds: Box<dyn BoundStore>,
    offset_max: Duration,
    state: Mutex<HybridState>,
}

#[derive(Debug)]
struct HybridState {
    /// Newest timestamp given out or seen.
    last: Timestamp,
    /// Persisted; [`HybridClock::now`] gives out nothing above it.
    bound: ClockBound,
}

impl HybridClock {
    /// A clock whose bound survives in `bounds`, with the default maximum offset.
    pub fn new(physical: Arc<dyn PhysicalClock>, bounds: Box<dyn BoundStore>) -> Self {
        Self::with_offset_max(physical, bounds, Duration::from_millis(CLOCK_OFFSET_MAX_DEFAULT_MS))
    }

    /// A clock with a maximum offset of its own.
    pub fn with_offset_max(
        physical: Arc<dyn PhysicalClock>,
        bounds: Box<dyn BoundStore>,
        offset_max: Duration,
    ) -> Self {
        let state = HybridState { last: Timestamp::MIN, bound: ClockBound(Timestamp::MIN) };
        Self { physical, bounds, offset_max, state: Mutex::new(state) }
    }

    /// A clock of this machine that persists nothing.
    pub fn system() -> Self {
        Self::new(Arc::new(SystemClock::new()), Box::new(ForgetBound))
    }

    /// How long a start has to wait, before the first timestamp is given out, until the physical clock has passed the
    /// persisted bound and everything that was applied.
    pub fn wait_before_start(&self, bound: Option<ClockBound>, applied: Timestamp) -> Duration {
        let floor = applied.max(bound.map_or(Timestamp::MIN, |bound| bound.0));
        if floor == Timestamp::MIN {
            return Duration::ZERO;
        }
        let passed = floor.micros().saturating_add(1);
        Duration::from_micros(passed.saturating_sub(self.physical.now_micros()))
    }

    /// A timestamp above all given out and seen before.
    ///
    /// # Errors
    /// [`ClockError::Bound`], where the bound had to be raised and could not be.
    pub fn now(&self) -> Result<Timestamp, ClockError> {
        let mut state = self.state.lock();
        let now = state.last.next().max(Timestamp::from_micros(self.physical.now_micros()));
        if now > state.bound.0 {
            self.raise_bound(&mut state, now)?;
        }
        assert!(now > state.last, "timestamps only rise");
        state.last = now;
        Ok(now)
    }

    /// Newest timestamp given out or seen, without making a new one.
    pub fn last(&self) -> Timestamp {
        self.state.lock().last
    }

    /// Takes note of a timestamp from another node: the next one given out is above it.
    ///
    /// # Errors
    /// [`ClockError::TooFarAhead`]; the clock stays as it was.
    pub fn forward(&self, timestamp: Timestamp) -> Result<(), ClockError> {
        let ahead_micros = timestamp.micros().saturating_sub(self.physical.now_micros());
        if u128::from(ahead_micros) > self.offset_max.as_micros() {
            return Err(ClockError::TooFarAhead {
                timestamp,
                ahead_ms: ahead_micros.div_ceil(1000),
                offset_max_ms: u64::try_from(self.offset_max.as_millis()).unwrap_or(u64::MAX),
            });
        }
        self.forward_applied(timestamp);
        Ok(())
    }

    /// Takes note of the timestamp of an entry that is applied: it is committed, so that there is nothing to refuse.
    pub fn forward_applied(&self, timestamp: Timestamp) {
        let mut state = self.state.lock();
        state.last = state.last.max(timestamp);
    }

    /// Raises the bound where less than half of what it may be ahead is left. Called every 100 ms or so by whoever may
    /// wait for the disk, so that [`HybridClock::now`] need not.
    ///
    /// # Errors
    /// [`ClockError::Bound`].
    pub fn extend_bound(&self) -> Result<(), ClockError> {
        let mut state = self.state.lock();
        let now = state.last.max(Timestamp::from_micros(self.physical.now_micros()));
        if state.bound.0.micros().saturating_sub(now.micros()) < CLOCK_BOUND_AHEAD_MAX_MICROS / 2 {
            self.raise_bound(&mut state, now)?;
        }
        Ok(())
    }

    /// How far the clocks of two nodes may be apart.
    pub fn offset_max(&self) -> Duration {
        self.offset_max
    }

    /// End of the uncertainty window of a transaction that begins now: the physical clock plus the maximum offset.
    pub fn uncertainty_limit(&self) -> Timestamp {
        let offset = u64::try_from(self.offset_max.as_micros()).unwrap_or(u64::MAX);
        Timestamp::from_micros(self.physical.now_micros()).window_end(offset)
    }

    /// How long until the physical clock has passed the timestamp's microsecond (commit wait).
    pub fn wait_until_passed(&self, timestamp: Timestamp) -> Duration {
        let passed = timestamp.micros().saturating_add(1);
        Duration::from_micros(passed.saturating_sub(self.physical.now_micros()))
    }

    /// The machine's clocks.
    pub fn physical(&self) -> &Arc<dyn PhysicalClock> {
        &self.physical
    }

    /// Persists a bound ahead of `now`. The lock is held meanwhile: others could only wait for the same bound.
    fn raise_bound(&self, state: &mut HybridState, now: Timestamp) -> Result<(), ClockError> {
        let bound = ClockBound(now.window_end(CLOCK_BOUND_AHEAD_MAX_MICROS));
        self.bounds.persist(bound)?;
        state.bound = bound;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
