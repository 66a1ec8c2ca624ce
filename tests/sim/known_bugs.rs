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

const fn by_chaos(safeguard: Safeguard, seed: u64) -> KnownBug {
    KnownBug { safeguard, scenario: None, seed }
}

const fn by(scenario: &'static str, safeguard: Safeguard, seed: u64) -> KnownBug {
    KnownBug { safeguard, scenario: Some(scenario), seed }
}

/// All safeguards.
pub const ALL: &[KnownBug] = &[
    // A follower acknowledges entries that are not on its disk. The power goes, its log is shorter than its leader
    // believes, and what was acknowledged to a client may be on no quorum.
    by_chaos(Safeguard::SyncBeforeAcknowledge, 0),
    // A voter restarts, does not remember its vote, and votes once more in the same term: two leaders of one term.
    by_chaos(Safeguard::PersistedVote, 7),
    // Intents become versions before the record says COMMITTED. Where the record is never written, the transaction is
    // aborted by whoever meets what is left of it, and half of it stays.
    by_chaos(Safeguard::RecordBeforeResolve, 1),
    // A follower that is out of its leader's reach stands for election, and a voter that has just restarted votes for
    // it, while the lease that it had acknowledged before lasts: two leaseholders.
    by("voter-restarts", Safeguard::VotePromise, 27),
    // A read finds the lease held, and waits for the latch of a write that is on its way. The lease is handed over: the
    // mark of its end does not know the read. The write is applied, the latch ends, the old leader answers the read at
    // its timestamp, and its successor, whose clock is behind that, writes below it. There is a second line: each
    // message forwards its receiver's clock, and the successor has had messages since the read came in. The switch
    // takes both away; without the second line alone nothing goes wrong.
    by("reader-ahead", Safeguard::LeaseCheckedLast, 12),
    // The proposer of a split applies it late, and goes on to serve the right side's keys, while the right side's leader
    // elsewhere, which knows of no read after the split's proposal, writes below them.
    by("late-apply", Safeguard::SplitLatch, 0),
    // A replica installs a snapshot without a sync and says that it has it. Before any log's sync takes the snapshot
    // along, the power goes: its leader counts on entries, and has perhaps cut them off, that the replica has lost. As
    // long as log and state share one write-ahead log, whatever the replica acknowledges later is synced behind the
    // snapshot, so that no commit is lost; what is left is a replica that is empty again, whose leader sees its log go
    // back.
    by("lost-snapshot", Safeguard::SyncedBeforeReported, 0),
    // The order to create a replica comes again when the range has removed it. It begins anew under its old id, without
    // its log and its votes, and helps whoever has not heard of the removal to become a second leader.
    by("removed-returns", Safeguard::Tombstones, 0),
    // A node whose clock is beyond the maximum offset goes on serving its clients: their transactions begin in the past,
    // and do not see what was acknowledged to others.
    by("clock-beyond-offset", Safeguard::ClockTrusted, 129),
    // A store has lost the end of what it had synced, and nothing on it says so. It makes a majority with a node that was
    // away, without the one that has what was acknowledged and knows how far the store had been.
    by("forgotten-syncs", Safeguard::SyncedRemembered, 0),
    // A copy of a data directory comes back when nobody is there who knows better, and makes a majority with a node that
    // was away.
    by("copied-directory", Safeguard::CopiesRefused, 0),
    // Rows of a leaseholder's disk are damaged. It goes on leading, and whoever asks for them is told so, though two other
    // replicas have them.
    by("damaged-block", Safeguard::DamagedReplaced, 0),
    // A follower has voted for another leader, and takes a heartbeat of the one before past its Raft task: that one goes on
    // serving, beside its successor.
    by_chaos(Safeguard::BeatsOfFollowers, 226),
    // A gateway stands still before it asks for a new table's range. Its job is taken over and undone; then it goes on and asks,
    // and a range comes to be that no table will ever name.
    by("replaced-driver", Safeguard::JobEpochChecked, 0),
    // A coordinator dies between its commit and the resolution of its intents. The table that holds its record is dropped;
    // whoever meets the intents elsewhere finds no record, and takes back what was committed.
    by("dropped-record", Safeguard::RangesClosed, 0),
    // What was written behind a savepoint stays when its transaction goes back to it, and is committed with the rest.
    by("savepoint-reads", Safeguard::SavepointsUndone, 0),
    // What was read behind a savepoint is forgotten when its transaction goes back to it: another one has read the same, and
    // both write what depends on it.
    by("savepoint-reads", Safeguard::ReadsOutliveSavepoints, 0),
    // A change of the catalog is acknowledged before all nodes know of it: tables that are gone are read, and sequences give
    // values of before their setval.
    by_chaos(Safeguard::CatalogSettled, 1),
    // A row is written by the catalog of before, on its way while its node says that it knows the newer one: the rows of the
    // table are copied for its key, and this one arrives behind.
    by("late-commit", Safeguard::CommitsSettled, 1),
    // A leader that has handed over promises anew with each append that it tries to send to a node that is gone, and never
    // votes for the one that is left.
    by("late-end", Safeguard::SentBehindHandOver, 0),
];

const _: () = assert!(ALL.len() == Safeguard::ALL.len(), "each safeguard is missed by somebody");
