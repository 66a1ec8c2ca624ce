//! How long things last: one profile of times, whose relations are checked where it is built.
//!
//! All times are microseconds of a clock that counts suspended time (`CLOCK_BOOTTIME`). The relations are what the
//! lease's proof rests on (design.md section 6): a lease is over before any promise that it rests on, by more than two
//! clocks may differ.

use std::time::Duration;

use quorate_engine::clock::CLOCK_OFFSET_MAX_DEFAULT_MS;

const MILLI: u64 = 1_000;

/// Times of a store's ranges, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// A leader sends heartbeats this often.
    pub heartbeat: u64,
    /// No vote is given for this long after an acknowledgement.
    pub vote_promise: u64,
    /// An election starts at most this long after the promise's end, at random.
    pub election_spread: u64,
    /// A lost or refused round is repeated after at least this long.
    pub retry_min: u64,
    /// The first lost or refused round is repeated after at most this long; the pause doubles with each further one,
    /// up to eight times.
    pub retry_max: u64,
    /// A leader serves for this long after the send time of what a quorum acknowledged.
    pub lease_duration: u64,
    /// A leader whose Raft task has reached no quorum for this long keeps no lease by heartbeats beside it.
    pub beside: u64,
    /// Without quorum for this long, a leader pauses its heartbeats for as long, then probes one round.
    pub quorum_pause: u64,
    /// Without quorum for this long, or with a proposal that old, requests fail at once.
    pub breaker: u64,
    /// A request waits this long for a leader, a latch or a quorum, all in all.
    pub request: u64,
}

/// For nodes within one data centre or region (design.md section 12).
pub const LAN: Timing = Timing::checked(Timing {
    heartbeat: 300 * MILLI,
    vote_promise: 1_000 * MILLI,
    election_spread: 300 * MILLI,
    retry_min: 50 * MILLI,
    retry_max: 150 * MILLI,
    lease_duration: 700 * MILLI,
    beside: 15_000 * MILLI,
    quorum_pause: 2_000 * MILLI,
    breaker: 3_000 * MILLI,
    request: 4_500 * MILLI,
});

impl Timing {
    /// These times, if they fit together.
    ///
    /// # Panics
    /// Where they do not: at compile time for a constant.
    pub const fn checked(timing: Self) -> Self {
        assert!(timing.heartbeat > 0 && timing.retry_min > 0, "nothing is repeated without a pause");
        assert!(timing.retry_min <= timing.retry_max, "a pause has a least and a greatest length");
        assert!(
            timing.vote_promise >= timing.lease_duration + CLOCK_OFFSET_MAX_DEFAULT_MS * MILLI,
            "a lease ends before its promises by the maximum clock offset, so that a new leader's clock is above \
             every timestamp that the old one served"
        );
        assert!(2 * timing.heartbeat <= timing.lease_duration, "one lost heartbeat costs no lease");
        assert!(
            timing.quorum_pause > timing.vote_promise + timing.election_spread,
            "a pause is long enough for the others to elect"
        );
        assert!(
            timing.beside > timing.request,
            "a Raft task that is late for as long as a request waits costs no lease"
        );
        assert!(timing.breaker >= timing.quorum_pause, "the breaker opens after the first pause began");
        assert!(timing.request > timing.breaker, "who waits learns from the breaker what is missing");
        timing
    }

    /// When a leader that sends now sends its next heartbeat: all leaders of a store at the same moments, so that one
    /// frame carries all their heartbeats to a node, and one wake-up serves them.
    pub const fn next_heartbeat(&self, now: u64) -> u64 {
        now - now % self.heartbeat + self.heartbeat
    }

    /// How long an answer to a heartbeat may take.
    pub const fn heartbeat_timeout(&self) -> Duration {
        Duration::from_micros(self.vote_promise * 2 / 5)
    }

    /// [`Timing::request`] as a duration.
    pub const fn request_timeout(&self) -> Duration {
        Duration::from_micros(self.request)
    }
}
