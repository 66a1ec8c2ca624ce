//! Known bugs that are put back, and must be found: safeguards that are switched off, each with a seed that notices.
//!
//! A seed's history changes with the code. The search begins at the seed that is kept here, and ends where one notices;
//! none within [`SEEDS_MAX`] is a failure.

use quorate_raft_groups::safeguard::Safeguard;

/// Seeds within which every known bug must be found.
pub const SEEDS_MAX: u64 = 200;

/// A safeguard that can be missed, and who misses it.
#[derive(Clone, Copy, Debug)]
pub struct KnownBug {
    /// What is switched off.
    pub safeguard: Safeguard,
    /// A story instead of general chaos.
    pub scenario: Option<&'static str>,
    /// The first seed that noticed.
    pub seed: u64,
}

/// All that are found.
pub const ALL: &[KnownBug] = &[
    KnownBug { safeguard: Safeguard::SyncBeforeAcknowledge, scenario: None, seed: 0 },
    KnownBug { safeguard: Safeguard::PersistedVote, scenario: None, seed: 7 },
    KnownBug { safeguard: Safeguard::RecordBeforeResolve, scenario: None, seed: 1 },
    KnownBug { safeguard: Safeguard::VotePromise, scenario: Some("voter-restarts"), seed: 9 },
    KnownBug { safeguard: Safeguard::SplitLatch, scenario: Some("late-apply"), seed: 0 },
    KnownBug { safeguard: Safeguard::ClockTrusted, scenario: Some("clock-beyond-offset"), seed: 19 },
];
