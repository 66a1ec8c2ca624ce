//! What was acknowledged is there, at its time and whole; what failed is not; the unknown is there whole or not at all.

use std::collections::BTreeMap;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::Key;

use super::Broken;
use super::versions::Versions;
use crate::coverage::{Coverage, Point};
use crate::history::{Cell, Op, OpId, Outcome};

const NAME: &str = "an acknowledged transaction is there, whole, and a failed one is not";

/// When each operation that wrote was really committed.
pub type Commits = BTreeMap<OpId, Timestamp>;

/// Finds out which operations are committed, and checks that against what their clients were told.
pub fn check(ops: &[Op], versions: &Versions, coverage: &Coverage) -> Result<Commits, Broken> {
    let commits = commits(versions)?;
    for op in ops.iter().filter(|op| !op.writes.is_empty()) {
        let found = commits.get(&op.id).copied();
        check_outcome(op, found, coverage)?;
        if let Some(at) = found {
            check_whole(op, at, versions)?;
        }
    }
    let known = |id: &OpId| usize::try_from(*id).is_ok_and(|id| (1..=ops.len()).contains(&id));
    if let Some((id, at)) = commits.iter().find(|(id, _)| !known(id)) {
        return Err((NAME, format!("op {id} at {at} was never invoked")));
    }
    check_deletions(ops, versions, &commits)?;
    Ok(commits)
}

/// The time of each writer, from the values that name it.
fn commits(versions: &Versions) -> Result<Commits, Broken> {
    let mut commits = Commits::new();
    for (key, all) in versions.all() {
        for (at, cell) in all {
            let Some(Cell { writer, .. }) = cell else { continue };
            let known = *commits.entry(*writer).or_insert(*at);
            if known != *at {
                return Err((NAME, format!("op {writer} wrote at {known}, and {key} at {at}")));
            }
        }
    }
    Ok(commits)
}

fn check_outcome(op: &Op, found: Option<Timestamp>, coverage: &Coverage) -> Result<(), Broken> {
    let (id, kind) = (op.id, op.kind);
    match (&op.outcome, found) {
        (Outcome::Committed(at), Some(found)) if *at == found => Ok(()),
        (Outcome::Committed(at), found) => {
            Err((NAME, format!("op {id} ({kind}) was acknowledged at {at}, and is {found:?}")))
        }
        (Outcome::Failed(reason), Some(found)) => {
            Err((NAME, format!("op {id} ({kind}) failed ({reason}), and is there at {found}")))
        }
        (Outcome::Failed(_), None) => Ok(()),
        (Outcome::Unknown(_), Some(_)) => {
            coverage.hit(Point::UnknownCommitted);
            Ok(())
        }
        (Outcome::Unknown(_), None) => {
            coverage.hit(Point::UnknownLost);
            Ok(())
        }
        (Outcome::Pending, _) => {
            coverage.hit(Point::Orphaned);
            Ok(())
        }
    }
}

/// The last write of each key is there.
fn check_whole(op: &Op, at: Timestamp, versions: &Versions) -> Result<(), Broken> {
    let last: BTreeMap<&Key, Option<Cell>> = op.writes.iter().map(|(key, cell)| (key, *cell)).collect();
    for (key, cell) in last {
        let found = versions.at(key, at);
        if found != Some(cell) {
            let detail =
                format!("op {} ({}) wrote {key} at {at}: {cell:?}, there is {found:?}", op.id, op.kind);
            return Err((NAME, detail));
        }
    }
    Ok(())
}

/// Every deletion is some operation's.
fn check_deletions(ops: &[Op], versions: &Versions, commits: &Commits) -> Result<(), Broken> {
    let mut deleted: BTreeMap<(&Key, Timestamp), OpId> = BTreeMap::new();
    for op in ops {
        let Some(at) = commits.get(&op.id) else { continue };
        let deletions = op.writes.iter().filter(|(_, cell)| cell.is_none());
        deleted.extend(deletions.map(|(key, _)| ((key, *at), op.id)));
    }
    for (key, all) in versions.all() {
        for (at, _) in all.iter().filter(|(_, cell)| cell.is_none()) {
            if !deleted.contains_key(&(key, *at)) {
                return Err((NAME, format!("nobody deleted {key} at {at}")));
            }
        }
    }
    Ok(())
}
