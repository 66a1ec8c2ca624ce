//! Safeguards that tests may switch off, to show that the simulator notices; and points where tests end a process.
//!
//! Without the cargo feature `known-bugs`, which no release build has, [`holds`] is a constant and [`reach`] is
//! nothing: the switches cost nothing and cannot be reached. With it, a switch disables the production line that it
//! names: `if safeguard::holds(Safeguard::VotePromise) { … }` stands at that very line.

/// What keeps one kind of loss or lie away (design.md sections 6, 7 and 14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Safeguard {
    /// A follower votes for nobody while its promise to a leader lasts.
    VotePromise,
    /// The lease is looked at after what a read read.
    LeaseCheckedLast,
    /// A split holds a latch on the whole right span until it is applied.
    SplitLatch,
    /// Intents are resolved only once the transaction's record says how.
    RecordBeforeResolve,
    /// What a replica reports as durable was synced before.
    SyncedBeforeReported,
    /// A vote is kept over a restart.
    PersistedVote,
    /// Entries are synced before they are acknowledged.
    SyncBeforeAcknowledge,
    /// A removed replica does not come back.
    Tombstones,
    /// A node whose clock is in doubt answers no client.
    ClockTrusted,
    /// A store that opens below what it has told as synced is not believed.
    SyncedRemembered,
    /// A directory that says that it was copied takes no part.
    CopiesRefused,
    /// A replica that has met damage on its disk hands over, and is made anew.
    DamagedReplaced,
    /// Heartbeats past the Raft task are taken only by a replica that surely follows their leader.
    BeatsOfFollowers,
    /// Ranges are made and removed only for who still holds the job's claim.
    JobEpochChecked,
    /// Ranges go only when no other range needs a record of theirs.
    RangesClosed,
    /// What was written behind a savepoint is gone when its transaction goes back to it.
    SavepointsUndone,
    /// What was read behind a savepoint counts on when its transaction goes back to it.
    ReadsOutliveSavepoints,
    /// Who has changed the catalog waits until all nodes know.
    CatalogSettled,
    /// A node says that it knows a newer catalog when nothing of what it has sent by an older one can be committed any more.
    CommitsSettled,
    /// What a leader sends after it has handed over promises nothing.
    SentBehindHandOver,
}

impl Safeguard {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::VotePromise,
        Self::LeaseCheckedLast,
        Self::SplitLatch,
        Self::RecordBeforeResolve,
        Self::SyncedBeforeReported,
        Self::PersistedVote,
        Self::SyncBeforeAcknowledge,
        Self::Tombstones,
        Self::ClockTrusted,
        Self::SyncedRemembered,
        Self::CopiesRefused,
        Self::DamagedReplaced,
        Self::BeatsOfFollowers,
        Self::JobEpochChecked,
        Self::RangesClosed,
        Self::SavepointsUndone,
        Self::ReadsOutliveSavepoints,
        Self::CatalogSettled,
        Self::CommitsSettled,
        Self::SentBehindHandOver,
    ];

    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::VotePromise => "vote-promise",
            Self::LeaseCheckedLast => "lease-checked-last",
            Self::SplitLatch => "split-latch",
            Self::RecordBeforeResolve => "record-before-resolve",
            Self::SyncedBeforeReported => "synced-before-reported",
            Self::PersistedVote => "persisted-vote",
            Self::SyncBeforeAcknowledge => "sync-before-acknowledge",
            Self::Tombstones => "tombstones",
            Self::ClockTrusted => "clock-trusted",
            Self::SyncedRemembered => "synced-remembered",
            Self::CopiesRefused => "copies-refused",
            Self::DamagedReplaced => "damaged-replaced",
            Self::BeatsOfFollowers => "beats-of-followers",
            Self::JobEpochChecked => "job-epoch-checked",
            Self::RangesClosed => "ranges-closed",
            Self::SavepointsUndone => "savepoints-undone",
            Self::ReadsOutliveSavepoints => "reads-outlive-savepoints",
            Self::CatalogSettled => "catalog-settled",
            Self::CommitsSettled => "commits-settled",
            Self::SentBehindHandOver => "sent-behind-hand-over",
        }
    }
}

/// Whether a safeguard is in force: always, without the feature.
#[cfg(not(feature = "known-bugs"))]
#[inline(always)]
pub const fn holds(_: Safeguard) -> bool {
    true
}

/// Ends the process where the environment asks for it: never, without the feature.
#[cfg(not(feature = "known-bugs"))]
#[inline(always)]
pub const fn reach(_: &str) {}

/// After what time without a sign of life the driver of a job is missed, where the environment says so: never, without the
/// feature.
#[cfg(not(feature = "known-bugs"))]
#[inline(always)]
pub const fn job_expiry() -> Option<std::time::Duration> {
    None
}

#[cfg(feature = "known-bugs")]
pub use switched::{holds, job_expiry, reach, switch_off};

#[cfg(feature = "known-bugs")]
mod switched {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use parking_lot::Mutex;

    use super::Safeguard;

    static OFF: AtomicU32 = AtomicU32::new(0);

    /// Names the point of [`reach`] where the process ends.
    const ABORT_AT: &str = "QUORATE_ABORT_AT";

    /// Names the point of [`reach`] where the process stands still, until somebody lets it go on.
    const STOP_AT: &str = "QUORATE_STOP_AT";

    /// Milliseconds of [`job_expiry`].
    const JOB_EXPIRY_MS: &str = "QUORATE_JOB_EXPIRY_MS";

    /// After what time without a sign of life the driver of a job is missed, where the environment says so.
    pub fn job_expiry() -> Option<Duration> {
        std::env::var(JOB_EXPIRY_MS).ok()?.parse().ok().map(Duration::from_millis)
    }

    /// Switches a safeguard off for the rest of this process.
    pub fn switch_off(safeguard: Safeguard) {
        OFF.fetch_or(1 << safeguard as u32, Ordering::SeqCst);
    }

    /// Whether a safeguard is in force.
    pub fn holds(safeguard: Safeguard) -> bool {
        OFF.load(Ordering::SeqCst) & (1 << safeguard as u32) == 0
    }

    /// Ends the process at once, as `kill -9` would, if `QUORATE_ABORT_AT` names this point; stops it as `kill -STOP` would, the
    /// first time, if `QUORATE_STOP_AT` does.
    pub fn reach(point: &str) {
        static ASKED: OnceLock<Option<String>> = OnceLock::new();
        static STOPS: OnceLock<Mutex<Option<String>>> = OnceLock::new();
        let stops = STOPS.get_or_init(|| Mutex::new(std::env::var(STOP_AT).ok()));
        if stops.lock().take_if(|at| at.as_str() == point).is_some() {
            tracing::warn!(point, "the process stands still here, as {STOP_AT} asks");
            let id = std::process::id().to_string();
            // It stands still until somebody sends it SIGCONT.
            let _ = std::process::Command::new("kill").args(["-STOP", &id]).status();
        }
        let asked = ASKED.get_or_init(|| std::env::var(ABORT_AT).ok());
        if asked.as_deref() == Some(point) {
            tracing::warn!(point, "the process ends here, as {ABORT_AT} asks");
            std::process::abort();
        }
    }
}
