//! Faults at random: which kinds, how often and how long, a seed decides.
//!
//! Every seed leaves out some kinds, so that rare combinations of the others come to pass (swarm testing, Groce et al.
//! 2012).

use std::collections::BTreeMap;

use quorate_placement::topology::RangeId;
use quorate_raft_groups::cluster::range_command::RangeCommand;
use rand::RngExt;
use rand::seq::IndexedRandom;

use crate::coverage::Point;
use crate::network::{MachineId, Quality};
use crate::world::{SECOND, World};

mod disks;
mod traps;

pub use disks::crash_with;
use disks::{damage_block, forget_synced, restore_copy};
use traps::Trap;

const MILLI: u64 = 1_000;
/// Wall clocks of machines are at most this far from the truth, so that two are less than 250 ms apart.
const OFFSET_MAX_MICROS: i64 = 110_000;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A machine loses power for a while.
    Crash,
    /// One that holds a lease does.
    CrashLeader,
    /// A machine loses power for a moment.
    QuickRestart,
    /// All machines lose power.
    CrashAll,
    /// A machine comes back with a clock that has gone back.
    ClockBackAtRestart,
    /// A wall clock jumps, within what is allowed.
    ClockJump,
    /// A wall clock is far beyond what is allowed for a while, half of the time from a restart on. Not in general chaos:
    /// a cluster need not work then, it must only not lie.
    ClockBeyond,
    /// A process stands still.
    Pause,
    /// One that holds a lease does.
    PauseLeader,
    /// A machine is cut off.
    Isolate,
    /// One that holds a lease is.
    IsolateLeader,
    /// The machines are cut into two parts.
    Halves,
    /// What a leaseholder sends to one machine is lost for seconds.
    OneWay,
    /// The same, for a moment: answers are lost, leadership stays.
    AnswerLost,
    /// A link is slow.
    SlowLink,
    /// The connections between two machines break.
    Reset,
    /// Writes of the log take long.
    SlowDisk,
    /// Other work on a leaseholder takes long.
    SlowWork,
    /// A lease is handed over.
    HandOver,
    /// A lease is handed over, and its new holder crashes.
    HandOverThenCrash,
    /// A Raft task dies.
    KillTask,
    /// A replica moves to another machine.
    Move,
    /// A range is split.
    Split,
    /// A machine loses power, and its disk has lost what it had synced in the last moments, too. Only where others are there
    /// who remember: nobody else could know.
    ForgetSynced,
    /// A machine loses power, and comes back with a copy of its disk that was made while it ran.
    RestoreCopy,
    /// Some rows cannot be read any more on one of the machines that have them, where all others are well.
    DamageBlock,
    /// A follower that its leader cannot reach waits for votes, and the other follower restarts.
    PromiseTrap,
    /// A replica moves to another machine and back, while orders are repeated and a follower hears of nothing.
    ThereAndBack,
    /// A machine loses power when it has got a snapshot.
    SnapshotThenCrash,
    /// A lease is handed over while a read of a machine whose clock is ahead waits behind a writer.
    HandOverUnderRead,
}

impl Fault {
    /// What general chaos is made of: the others belong to their scenarios.
    pub const ALL: [Self; 26] = [
        Self::Crash,
        Self::CrashLeader,
        Self::QuickRestart,
        Self::CrashAll,
        Self::ClockBackAtRestart,
        Self::ClockJump,
        Self::Pause,
        Self::PauseLeader,
        Self::Isolate,
        Self::IsolateLeader,
        Self::Halves,
        Self::OneWay,
        Self::SlowLink,
        Self::Reset,
        Self::SlowDisk,
        Self::SlowWork,
        Self::HandOver,
        Self::HandOverThenCrash,
        Self::PromiseTrap,
        Self::AnswerLost,
        Self::KillTask,
        Self::Move,
        Self::Split,
        Self::ForgetSynced,
        Self::RestoreCopy,
        Self::DamageBlock,
    ];
}

/// How a fault ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Start(MachineId),
    QuickRestart(MachineId),
    Mend(MachineId, MachineId),
    FastLink(MachineId, MachineId),
    FastDisk(MachineId),
    ClockRight(MachineId),
    Trap(Trap),
}

/// The schedule of one run.
pub struct Chaos {
    kinds: Vec<Fault>,
    pause_max: u64,
    ends: BTreeMap<(u64, u64), End>,
    count: u64,
    /// No replica moves there and back again before.
    trapped_until: u64,
}

impl Chaos {
    /// Faults of these kinds, over a good network, with pauses of at most so many microseconds between them.
    pub fn of(world: &mut World, kinds: &[Fault], pause_max: u64) -> Self {
        skew_clocks(world);
        Self { kinds: kinds.to_vec(), pause_max, ends: BTreeMap::new(), count: 0, trapped_until: 0 }
    }

    /// Chooses the kinds, and how bad the network is in general.
    pub fn new(world: &mut World) -> Self {
        let share = world.rng.random_range(0.2..1.0);
        let mut kinds: Vec<Fault> = Fault::ALL.into_iter().filter(|_| world.rng.random_bool(share)).collect();
        if kinds.is_empty() {
            kinds.push(Fault::Crash);
        }
        let mut quality = Quality::GOOD;
        if world.rng.random_bool(0.3) {
            quality.lost_permille = world.rng.random_range(1..30);
        }
        if world.rng.random_bool(0.3) {
            quality.twice_permille = world.rng.random_range(1..30);
        }
        if world.rng.random_bool(0.3) {
            quality.delay_max = world.rng.random_range(2 * MILLI..40 * MILLI);
        }
        world.network.set_quality(quality);
        let pause_max = world.rng.random_range(300 * MILLI..2 * SECOND);
        world.trace.event(0, format_args!("chaos of {kinds:?}, {quality:?}"));
        skew_clocks(world);
        Self { kinds, pause_max, ends: BTreeMap::new(), count: 0, trapped_until: 0 }
    }

    /// Lets faults come and go for a time.
    pub fn run(&mut self, world: &mut World, time: u64) {
        let until = world.time.now() + time;
        while world.time.now() < until && world.violation().is_none() {
            let pause = world.rng.random_range(20 * MILLI..=self.pause_max);
            let next = (world.time.now() + pause).min(until);
            self.run_to(world, next);
            if let Some(fault) = self.kinds.choose(&mut world.rng).copied() {
                self.begin(world, fault);
            }
        }
    }

    /// Steps until a time, ending what is due.
    fn run_to(&mut self, world: &mut World, time: u64) {
        while world.time.now() < time && world.violation().is_none() {
            let due = self.ends.first_key_value().map_or(time, |((due, _), _)| *due);
            world.run_until(due.min(time));
            while let Some(entry) = self.ends.first_entry().filter(|entry| entry.key().0 <= world.time.now())
            {
                let how = entry.remove();
                self.end(world, how);
            }
        }
    }

    fn later(&mut self, world: &mut World, times: std::ops::Range<u64>, how: End) {
        let due = world.time.now() + world.rng.random_range(times) * MILLI;
        self.count += 1;
        self.ends.insert((due, self.count), how);
    }

    fn begin(&mut self, world: &mut World, fault: Fault) {
        let ids = world.ids();
        let Some(any) = ids.choose(&mut world.rng).copied() else { return };
        let Some(other) =
            ids.iter().filter(|id| **id != any).collect::<Vec<_>>().choose(&mut world.rng).map(|id| **id)
        else {
            return;
        };
        let leader = leader_of_some_range(world).unwrap_or(any);
        world.trace.event(0, format_args!("fault: {fault:?}, m{any}, m{other}, leader m{leader}"));
        match fault {
            Fault::Crash => self.crash(world, any, 100..4_000),
            Fault::CrashLeader => self.crash(world, leader, 100..4_000),
            Fault::QuickRestart => self.crash(world, any, 1..20),
            Fault::CrashAll => {
                world.coverage.hit(Point::CrashAll);
                ids.into_iter().for_each(|id| self.crash(world, id, 1..1_500));
            }
            Fault::ClockBackAtRestart => self.clock_back(world, any),
            Fault::ClockJump => {
                world.coverage.hit(Point::ClockJump);
                let offset = world.rng.random_range(-OFFSET_MAX_MICROS..=OFFSET_MAX_MICROS);
                set_offset(world, any, offset);
            }
            Fault::ClockBeyond => self.clock_beyond(world, any),
            Fault::Pause => pause(world, any),
            Fault::PauseLeader => pause(world, leader),
            Fault::Isolate | Fault::IsolateLeader => {
                world.coverage.hit(Point::Isolate);
                let alone = if fault == Fault::Isolate { any } else { leader };
                self.cut(world, &[alone]);
            }
            Fault::Halves => {
                world.coverage.hit(Point::Halves);
                let part: Vec<MachineId> = ids.into_iter().filter(|_| world.rng.random_bool(0.5)).collect();
                self.cut(world, &part);
            }
            Fault::OneWay | Fault::AnswerLost | Fault::SlowLink | Fault::Reset => {
                self.hurt_link(world, fault, leader, other);
            }
            Fault::KillTask | Fault::Move | Fault::Split => change_range(world, fault, any),
            Fault::ForgetSynced => forget_synced(world, any),
            Fault::RestoreCopy => restore_copy(world, any),
            Fault::DamageBlock => damage_block(world, any),
            Fault::PromiseTrap => self.promise_trap(world, leader, other),
            Fault::ThereAndBack => self.there_and_back(world),
            Fault::SnapshotThenCrash => self.snapshot_then_crash(world),
            Fault::HandOverUnderRead => self.hand_over_under_read(world),
            Fault::SlowDisk => {
                world.coverage.hit(Point::SlowDisk);
                let micros = world.rng.random_range(5 * MILLI..600 * MILLI);
                world.machine(any).disk.slow_writes(micros);
                self.later(world, 300..4_000, End::FastDisk(any));
            }
            Fault::SlowWork => {
                world.coverage.hit(Point::SlowWork);
                let micros = world.rng.random_range(5 * MILLI..1_500 * MILLI);
                world.machine(leader).disk.slow_work(micros);
                self.later(world, 300..4_000, End::FastDisk(leader));
            }
            Fault::HandOver | Fault::HandOverThenCrash => {
                if let Some(range_id) = any_range(world) {
                    world.hand_over(range_id, other);
                }
                if fault == Fault::HandOverThenCrash {
                    self.later(world, 5..300, End::QuickRestart(other));
                }
            }
        }
    }

    /// A leaseholder and another machine have trouble to hear each other.
    fn hurt_link(&mut self, world: &mut World, fault: Fault, leader: MachineId, other: MachineId) {
        if fault == Fault::OneWay {
            world.coverage.hit(Point::OneWay);
            world.network.cut(leader, other);
            self.later(world, 300..5_000, End::Mend(leader, other));
        } else if fault == Fault::AnswerLost {
            world.coverage.hit(Point::AnswerLost);
            world.network.cut(leader, other);
            self.later(world, 20..600, End::Mend(leader, other));
        } else if fault == Fault::SlowLink {
            world.coverage.hit(Point::SlowLink);
            let extra = world.rng.random_range(20 * MILLI..800 * MILLI);
            world.network.slow_down(leader, other, extra);
            self.later(world, 300..4_000, End::FastLink(leader, other));
        } else {
            world.coverage.hit(Point::Reset);
            world.network.reset(leader, other);
            world.network.reset(other, leader);
        }
    }

    fn end(&mut self, world: &mut World, how: End) {
        if !matches!(how, End::Trap(_)) {
            world.trace.event(0, format_args!("fault ends: {how:?}"));
        }
        match how {
            End::Trap(trap) => self.spring(world, trap),
            End::Start(id) => {
                if !world.machine(id).is_on() {
                    world.coverage.hit(Point::Restart);
                    world.start(id);
                }
            }
            End::QuickRestart(id) => self.crash(world, id, 1..20),
            End::Mend(from, to) => world.network.mend(from, to),
            End::FastLink(from, to) => world.network.slow_down(from, to, 0),
            End::FastDisk(id) => {
                world.machine(id).disk.slow_writes(0);
                world.machine(id).disk.slow_work(0);
            }
            End::ClockRight(id) => set_offset(world, id, 0),
        }
    }

    fn crash(&mut self, world: &mut World, id: MachineId, away_ms: std::ops::Range<u64>) {
        if world.machine(id).is_on() {
            world.crash(id);
            self.later(world, away_ms, End::Start(id));
        }
    }

    /// The machine loses power, and its clock is wrong when it comes back, until somebody sets it right.
    fn clock_back(&mut self, world: &mut World, id: MachineId) {
        // Only where the stored bound is as new as the crash: else the wrong clock could pass it too early.
        if world.machine(id).node().is_none_or(|node| node.member().is_none()) {
            return;
        }
        world.coverage.hit(Point::ClockBackAtRestart);
        world.crash(id);
        // Right again before the process has waited long enough to serve: no node serves beyond the maximum offset.
        let back = world.rng.random_range(1_000_000..3_000_000);
        set_offset(world, id, -back);
        self.later(world, 1..100, End::Start(id));
        self.later(world, 300..800, End::ClockRight(id));
    }

    /// The clock is wrong, while the process runs or from its start on, until somebody sets it right.
    fn clock_beyond(&mut self, world: &mut World, id: MachineId) {
        world.coverage.hit(Point::ClockJump);
        let far = world.rng.random_range(400_000..2_500_000);
        let offset = if world.rng.random_bool(0.5) { far } else { -far };
        set_offset(world, id, offset);
        if world.rng.random_bool(0.5) {
            // Away for so long that its stored bound does not hold it back.
            self.crash(world, id, 1_500..3_500);
        }
        self.later(world, 50..5_000, End::ClockRight(id));
    }

    fn cut(&mut self, world: &mut World, part: &[MachineId]) {
        let rest: Vec<MachineId> = world.ids().into_iter().filter(|id| !part.contains(id)).collect();
        let due = world.rng.random_range(200..6_000);
        for inside in part {
            for outside in &rest {
                for (from, to) in [(*inside, *outside), (*outside, *inside)] {
                    world.network.cut(from, to);
                    self.later(world, due..due + 50, End::Mend(from, to));
                }
            }
        }
    }
}

fn set_offset(world: &mut World, id: MachineId, offset: i64) {
    world.machine(id).offset.store(offset, std::sync::atomic::Ordering::Relaxed);
}

fn pause(world: &mut World, id: MachineId) {
    world.coverage.hit(Point::Pause);
    let until = world.time.now() + world.rng.random_range(20 * MILLI..3 * SECOND);
    world.machine(id).pause(until);
}

/// Wall clocks are as far apart as they may be, or less.
fn skew_clocks(world: &mut World) {
    for id in world.ids() {
        let offset = match world.rng.random_range(0..4) {
            0 => -OFFSET_MAX_MICROS,
            1 => OFFSET_MAX_MICROS,
            _ => world.rng.random_range(-OFFSET_MAX_MICROS..=OFFSET_MAX_MICROS),
        };
        set_offset(world, id, offset);
    }
}

/// Something happens to a range, through a machine.
fn change_range(world: &mut World, fault: Fault, through: MachineId) {
    let Some(range_id) = any_range(world) else { return };
    if fault == Fault::KillTask {
        world.coverage.hit(Point::KillTask);
        world.kill_task(through, range_id);
    } else if fault == Fault::Move {
        world.move_replica(range_id, through);
    } else {
        world.ask(through, RangeCommand::Split { range_id, at: None });
    }
}

fn leader_of_some_range(world: &mut World) -> Option<MachineId> {
    let range_id = any_range(world)?;
    world.leaseholder(range_id)
}

fn any_range(world: &mut World) -> Option<RangeId> {
    let ranges = world.ranges();
    ranges.choose(&mut world.rng).copied()
}
