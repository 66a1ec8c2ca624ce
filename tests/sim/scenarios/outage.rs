//! Story 19: a range is without quorum for longer than records are kept, and its intent is taken for aborted.
//!
//! A transaction over two ranges commits, and before its intents are resolved two of three machines of the other range
//! lose their power. Wall clocks then say that eleven minutes have passed, the record's range is swept, and the outage
//! ends: the intent is found by whoever leads then, and becomes what its record says.

use quorate_engine::kv::{Key, Span};
use quorate_engine::mvcc;
use quorate_engine::mvcc::record::{TransactionStatus, records_in};
use quorate_engine::store::Store;

use super::eyes;
use crate::coverage::Point;
use crate::history::Op;
use crate::network::MachineId;
use crate::workload::{self, TABLES, put_all, read_all};
use crate::world::{SECOND, World};

/// Row of the first attempt.
const FIRST: u64 = 700;
/// Attempts, each with another row.
const ATTEMPTS: u64 = 10;
/// Longest wait for the moment between the commit and the resolution.
const MOMENT_MAX: u64 = SECOND;
/// What the wall clocks say that the outage took.
const OUTAGE: u64 = 11 * 60 * SECOND;
/// Longest time until old records are swept.
const SWEPT_MAX: u64 = 45 * SECOND;
/// Longest time from the end of the outage until the intent is resolved.
const RESOLVED_MAX: u64 = 30 * SECOND;

/// Two ranges with different machines.
struct Stage {
    anchor: Key,
    other: Key,
    victims: Vec<MachineId>,
    coordinator: MachineId,
}

/// Tells it once.
pub fn tell(world: &mut World) {
    // Records of one range alone: those are swept whatever else is away.
    let alone = TABLES.map(|table| workload::key(table, FIRST - 1));
    for key in alone.clone() {
        world.work_on(1, move |workload, database| async move {
            put_all(&workload, 1, &database, (vec![key], 0, 0)).await
        });
    }
    eyes::look_for(world, MOMENT_MAX, |world| {
        let is_written = |op: &Op| op.writes.iter().all(|(key, _)| alone.contains(key)) && op.kind == "fill";
        let count = |ops: &[Op]| ops.iter().filter(|op| is_written(op) && op.answered.is_some()).count();
        (world.workload.history.with(count) == alone.len()).then_some(())
    });
    for attempt in 0..ATTEMPTS {
        let Some(stage) = stage(world, FIRST + attempt) else {
            world.run_until(world.time.now() + SECOND / 5);
            continue;
        };
        if commit_and_lose_power(world, &stage) {
            outlast(world, &stage);
            return;
        }
    }
}

/// Two tables of which one keeps its quorum where the other one loses it.
fn stage(world: &World, row: u64) -> Option<Stage> {
    for anchor in TABLES {
        for other in TABLES.into_iter().filter(|other| *other > anchor) {
            let (anchor, other) = (workload::key(anchor, row), workload::key(other, row));
            let (kept, lost) = (eyes::range_of(world, &anchor)?.0, eyes::range_of(world, &other)?.0);
            let (kept, lost) = (eyes::holders(world, &kept), eyes::holders(world, &lost));
            // Those that the other range does not need, first.
            let (free, shared): (Vec<_>, Vec<_>) = lost.into_iter().partition(|id| !kept.contains(id));
            let victims: Vec<MachineId> = free.iter().chain(&shared).copied().take(2).collect();
            let coordinator = kept.into_iter().find(|id| !victims.contains(id))?;
            if !free.is_empty() {
                return Some(Stage { anchor, other, victims, coordinator });
            }
        }
    }
    None
}

/// Whether the transaction is committed, and its intent is left on machines without a quorum.
fn commit_and_lose_power(world: &mut World, stage: &Stage) -> bool {
    let (keys, coordinator) = (vec![stage.anchor.clone(), stage.other.clone()], stage.coordinator);
    world.work_on(coordinator, move |workload, database| async move {
        put_all(&workload, coordinator, &database, (keys, 0, 0)).await
    });
    let decided = eyes::look_for(world, MOMENT_MAX, |world| {
        let (_, status) = eyes::intent_at(world, &stage.other)?;
        (status == Some(TransactionStatus::Committed)).then_some(())
    });
    if decided.is_none() {
        return false;
    }
    stage.victims.iter().for_each(|id| world.crash(*id));
    true
}

/// Records of the anchor's range, as its leader has them.
fn records(world: &World, anchor: &Key) -> Option<usize> {
    let view = world.view();
    let (seen, status) = view.serving(anchor)?;
    let found = records_in(seen.store.snapshot().as_ref(), &status.descriptor.span, usize::MAX);
    Some(found.expect("a store in memory").len())
}

fn outlast(world: &mut World, stage: &Stage) {
    let Stage { anchor, other, victims, coordinator } = stage;
    world.trace.event(0, format_args!("eleven minutes without {victims:?}"));
    // Else what they write hides what is swept.
    world.let_clients(false);
    world.run_until(world.time.now() + SECOND);
    let before = records(world, anchor);
    world.time.skip_wall(OUTAGE);
    let swept = eyes::look_for(world, SWEPT_MAX, |world| (records(world, anchor)? < before?).then_some(()));
    victims.iter().for_each(|id| world.start(*id));
    let met = eyes::look_for(world, RESOLVED_MAX, |world| {
        eyes::range_of(world, other)?;
        Some(eyes::intent_at(world, other).is_some())
    });
    world.let_clients(true);
    let (keys, reader) = (vec![other.clone()], *coordinator);
    world.work_on(reader, move |workload, database| async move {
        read_all(&workload, reader, &database, keys).await
    });
    let resolved = eyes::look_for(world, RESOLVED_MAX, |world| {
        let view = world.view();
        let (seen, _) = view.serving(other)?;
        let is_gone = view.intents(&Span::point(other.clone())).is_empty();
        let version = mvcc::newest(seen.store.snapshot().as_ref(), other).expect("a store in memory");
        (is_gone && version.is_some()).then_some(())
    });
    if swept.is_some() && met == Some(true) && resolved.is_some() {
        world.coverage.hit(Point::RecordOutlivedOutage);
    }
}
