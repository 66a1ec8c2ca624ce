//! Named scenarios: the stories of design.md section 14 that must not happen, each provoked again and again.
//!
//! Most let only those faults loose that their story is made of, densely; a story that chance would hardly tell is told
//! step by step, in a file of its own. The invariants are those of every run, and a scenario without the event that its
//! story is about fails.

mod abandoned;
mod dropped_record;
mod eyes;
mod interrupted_install;
mod large_transaction;
mod late_apply;
mod late_commit;
mod late_end;
mod lost_disk;
mod old_disks;
mod outage;
mod rebuilt_task;
mod replaced_driver;
mod savepoint_reads;
mod slow_disks;
mod split_and_move;
mod statements;

use std::sync::atomic::Ordering;

use crate::chaos::{Chaos, Fault};
use crate::coverage::Point;
use crate::network::MachineId;
use crate::world::{SECOND, World};

const MILLI: u64 = 1_000;
/// How long a scenario goes on.
const SCENARIO: u64 = 15 * SECOND;

/// A story.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its number in the design, and what must not happen.
    pub story: &'static str,
    /// What brings it about.
    how: How,
    /// What must have happened in the end.
    wants: &'static [Point],
    /// How many machines there are, where that is not left to the seed.
    pub machines: Option<MachineId>,
}

/// What brings a story about.
#[derive(Clone, Copy, Debug)]
enum How {
    /// Faults of these kinds, with pauses of at most so many microseconds between them.
    Faults(&'static [Fault], u64),
    /// The same, for so many microseconds.
    FaultsFor(&'static [Fault], u64, u64),
    /// Step by step.
    Told(fn(&mut World)),
}

/// All scenarios.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "answer-lost",
        story: "1: a commit whose answer was lost is sent again over another's write",
        how: How::Faults(&[Fault::AnswerLost, Fault::Reset], 400 * MILLI),
        wants: &[Point::AnswerLost],
        machines: None,
    },
    Scenario {
        name: "proposal-again",
        story: "3: a rejected proposal is proposed again as it was",
        how: How::Faults(&[Fault::HandOver, Fault::IsolateLeader, Fault::SlowDisk], 800 * MILLI),
        wants: &[Point::LeaderChange],
        machines: None,
    },
    Scenario {
        name: "paused-leader",
        story: "4: a leader that was paused serves what a new one has written over",
        how: How::Faults(&[Fault::PauseLeader, Fault::SlowWork], 1_500 * MILLI),
        wants: &[Point::Pause, Point::LeaderChange],
        machines: None,
    },
    Scenario {
        name: "impatient-client",
        story: "9: a client's timeout frees a latch while its entry is in the log",
        how: How::Faults(&[Fault::IsolateLeader, Fault::OneWay, Fault::SlowDisk], 1_500 * MILLI),
        wants: &[Point::Unavailable, Point::LeaderChange],
        machines: None,
    },
    Scenario {
        name: "voter-restarts",
        story: "11: a replica votes at once after a restart, against its promise",
        how: How::Faults(&[Fault::PromiseTrap], 1_500 * MILLI),
        wants: &[Point::PromiseTrap],
        machines: None,
    },
    Scenario {
        name: "successor-dies",
        story: "12: a read above the successor's clock is forgotten when the successor dies",
        how: How::Faults(&[Fault::HandOverThenCrash, Fault::HandOver], 600 * MILLI),
        wants: &[Point::HandOver, Point::Crash],
        machines: None,
    },
    Scenario {
        name: "clock-back",
        story: "13: a clock goes back over a restart, and acknowledged rows become invisible",
        how: How::Faults(&[Fault::ClockBackAtRestart, Fault::ClockJump], 1_500 * MILLI),
        wants: &[Point::ClockBackAtRestart],
        machines: None,
    },
    Scenario {
        name: "slow-clock",
        story: "14: a gateway with a slow clock does not see what was acknowledged",
        how: How::Faults(&[Fault::ClockJump], 300 * MILLI),
        wants: &[Point::ClockJump],
        machines: None,
    },
    Scenario {
        name: "clock-beyond-offset",
        story: "14: a node whose clock is beyond the maximum offset serves what is no longer true",
        how: How::Faults(&[Fault::ClockBeyond], 1_500 * MILLI),
        wants: &[Point::ClockJump],
        machines: None,
    },
    Scenario {
        name: "lost-power",
        story: "15: what a replica reported as durable is gone after a power cut",
        how: How::Faults(&[Fault::CrashAll, Fault::SlowDisk], 2 * SECOND),
        wants: &[Point::CrashAll, Point::LostUnsynced],
        machines: None,
    },
    Scenario {
        name: "void-promise",
        story: "17: two replicas hold the promise void by the same EndLease",
        how: How::Faults(&[Fault::HandOver, Fault::IsolateLeader, Fault::AnswerLost], 400 * MILLI),
        wants: &[Point::HandOver, Point::LeaderChange],
        machines: None,
    },
    Scenario {
        name: "early-leader",
        story: "18: a new leader reads before it has applied the old term's entries",
        how: How::Faults(&[Fault::CrashLeader, Fault::SlowDisk, Fault::SlowLink], 1_500 * MILLI),
        wants: &[Point::Crash, Point::LeaderChange],
        machines: None,
    },
    Scenario {
        name: "lost-update",
        story: "21: a one-range commit is pushed above another's write that it had read below",
        how: How::Faults(&[Fault::ClockJump, Fault::HandOver, Fault::SlowWork], 300 * MILLI),
        wants: &[Point::ClockJump, Point::HandOver],
        machines: None,
    },
    Scenario {
        name: "late-apply",
        story: "5: a leader that applies its split late serves what the right side's leader has written over",
        how: How::Told(late_apply::tell),
        wants: &[Point::RightServedFirst],
        machines: None,
    },
    Scenario {
        name: "split-and-move",
        story: "10: a membership entry brings back the bounds of before a split",
        how: How::Told(split_and_move::tell),
        wants: &[Point::SplitDuringChange, Point::Move],
        machines: Some(4),
    },
    Scenario {
        name: "rebuilt-task",
        story: "11: a Raft task that was rebuilt votes at once, against its replica's promise",
        how: How::Told(rebuilt_task::tell),
        wants: &[Point::RebuiltInElection],
        machines: Some(3),
    },
    Scenario {
        name: "interrupted-install",
        story: "16: a power cut within a snapshot's installation leaves half of two states",
        how: How::Told(interrupted_install::tell),
        wants: &[Point::InstallInterrupted],
        machines: Some(4),
    },
    Scenario {
        name: "long-outage",
        story: "19: a record is forgotten during an outage, and its intent is taken for aborted",
        how: How::Told(outage::tell),
        wants: &[Point::RecordOutlivedOutage],
        machines: Some(5),
    },
    Scenario {
        name: "large-transaction",
        story: "20: a large transaction's first intents are met before its record exists",
        how: How::Told(large_transaction::tell),
        wants: &[Point::MetWhileLaying],
        machines: Some(3),
    },
    Scenario {
        name: "dead-coordinator",
        story: "section 13: intents of a transaction stay for ever after its coordinator died",
        how: How::Told(abandoned::tell),
        wants: &[Point::AbandonedResolved],
        machines: Some(3),
    },
    Scenario {
        name: "lost-disk",
        story: "section 9: a disk is lost for good, and its node's replicas are never replaced",
        how: How::Told(lost_disk::tell),
        wants: &[Point::DiskReplaced],
        machines: Some(3),
    },
    Scenario {
        name: "forgotten-syncs",
        story: "section 15: a store has lost what it had synced, votes, and acknowledged rows are gone",
        how: How::Told(old_disks::tell_of_forgotten_syncs),
        wants: &[Point::ForgetfulRefused, Point::Rejoined],
        machines: Some(3),
    },
    Scenario {
        name: "copied-directory",
        story: "section 5: a copy of a data directory comes back, votes, and acknowledged rows are gone",
        how: How::Told(old_disks::tell_of_a_copied_directory),
        wants: &[Point::CopyRefused, Point::Rejoined],
        machines: Some(3),
    },
    Scenario {
        name: "damaged-block",
        story: "section 9: a damaged block on a leaseholder's disk stays an error of its clients",
        how: How::Faults(&[Fault::DamageBlock, Fault::HandOver], 800 * MILLI),
        wants: &[Point::DamagedBlock, Point::DamagedReplaced],
        machines: None,
    },
    Scenario {
        name: "replaced-driver",
        story: "section 15: a driver of DDL that was paused and replaced makes a range that no table names",
        how: How::Told(replaced_driver::tell),
        wants: &[Point::JobTakenOver, Point::DriverReplaced],
        machines: Some(3),
    },
    Scenario {
        name: "dropped-record",
        story: "19: a dropped table takes the record along that other tables' intents need",
        how: How::Told(dropped_record::tell),
        wants: &[Point::DroppedRecord],
        machines: None,
    },
    Scenario {
        name: "savepoint-reads",
        story: "section 7: what was read behind a savepoint is forgotten with it, and an update is lost",
        how: How::Told(savepoint_reads::tell),
        wants: &[Point::SavepointReadsMet],
        machines: None,
    },
    Scenario {
        name: "late-commit",
        story: "section 15: a row that is on its way when its table is given a key is acknowledged, and not there",
        how: How::Told(late_commit::tell),
        wants: &[Point::LateCommit],
        machines: Some(4),
    },
    Scenario {
        name: "late-end",
        story: "section 6: a range whose quorum went away while its leader handed over is led by nobody for good",
        how: How::Told(late_end::tell),
        wants: &[Point::LateEnd],
        machines: Some(3),
    },
    Scenario {
        name: "slow-disks",
        story: "section 6: log writes of a second cost ranges their leaders",
        how: How::Told(slow_disks::tell),
        wants: &[Point::SlowDisk, Point::SlowDisksKeptLeaders],
        machines: None,
    },
    Scenario {
        name: "reader-ahead",
        story: "4: a read that waited while the lease went, and below which the next leader writes",
        how: How::FaultsFor(&[Fault::HandOverUnderRead], 400 * MILLI, 6 * SECOND),
        wants: &[Point::ReaderAhead, Point::HandOver],
        machines: None,
    },
    Scenario {
        name: "lost-snapshot",
        story: "15: a replica reports a snapshot as its state, loses power, and does not have it",
        how: How::FaultsFor(&[Fault::SnapshotThenCrash], 3 * SECOND, 9 * SECOND),
        wants: &[Point::SnapshotThenCrash],
        machines: Some(4),
    },
    Scenario {
        name: "removed-returns",
        story: "section 6: a removed replica comes back, has forgotten its votes, and makes a second leader",
        how: How::FaultsFor(&[Fault::ThereAndBack], 500 * MILLI, 12 * SECOND),
        wants: &[Point::ThereAndBack],
        machines: Some(4),
    },
];

impl Scenario {
    /// The scenario of this name.
    pub fn named(name: &str) -> Option<Self> {
        ALL.iter().find(|scenario| scenario.name == name).copied()
    }

    /// Lets it happen.
    pub fn play(&self, world: &mut World) {
        world.trace.event(0, format_args!("story {}", self.story));
        match self.how {
            How::Faults(kinds, pause_max) => Chaos::of(world, kinds, pause_max).run(world, SCENARIO),
            How::FaultsFor(kinds, pause_max, time) => Chaos::of(world, kinds, pause_max).run(world, time),
            How::Told(tell) => {
                world.workload.is_leisurely.store(true, Ordering::Relaxed);
                tell(world);
            }
        }
    }

    /// After the end: what the story is about must have happened.
    pub fn check_told(&self, world: &mut World) {
        if let Some(missing) = self.wants.iter().find(|point| world.coverage.count(**point) == 0) {
            world.violate("a scenario tells its story", format!("it never came to \"{}\"", missing.name()));
        }
    }
}
