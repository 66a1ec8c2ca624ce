//! How often each kind of fault fired, and each rare path was reached.
//!
//! All names stand in [`Point`]: over many seeds of chaos none of [`Point::GENERAL`] may stay at zero, and in a scenario
//! none that its story is about, or the simulator tests less than it says.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

macro_rules! points {
    (
        general { $($(#[$doc:meta])* $name:ident = $text:literal,)* }
        stories { $($(#[$story_doc:meta])* $story:ident = $story_text:literal,)* }
    ) => {
        /// Something that a run must meet.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Point {
            $($(#[$doc])* $name,)*
            $($(#[$story_doc])* $story,)*
        }

        impl Point {
            /// What general chaos meets.
            pub const GENERAL: &[Self] = &[$(Self::$name,)*];
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)* $(Self::$story,)*];

            /// As it is printed.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    $(Self::$story => $story_text,)*
                }
            }
        }
    };
}

points! {
    general {
        /// A machine lost power.
        Crash = "fault: crash",
        /// All machines lost power at once.
        CrashAll = "fault: crash of all machines",
        /// A crash lost batches that no sync had reached.
        LostUnsynced = "fault: unsynced batches lost",
        /// A crash kept some of them.
        KeptUnsynced = "fault: a part of the unsynced batches kept",
        /// A machine came back.
        Restart = "fault: restart",
        /// Its clock had gone back meanwhile.
        ClockBackAtRestart = "fault: clock gone back over a restart",
        /// A wall clock jumped.
        ClockJump = "fault: clock jump",
        /// A process stood still.
        Pause = "fault: pause",
        /// A machine was cut off.
        Isolate = "fault: partition of one machine",
        /// The machines were cut into two parts.
        Halves = "fault: partition in two parts",
        /// Messages of one direction were lost.
        OneWay = "fault: one-way partition",
        /// Answers of a leaseholder were lost for a moment.
        AnswerLost = "fault: answers lost",
        /// A voter restarted while another waited for its vote.
        PromiseTrap = "fault: voter restarted during an election",
        /// A link delivered late.
        SlowLink = "fault: slow link",
        /// Connections broke.
        Reset = "fault: connections reset",
        /// A message was lost.
        Lost = "fault: message lost",
        /// A message came twice.
        Duplicated = "fault: message duplicated",
        /// A disk took long.
        SlowDisk = "fault: slow disk",
        /// Work beside the log took long.
        SlowWork = "fault: slow work",
        /// A Raft task was ended, to be rebuilt.
        KillTask = "fault: Raft task ended",
        /// A machine came back without what its disk had synced lately.
        ForgotSynced = "fault: disk without what it had synced",
        /// A machine came back with a copy of its disk, of before.
        CopyRestored = "fault: copy of a disk restored",
        /// A machine told others that no process runs on it any more.
        Refused = "fault: connections refused",
        /// Rows of a machine became unreadable.
        DamagedBlock = "fault: damaged rows",
        /// A replica that had met damage gave way to another one.
        DamagedReplaced = "path: damaged replica made anew",
        /// A node that took no part joined anew with an empty disk.
        Rejoined = "path: refused node joined anew",
        /// A replica was moved, as far as its range's leader said.
        Move = "path: move begun",
        /// A range became two.
        Split = "path: range split",
        /// A replica came into being on another node.
        NewReplica = "path: replica on a new node",
        /// Heartbeats went from store to store, past the Raft tasks.
        Beats = "path: heartbeats past the Raft tasks",
        /// A transaction over several tables was committed.
        SeveralRanges = "path: committed over several tables",
        /// A lease was handed over.
        HandOver = "path: lease handed over",
        /// A hand-over was asked for and did not come about.
        HandOverFailed = "path: hand-over failed",
        /// A leaseholder was replaced.
        LeaderChange = "path: leaseholder changed",
        /// A commit succeeded.
        Committed = "path: committed",
        /// A transaction had to be repeated.
        Retry = "path: restart transaction",
        /// A table was made by SQL.
        TableCreated = "path: table created",
        /// A table was dropped by SQL.
        TableDropped = "path: table dropped",
        /// A table was truncated by SQL.
        TableTruncated = "path: table truncated",
        /// A table was given a primary key.
        TableKeyed = "path: table given a key",
        /// A transaction of SQL went back to a savepoint, and was committed.
        SqlWentBack = "path: savepoint gone back to",
        /// A sequence gave a value.
        SequenceDrawn = "path: value of a sequence given",
        /// A sequence was set.
        SequenceSet = "path: sequence set",
        /// SQL wrote a row.
        SqlRowWritten = "path: row written by SQL",
        /// SQL wrote rows of two tables as one.
        SqlTwinsWritten = "path: rows of two tables written by SQL",
        /// A change of the catalog was taken over from a driver that gave no sign of life any more.
        JobTakenOver = "path: job taken over",
        /// A row was there already.
        ConditionFailed = "path: condition failed",
        /// A range had no quorum.
        Unavailable = "path: range unavailable",
        /// A commit's fate is unknown to its client.
        Ambiguous = "path: ambiguous commit",
        /// A client died with its node.
        Orphaned = "path: client died with its node",
        /// An unknown commit turned out to be in.
        UnknownCommitted = "path: unknown commit is in",
        /// An unknown commit turned out not to be in.
        UnknownLost = "path: unknown commit is not in",
    }
    stories {
        /// Ranges were led as before when all disks had been slow for long.
        SlowDisksKeptLeaders = "leaders kept while all disks were slow",
        /// The table that held a record was dropped, and what it had committed elsewhere stayed.
        DroppedRecord = "story: table dropped that held the record of another's intents",
        /// A range was split while its replicas changed.
        SplitDuringChange = "story: range split while its replicas changed",
        /// The right side of a split was served before the left side's leader had applied the split.
        RightServedFirst = "story: right side served before the left leader had applied the split",
        /// A Raft task was rebuilt while another replica stood for election, and a leader served.
        RebuiltInElection = "story: Raft task rebuilt while another replica stood for election",
        /// The power went in the middle of a snapshot's installation.
        InstallInterrupted = "story: power cut between a snapshot's marker and its state",
        /// An intent outlived an outage longer than records are kept, and became what its record said.
        RecordOutlivedOutage = "story: intent resolved by a record of more than ten minutes ago",
        /// A transaction was met while it had been laying intents for longer than one lives without a sign of life.
        MetWhileLaying = "story: old transaction met while it was still laying intents, and committed",
        /// A dead coordinator's intents were resolved without anybody meeting them.
        AbandonedResolved = "story: intents of a dead coordinator resolved by nobody but the sweep",
        /// All replicas of a machine whose disk was lost were replaced.
        DiskReplaced = "story: all replicas of a lost disk replaced",
        /// A disk without what it had synced came back, and was not believed.
        ForgetfulRefused = "story: store that had forgotten what it synced refused",
        /// A copy came back while nobody who remembers better was there, and took no part.
        CopyRefused = "story: copied directory refused",
        /// A lease was about to be handed over while a machine whose clock is ahead read now and then.
        ReaderAhead = "story: lease handed over from under a reader whose clock is ahead",
        /// The power went right after a snapshot had come.
        SnapshotThenCrash = "story: power cut right after a snapshot",
        /// A driver of DDL stood still until its job had been taken over, and went on.
        DriverReplaced = "story: driver of DDL paused and replaced",
        /// A replica moved there and back again, while a follower heard of nothing.
        ThereAndBack = "story: replica moved there and back behind a follower's back",
        /// Of two transactions that had read the same row behind a savepoint, at least one was committed.
        SavepointReadsMet = "story: two transactions had read the same row behind a savepoint",
        /// The quorum of a range went away during a hand-over and came back after it, and the range was led again.
        LateEnd = "story: quorum that was away during a hand-over back after it",
        /// A table was given its key while a row was on its way to it.
        LateCommit = "story: row under way while its table was given a key",
    }
}

/// Counts of one run; clones are the same ones.
#[derive(Clone, Default)]
pub struct Coverage {
    counts: Arc<Mutex<BTreeMap<Point, u64>>>,
}

impl Coverage {
    /// It happened.
    pub fn hit(&self, point: Point) {
        *self.counts.lock().entry(point).or_default() += 1;
    }

    /// How often it happened.
    pub fn count(&self, point: Point) -> u64 {
        self.counts.lock().get(&point).copied().unwrap_or(0)
    }
}
