//! Clocks: the physical one that comes in from outside, and the hybrid one that gives timestamps out.
//!
//! [`HybridClock`] is the larger of physical time and what was seen before, plus one. Three promises (design.md
//! section 5):
//!
//! - Timestamps only rise, also over a restart: none is given out above a [`ClockBound`] that was persisted before, and
//!   a start waits until the physical clock has passed that bound ([`HybridClock::wait_before_start`]).
//! - The clock is never dragged far ahead: [`HybridClock::forward`] refuses what lies beyond the maximum offset.
//! - Whoever asks for a timestamp never waits for the disk: the bound is raised ahead of need by somebody who may
//!   ([`HybridClock::extend_bound`]), and where that comes too late the asker is told so ([`ClockError::Late`]).

mod bound_format;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::hlc::Timestamp;
use crate::store::{Batch, Durability, Family, Store, StoreError};

pub use bound_format::ClockBound;

/// How far apart two healthy nodes' clocks may be (design.md section 12), in milliseconds.
pub const CLOCK_OFFSET_MAX_DEFAULT_MS: u64 = 250;
/// How far ahead of the clock the persisted bound is, in milliseconds, where the disk is quick: the longest wait of a
/// quick restart.
pub const CLOCK_BOUND_AHEAD_MS: u64 = 500;
/// How far ahead it is at most, on a disk that takes seconds.
pub const CLOCK_BOUND_AHEAD_MAX_MS: u64 = 10_000;
/// The bound is this much further ahead than usual for each microsecond that the disk takes: half of it is used up
/// when the next one is begun, and that takes as long again.
const AHEAD_FOR_DISK: u64 = 3;

const _: () =
    assert!(CLOCK_BOUND_AHEAD_MS <= CLOCK_BOUND_AHEAD_MAX_MS, "a quick disk needs no bound further ahead");
const _: () = assert!(
    CLOCK_OFFSET_MAX_DEFAULT_MS < CLOCK_BOUND_AHEAD_MS,
    "a timestamp of a healthy node lies below the bound that this one keeps ahead"
);

/// Times at which a timestamp was asked for that lay above the persisted bound.
const BOUND_LATE: &str = "quorate_clock_bound_late_total";

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

    /// Whether anybody will ever read it: where nobody does, nothing is persisted, and no timestamp is late.
    fn is_kept(&self) -> bool {
        true
    }
}

/// A [`BoundStore`] for clocks whose timestamps die with the process: tests, and stores in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct ForgetBound;

impl BoundStore for ForgetBound {
    fn persist(&self, _bound: ClockBound) -> Result<(), StoreError> {
        Ok(())
    }

    fn is_kept(&self) -> bool {
        false
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
    /// The timestamp would lie above the persisted bound: the disk is slow, or the clock has leapt. Soon over, as the
    /// bound is being raised.
    #[error("the disk has not taken the clock's bound yet")]
    Late,
    /// The bound could not be persisted.
    #[error("the clock's bound could not be persisted: {0}")]
    Bound(#[from] StoreError),
}

/// The hybrid logical clock of a node.
pub struct HybridClock {
    physical: Arc<dyn PhysicalClock>,
    bounds: Box<dyn BoundStore>,
    offset_max: Duration,
    /// Never held while the disk is waited for.
    state: Mutex<HybridState>,
    /// Held by whoever raises the bound.
    raising: Mutex<()>,
    /// Told once for each bound that came too late.
    on_late: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

#[derive(Debug)]
struct HybridState {
    /// Newest timestamp given out or seen.
    last: Timestamp,
    /// Persisted; [`HybridClock::now`] gives out nothing above it.
    bound: ClockBound,
    /// Somebody was told that it came too late.
    is_late: bool,
    /// What the disk took for the last bounds, in microseconds.
    disk_micros: u64,
    /// It failed to take one.
    failed: Option<StoreError>,
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
        metrics::describe_counter!(
            BOUND_LATE,
            metrics::Unit::Count,
            "Times this node's clock had to wait for the disk to take its bound"
        );
        let bound = ClockBound(if bounds.is_kept() { Timestamp::MIN } else { Timestamp::MAX });
        let state = HybridState { last: Timestamp::MIN, bound, is_late: false, disk_micros: 0, failed: None };
        let (state, raising, on_late) = (Mutex::new(state), Mutex::new(()), OnceLock::new());
        Self { physical, bounds, offset_max, state, raising, on_late }
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

    /// Sets who is told when a bound came too late, so as to raise it at once; the first one stays. It is called with no
    /// lock held, and must be quick.
    pub fn tell_when_late(&self, tell: impl Fn() + Send + Sync + 'static) {
        let _ = self.on_late.set(Box::new(tell));
    }

    /// A timestamp above all given out and seen before. Never waits.
    ///
    /// # Errors
    /// [`ClockError::Late`] until the bound has been raised, [`ClockError::Bound`] where it could not be.
    pub fn now(&self) -> Result<Timestamp, ClockError> {
        let mut state = self.state.lock();
        let now = self.next(&state);
        if now > state.bound.0 {
            if let Some(error) = &state.failed {
                return Err(ClockError::Bound(error.clone()));
            }
            let was_late = std::mem::replace(&mut state.is_late, true);
            drop(state);
            if !was_late {
                self.came_late();
            }
            return Err(ClockError::Late);
        }
        assert!(now <= state.bound.0, "no timestamp lies above the bound that was persisted before");
        assert!(now > state.last, "timestamps only rise");
        state.last = now;
        Ok(now)
    }

    /// What [`HybridClock::now`] would give, whatever the bound: given to nobody, for comparisons.
    pub fn peek(&self) -> Timestamp {
        self.next(&self.state.lock())
    }

    fn next(&self, state: &HybridState) -> Timestamp {
        state.last.next().max(Timestamp::from_micros(self.physical.now_micros()))
    }

    fn came_late(&self) {
        metrics::counter!(BOUND_LATE).increment(1);
        if let Some(tell) = self.on_late.get() {
            tell();
        }
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

    /// Raises the bound where less than half of what it may be ahead is left. Called every 50 ms or so, and when a bound
    /// came too late, by whoever may wait for the disk; nobody else waits meanwhile.
    ///
    /// # Errors
    /// [`ClockError::Bound`].
    pub fn extend_bound(&self) -> Result<(), ClockError> {
        let _one_at_a_time = self.raising.lock();
        let Some(bound) = self.wanted_bound() else { return Ok(()) };
        let begun = self.physical.boottime();
        let persisted = self.bounds.persist(bound);
        let took = self.physical.boottime().saturating_sub(begun).as_micros();
        let mut state = self.state.lock();
        // One that was quick may have been lucky.
        state.disk_micros = u64::try_from(took).unwrap_or(u64::MAX).max(state.disk_micros / 2);
        if let Err(error) = persisted {
            state.failed = Some(error.clone());
            return Err(error.into());
        }
        assert!(bound > state.bound, "the clock's bound only rises");
        state.bound = bound;
        state.is_late = false;
        Ok(())
    }

    /// The bound to persist now; `None` where the old one will do.
    fn wanted_bound(&self) -> Option<ClockBound> {
        let state = self.state.lock();
        let now = self.next(&state);
        let for_disk = state.disk_micros.saturating_mul(AHEAD_FOR_DISK);
        let ahead = for_disk.saturating_add(CLOCK_BOUND_AHEAD_MS * 1000).min(CLOCK_BOUND_AHEAD_MAX_MS * 1000);
        let left = state.bound.0.micros().saturating_sub(now.micros());
        (left < ahead / 2).then(|| {
            let wanted = ClockBound(now.window_end(ahead));
            assert!(wanted.0 > now, "a bound lies ahead of the clock that asks for it");
            wanted
        })
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
}

#[cfg(test)]
mod tests;
