//! Whether this node's clock can be trusted: its offset against the other nodes, measured with every answer that comes.
//!
//! ```text
//!   asked ─────── answered: the peer's wall time ─────── arrived: our wall time
//!     └──────────────────── elapsed ───────────────────────┘
//!   the peer is ahead by something between   low = theirs − ours   and   high = low + elapsed
//! ```
//!
//! A node that sees itself beyond 80 % of the maximum offset against a majority of the peers that it has measured serves
//! no clients until that is over (design.md section 7). A wall clock that was set, which shows against the clock of
//! leases, and that of a process that has just started among others, are not trusted before they were measured.
//!
//! Invariant: a transaction during which the clock was in doubt at any moment is not answered. Pure: moments come in.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_engine::clock::{CLOCK_OFFSET_MAX_DEFAULT_MS, PhysicalClock};
use quorate_placement::topology::NodeId;

/// Share of the maximum offset, in percent, beyond which a node does not serve.
const TRUSTED_PERCENT: u32 = 80;
/// How far from the others a node may be and serve, in milliseconds, with the default maximum offset.
pub const CLOCK_TRUSTED_MAX_MS: u64 = CLOCK_OFFSET_MAX_DEFAULT_MS * TRUSTED_PERCENT as u64 / 100;
/// How long a measurement counts.
const MEASUREMENT_KEPT: Duration = Duration::from_secs(10);
/// How old one is when any newer one takes its place: else a narrow one would be the only one until it counts no more, and
/// for a moment this peer would not be heard, only those whose answer comes then.
const MEASUREMENT_BEST: Duration = Duration::from_secs(5);
const _: () = assert!(MEASUREMENT_BEST.as_secs() < MEASUREMENT_KEPT.as_secs());
/// Longest wait for the first measurement: where nobody answers there is nobody to disagree with.
const UNMEASURED_MAX: Duration = Duration::from_secs(10);
/// The two clocks of a reading are read within this time, or once more.
const READING_MAX: Duration = Duration::from_millis(1);
/// How often they are read at most: on a machine that stands still every other moment, the last one has to do.
const READINGS_MAX: u32 = 5;

/// A moment on both clocks of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Wall clock, microseconds since 1970.
    pub wall_micros: u64,
    /// Clock of leases.
    pub boot: Duration,
}

impl Reading {
    /// Both clocks at one moment, as far as that is possible.
    pub fn of(physical: &dyn PhysicalClock) -> Self {
        let mut boot = physical.boottime();
        for _ in 1..READINGS_MAX {
            let reading = Self { wall_micros: physical.now_micros(), boot };
            boot = physical.boottime();
            if boot.saturating_sub(reading.boot) <= READING_MAX {
                return reading;
            }
        }
        Self { wall_micros: physical.now_micros(), boot }
    }

    /// What the clocks differ by; it changes when the wall clock is set.
    fn difference(self) -> i128 {
        i128::from(self.wall_micros) - micros(self.boot)
    }
}

/// Counts the moments at which the clock was found in doubt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockEpoch(u64);

/// An answer's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The peer's wall clock when it sent the answer.
    pub wall_micros: u64,
    /// From the question to the arrival of the answer.
    pub elapsed: Duration,
}

/// Why this node's clock cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockDoubt {
    /// It is too far from those of others.
    #[error(
        "this node's clock is {offsets}, beyond {limit_ms} ms ({TRUSTED_PERCENT} % of the maximum clock offset): it \
         serves no clients until its time synchronisation is mended; use another node meanwhile"
    )]
    Beyond {
        /// By how much, and of whom, in words.
        offsets: String,
        /// Milliseconds that are allowed.
        limit_ms: u64,
    },
    /// It was not compared with others yet since the process started or since it was set.
    #[error(
        "this node's clock has not been compared with those of other nodes since it {event}: it serves clients within \
         seconds, once one of them answers"
    )]
    Unmeasured {
        /// "started", or "was set".
        event: &'static str,
    },
    /// It can be trusted again, but could not be for some of the time that was asked about.
    #[error("this node's clock was set, or too far from those of other nodes, while the transaction ran")]
    Past,
}

/// What is told to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClockChange {
    /// From now on the clock is in doubt.
    Doubted(ClockDoubt),
    /// From now on it is trusted.
    Trusted,
}

/// The offset of one peer's clock, in microseconds: positive where it is ahead of this node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Measured {
    low: i128,
    high: i128,
    at: Duration,
}

impl Measured {
    fn width(self) -> i128 {
        self.high - self.low
    }

    fn overlaps(self, other: Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }

    fn middle(self) -> i128 {
        i128::midpoint(self.low, self.high)
    }

    fn is_fresh(self, now: Duration) -> bool {
        now.saturating_sub(self.at) < MEASUREMENT_KEPT
    }

    fn is_ageing(self, now: Duration) -> bool {
        now.saturating_sub(self.at) >= MEASUREMENT_BEST
    }
}

/// How the clock stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    Trusted,
    /// Until somebody answers, or this moment.
    Unmeasured {
        event: &'static str,
        until: Duration,
    },
    Beyond {
        offsets: String,
    },
}

#[derive(Debug)]
struct ClockState {
    peers: BTreeMap<NodeId, Measured>,
    /// What the clocks differed by when they were read last.
    difference: Option<i128>,
    standing: Standing,
    epoch: ClockEpoch,
}

/// Watches a node's clock.
#[derive(Debug)]
pub struct ClockGuard {
    /// Microseconds.
    offset_max: i128,
    state: Mutex<ClockState>,
}

impl ClockGuard {
    /// A guard of a clock that may be this far from others.
    pub fn new(offset_max: Duration) -> Self {
        let state = ClockState {
            peers: BTreeMap::new(),
            difference: None,
            standing: Standing::Trusted,
            epoch: ClockEpoch::default(),
        };
        Self { offset_max: micros(offset_max), state: Mutex::new(state) }
    }

    /// There are other nodes: until one of them was measured the clock is in doubt.
    pub fn expect_peers(&self, now: Reading) {
        let mut state = self.state.lock();
        if state.peers.is_empty() {
            state.doubt_until_measured("started", now);
        }
    }

    /// A peer's answer came in.
    pub fn measured(&self, peer: NodeId, stamp: Stamp, now: Reading) -> Option<ClockChange> {
        let mut state = self.state.lock();
        let before = state.standing.clone();
        self.observe(&mut state, now);
        let low = i128::from(stamp.wall_micros) - i128::from(now.wall_micros);
        let new = Measured { low, high: low.saturating_add(micros(stamp.elapsed)), at: now.boot };
        // The narrowest one says most, unless either clock has been set since.
        let is_better =
            |old: &Measured| old.is_ageing(now.boot) || new.width() <= old.width() || !new.overlaps(*old);
        if state.peers.get(&peer).is_none_or(is_better) {
            state.peers.insert(peer, new);
        }
        self.judge(&mut state, now.boot);
        self.changed(&before, &state)
    }

    /// Whether the clock is trusted, and, where an epoch is given, was at every moment since that; gives the epoch that
    /// begins now, and what is new to the log.
    pub fn check(
        &self,
        since: Option<ClockEpoch>,
        now: Reading,
    ) -> (Result<ClockEpoch, ClockDoubt>, Option<ClockChange>) {
        let mut state = self.state.lock();
        let before = state.standing.clone();
        self.observe(&mut state, now);
        let result = match self.doubt(&state.standing) {
            Some(doubt) => {
                state.doubted();
                Err(doubt)
            }
            None if since.is_some_and(|since| since != state.epoch) => Err(ClockDoubt::Past),
            None => Ok(state.epoch),
        };
        (result, self.changed(&before, &state))
    }

    /// How far a peer's clock is ahead of this node's, in milliseconds; `None` where it was not measured lately.
    pub fn offset_ms(&self, peer: NodeId, now: Duration) -> Option<i64> {
        let measured =
            self.state.lock().peers.get(&peer).copied().filter(|measured| measured.is_fresh(now))?;
        i64::try_from(measured.middle() / 1_000).ok()
    }

    /// The same in seconds, for metrics.
    pub fn offset_seconds(&self, peer: NodeId, now: Duration) -> Option<f64> {
        let state = self.state.lock();
        let measured = state.peers.get(&peer).filter(|measured| measured.is_fresh(now))?;
        let micros = i64::try_from(measured.middle()).ok()?;
        let size = Duration::from_micros(micros.unsigned_abs()).as_secs_f64();
        Some(if micros < 0 { -size } else { size })
    }

    /// How far this node's clock may be from those of most others before it does not serve.
    pub fn allowed(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.limit()).unwrap_or(u64::MAX))
    }

    /// Whether a peer was measured within the last `within`.
    pub fn is_measured(&self, peer: NodeId, within: Duration, now: Duration) -> bool {
        let state = self.state.lock();
        state.peers.get(&peer).is_some_and(|measured| now.saturating_sub(measured.at) < within)
    }

    /// How far the clock may be from others, in microseconds.
    fn limit(&self) -> i128 {
        self.offset_max * i128::from(TRUSTED_PERCENT) / 100
    }

    /// Notices that the wall clock was set, and that waiting is over. What is within the rest of the maximum offset
    /// does no harm to a node that was trusted.
    fn observe(&self, state: &mut ClockState, now: Reading) {
        let difference = now.difference();
        let is_set = state
            .difference
            .is_some_and(|before| (difference - before).abs() > self.offset_max - self.limit());
        state.difference = Some(difference);
        if is_set {
            state.doubted();
            if !state.peers.is_empty() {
                state.peers.clear();
                state.doubt_until_measured("was set", now);
            }
        }
        if let Standing::Unmeasured { until, .. } = state.standing
            && now.boot >= until
        {
            state.standing = Standing::Trusted;
            state.doubted();
        }
    }

    /// What the measurements say. Where there are none any more, what they said last stays.
    fn judge(&self, state: &mut ClockState, now: Duration) {
        state.peers.retain(|_, measured| measured.is_fresh(now));
        let limit = self.limit();
        let is_beyond = |measured: &Measured| measured.low > limit || measured.high < -limit;
        let beyond: Vec<_> = state.peers.iter().filter(|(_, measured)| is_beyond(measured)).collect();
        let standing = if beyond.len() * 2 > state.peers.len() {
            let offsets = beyond.iter().map(|(peer, measured)| in_words(**peer, measured.middle()));
            Standing::Beyond { offsets: offsets.collect::<Vec<_>>().join(" and ") }
        } else {
            Standing::Trusted
        };
        if state.standing != Standing::Trusted || standing != Standing::Trusted {
            state.doubted();
        }
        state.standing = standing;
    }

    fn doubt(&self, standing: &Standing) -> Option<ClockDoubt> {
        match standing {
            Standing::Trusted => None,
            Standing::Unmeasured { event, .. } => Some(ClockDoubt::Unmeasured { event }),
            Standing::Beyond { offsets } => Some(ClockDoubt::Beyond {
                offsets: offsets.clone(),
                limit_ms: u64::try_from(self.limit() / 1_000).unwrap_or_default(),
            }),
        }
    }

    fn changed(&self, before: &Standing, state: &ClockState) -> Option<ClockChange> {
        // That the numbers are others is nothing new.
        if std::mem::discriminant(before) == std::mem::discriminant(&state.standing) {
            return None;
        }
        Some(self.doubt(&state.standing).map_or(ClockChange::Trusted, ClockChange::Doubted))
    }
}

impl ClockState {
    fn doubt_until_measured(&mut self, event: &'static str, now: Reading) {
        self.standing = Standing::Unmeasured { event, until: now.boot.saturating_add(UNMEASURED_MAX) };
        self.doubted();
    }

    fn doubted(&mut self) {
        self.epoch.0 += 1;
    }
}

/// How this node's clock stands to a peer's that is ahead by so many microseconds.
fn in_words(peer: NodeId, ahead: i128) -> String {
    let side = if ahead > 0 { "behind" } else { "ahead of" };
    format!("{} ms {side} {peer}'s", ahead.abs() / 1_000)
}

fn micros(duration: Duration) -> i128 {
    i128::try_from(duration.as_micros()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests;
