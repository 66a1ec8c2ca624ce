//! Faults of several steps, each made for one story: what random faults would bring about once in a long time.
//!
//! A step that waits for its moment looks again every few milliseconds, up to a deadline.

use quorate_placement::topology::{NodeId, RangeId};
use quorate_raft_groups::cluster::range_command::RangeCommand;
use quorate_raft_groups::local_ranges::ReplicaStatus;
use rand::RngExt;
use rand::seq::IndexedRandom;

use super::{Chaos, End, MILLI, set_offset};
use crate::coverage::Point;
use crate::network::{MachineId, Quality};
use crate::workload::{self, Mix};
use crate::world::{SECOND, World};

/// How often a trap looks whether a range has moved.
const LOOK: u64 = 20 * MILLI;
/// Longest wait of a trap for its moment.
const MOMENT_MAX: u64 = 4 * SECOND;
/// How far a reader's clock is ahead of all others: its node still trusts it.
const READER_AHEAD_MICROS: i64 = 190_000;
/// How often an order comes again.
const REPEATS: u32 = 5;
/// How much later, at most.
const REPEATED_AFTER_MAX: u64 = 6 * SECOND;
/// How long a follower hears nothing when its range moves back.
const DEAF: u64 = 5 * SECOND;
/// The next step of a trap.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trap {
    /// Once a range has moved from the first machine to the second, it moves back.
    MoveBack { range_id: RangeId, from: MachineId, to: MachineId, until: u64 },
    /// Once a machine's replica of a range has got its snapshot, the power goes.
    CrashWithSnapshot { range_id: RangeId, machine: MachineId, until: u64 },
    /// The power goes.
    Crash { machine: MachineId },
    /// A lease is handed over.
    HandOver { range_id: RangeId, to: MachineId },
}

/// A range whose replicas leave a machine free.
struct Movable {
    range_id: RangeId,
    leader: MachineId,
    /// Another of its machines.
    from: MachineId,
    free: MachineId,
}

fn leader_status(world: &World, range_id: RangeId) -> Option<(MachineId, ReplicaStatus)> {
    let leader = world.leaseholder(range_id)?;
    let status = world.statuses(leader).into_iter().find(|status| status.descriptor.range_id == range_id)?;
    Some((leader, status))
}

fn machines_of(status: &ReplicaStatus) -> Vec<MachineId> {
    status.descriptor.nodes().into_iter().map(|node| node.0).collect()
}

fn any_movable(world: &mut World) -> Option<Movable> {
    let all: Vec<Movable> = world
        .ranges()
        .into_iter()
        .filter_map(|range_id| {
            let (leader, status) = leader_status(world, range_id)?;
            let machines = machines_of(&status);
            let free = world.ids().into_iter().find(|id| !machines.contains(id))?;
            let from = machines.into_iter().find(|id| *id != leader)?;
            Some(Movable { range_id, leader, from, free })
        })
        .collect();
    let at = world.rng.random_range(0..all.len().max(1));
    all.into_iter().nth(at)
}

fn move_it(world: &mut World, asked: MachineId, range_id: RangeId, (from, to): (MachineId, MachineId)) {
    let command = RangeCommand::Move { range_id, from: NodeId(from), to: NodeId(to), share_tier: true };
    world.ask(asked, command);
}

impl Chaos {
    fn trap(&mut self, world: &World, after: u64, trap: Trap) {
        self.count += 1;
        self.ends.insert((world.time.now() + after, self.count), End::Trap(trap));
    }

    /// One follower hears nothing of its leader, and stands for election; the other one restarts, and does not remember
    /// what it acknowledged.
    pub(super) fn promise_trap(&mut self, world: &mut World, leader: MachineId, other: MachineId) {
        world.coverage.hit(Point::PromiseTrap);
        let Some(third) = world.ids().into_iter().find(|id| *id != leader && *id != other) else { return };
        for (from, to) in [(leader, other), (other, leader)] {
            world.network.cut(from, to);
            self.later(world, 3_000..4_000, End::Mend(from, to));
        }
        self.later(world, 1_300..2_500, End::QuickRestart(third));
    }

    /// A replica moves to the machine that has none of its range, and soon back again; all orders of nodes come again
    /// and again, up to seconds late: that to create the replica, too.
    pub(super) fn there_and_back(&mut self, world: &mut World) {
        if world.time.now() < self.trapped_until {
            return;
        }
        let Some(Movable { range_id, leader, from, free }) = any_movable(world) else { return };
        world.network.set_quality(Quality {
            repeats: REPEATS,
            repeated_after_max: REPEATED_AFTER_MAX,
            ..Quality::GOOD
        });
        move_it(world, leader, range_id, (from, free));
        let until = world.time.now() + MOMENT_MAX;
        self.trapped_until = until;
        self.trap(world, LOOK, Trap::MoveBack { range_id, from, to: free, until });
    }

    /// A replica moves to a machine whose log takes long, which loses power when the snapshot has just come.
    pub(super) fn snapshot_then_crash(&mut self, world: &mut World) {
        let Some(Movable { range_id, leader, from, free }) = any_movable(world) else { return };
        let micros = world.rng.random_range(100 * MILLI..500 * MILLI);
        world.machine(free).disk.slow_writes(micros);
        self.later(world, 3_000..5_000, End::FastDisk(free));
        move_it(world, leader, range_id, (from, free));
        let until = world.time.now() + MOMENT_MAX;
        self.trap(world, MILLI, Trap::CrashWithSnapshot { range_id, machine: free, until });
    }

    /// All work is on one register; the last machine's clock is ahead of all others, and it only reads. Now and then a
    /// read of it waits behind a writer when the lease is handed over.
    pub(super) fn hand_over_under_read(&mut self, world: &mut World) {
        let ids = world.ids();
        let Some(reader) = ids.last().copied() else { return };
        for id in ids {
            set_offset(
                world,
                id,
                if id == reader { READER_AHEAD_MICROS / 2 } else { -READER_AHEAD_MICROS / 2 },
            );
        }
        world.workload.set_mix(Mix::OneRegister { reader });
        let Some((leader, status)) = world.leader_at(&workload::one_register()) else { return };
        let others: Vec<MachineId> =
            machines_of(&status).into_iter().filter(|id| *id != leader && *id != reader).collect();
        let Some(to) = others.choose(&mut world.rng).copied() else { return };
        self.slow_leader(world, leader, 80 * MILLI);
        let range_id = status.descriptor.range_id;
        let after = world.rng.random_range(100 * MILLI..200 * MILLI);
        self.trap(world, after, Trap::HandOver { range_id, to });
    }

    /// For a moment all that a leaseholder sends takes up to `extra` microseconds longer.
    fn slow_leader(&mut self, world: &mut World, leader: MachineId, extra: u64) {
        for other in world.ids().into_iter().filter(|id| *id != leader) {
            world.network.slow_down(leader, other, extra);
            self.later(world, 200..500, End::FastLink(leader, other));
        }
    }

    /// Takes a trap's next step.
    pub(super) fn spring(&mut self, world: &mut World, trap: Trap) {
        let now = world.time.now();
        match trap {
            Trap::MoveBack { range_id, from, to, until } => {
                if self.move_back(world, range_id, (from, to)).is_none() && now < until {
                    self.trap(world, LOOK, trap);
                }
            }
            Trap::CrashWithSnapshot { range_id, machine, until } => {
                let statuses = world.statuses(machine);
                let has_it =
                    |status: &ReplicaStatus| status.descriptor.range_id == range_id && status.is_whole;
                if statuses.iter().any(has_it) {
                    let after = world.rng.random_range(MILLI..60 * MILLI);
                    self.trap(world, after, Trap::Crash { machine });
                } else if now < until {
                    self.trap(world, MILLI, trap);
                }
            }
            Trap::Crash { machine } => {
                world.coverage.hit(Point::SnapshotThenCrash);
                self.crash(world, machine, 50..1_000);
            }
            Trap::HandOver { range_id, to } => {
                world.coverage.hit(Point::ReaderAhead);
                world.hand_over(range_id, to);
            }
        }
    }

    /// The way back, once the range is where it should be: one follower hears of it no more than of all else. None where
    /// it is not there yet.
    fn move_back(
        &mut self,
        world: &mut World,
        range_id: RangeId,
        (from, to): (MachineId, MachineId),
    ) -> Option<()> {
        let (leader, status) = leader_status(world, range_id)?;
        let machines = machines_of(&status);
        if machines.contains(&from) || !machines.contains(&to) || leader == to {
            return None;
        }
        let bystander = machines.into_iter().find(|id| *id != leader && *id != to)?;
        world
            .trace
            .event(0, format_args!("{range_id} moves back to m{from}, m{bystander} hears nothing of it"));
        world.coverage.hit(Point::ThereAndBack);
        self.trapped_until = world.time.now() + DEAF;
        for other in [leader, from] {
            for (one, another) in [(bystander, other), (other, bystander)] {
                world.network.cut(one, another);
                self.later(world, DEAF / MILLI..DEAF / MILLI + 1, End::Mend(one, another));
            }
        }
        move_it(world, leader, range_id, (to, from));
        Some(())
    }
}
