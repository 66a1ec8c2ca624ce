//! Each key alone is linearizable: whoever begins after an answer sees what was answered, or newer.

use std::collections::BTreeMap;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::Key;

use super::Broken;
use super::acknowledged::Commits;
use super::versions::Versions;
use crate::history::{Op, OpId, Outcome, Read};

const NAME: &str = "each key is linearizable";

/// What was known to somebody of a key: from when on, up to which version, by whom.
type Known<'a> = BTreeMap<&'a Key, Vec<(u64, Timestamp, OpId)>>;

/// Checks reads and writes of all committed operations.
pub fn check(ops: &[Op], versions: &Versions, commits: &Commits) -> Result<(), Broken> {
    let known = known(ops, versions, commits);
    for op in ops {
        let Outcome::Committed(at) = op.outcome else { continue };
        for (key, upto) in seen(op, at, versions, commits) {
            newer(op, key, upto, "read", &known)?;
        }
        if let Some(at) = commits.get(&op.id) {
            for (key, _) in &op.writes {
                newer(op, key, *at, "wrote", &known)?;
            }
        }
    }
    Ok(())
}

/// Keys that an operation read, and the version that it saw of each.
fn seen<'a>(op: &'a Op, at: Timestamp, versions: &Versions, commits: &Commits) -> Vec<(&'a Key, Timestamp)> {
    let mut seen = Vec::new();
    for read in &op.reads {
        match read {
            Read::Point { key, found: Some(cell) } => {
                let of_writer = commits.get(&cell.writer).copied().unwrap_or(Timestamp::MIN);
                seen.push((key, of_writer));
            }
            // Nothing was there: the newest deletion, or nothing at all.
            Read::Point { key, found: None } => {
                let newest = versions.newest(key, op.read_at.unwrap_or(at));
                seen.push((key, newest.map_or(Timestamp::MIN, |(at, _)| at)));
            }
            Read::Scan { rows, .. } => {
                let of_writer = |writer| commits.get(&writer).copied().unwrap_or(Timestamp::MIN);
                seen.extend(rows.iter().map(|(key, cell)| (key, of_writer(cell.writer))));
            }
        }
    }
    seen
}

/// From which moment on which version of a key is known, each list rising in both.
fn known<'a>(ops: &'a [Op], versions: &Versions, commits: &Commits) -> Known<'a> {
    let mut known = Known::new();
    for op in ops {
        let (Outcome::Committed(at), Some(answered)) = (&op.outcome, op.answered) else { continue };
        let written = op.writes.iter().map(|(key, _)| (key, *at));
        for (key, upto) in written.chain(seen(op, *at, versions, commits)) {
            known.entry(key).or_default().push((answered, upto, op.id));
        }
    }
    for all in known.values_mut() {
        all.sort_unstable();
        let mut highest = (Timestamp::MIN, 0);
        for (_, upto, id) in all.iter_mut() {
            highest = highest.max((*upto, *id));
            (*upto, *id) = highest;
        }
    }
    known
}

fn newer(op: &Op, key: &Key, upto: Timestamp, did: &str, known: &Known<'_>) -> Result<(), Broken> {
    let Some(all) = known.get(key) else { return Ok(()) };
    // Answers in the same step as this invocation may have come after it.
    let before = all.partition_point(|(answered, _, _)| *answered < op.invoked);
    let Some((answered, floor, by)) = before.checked_sub(1).and_then(|at| all.get(at)) else { return Ok(()) };
    if upto < *floor {
        let detail = format!(
            "op {} ({}), begun at {}, {did} {key} at {upto}, and op {by} had its answer about {floor} at {answered}",
            op.id, op.kind, op.invoked
        );
        return Err((NAME, detail));
    }
    Ok(())
}
