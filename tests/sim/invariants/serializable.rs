//! The clients' history is serializable: in the order of commit timestamps every transaction read what was there.

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, Span};

use super::Broken;
use super::acknowledged::Commits;
use super::versions::Versions;
use crate::history::{Cell, Found, Op, Outcome, Read};

const NAME: &str = "the history is serializable";

/// Replays all reads against the versions.
pub fn check(ops: &[Op], versions: &Versions, commits: &Commits) -> Result<(), Broken> {
    for op in ops {
        // What an operation read holds at its read timestamp, whatever became of it.
        if let Some(at) = op.read_at {
            reads_hold(op, "its read timestamp", at, |key| versions.newest(key, at), versions)?;
        }
        let committed = match op.outcome {
            Outcome::Committed(at) if op.writes.is_empty() => Some(at),
            Outcome::Committed(_) | Outcome::Unknown(_) | Outcome::Pending | Outcome::Failed(_) => None,
        };
        if let Some(at) = committed {
            reads_hold(op, "its end", at, |key| versions.newest(key, at), versions)?;
        }
        // What a writer read still holds just before it wrote.
        if let Some(at) = commits.get(&op.id) {
            reads_hold(op, "its commit", *at, |key| versions.before(key, *at), versions)?;
        }
    }
    Ok(())
}

fn reads_hold(
    op: &Op,
    when: &str,
    at: Timestamp,
    newest: impl Fn(&Key) -> Option<(Timestamp, Option<Cell>)>,
    versions: &Versions,
) -> Result<(), Broken> {
    let there = |key: &Key| newest(key).and_then(|(_, cell)| cell);
    let wrong = |key: &Key, found: Option<Cell>| {
        let detail = format!(
            "op {} ({}) found {} at {key}; at {when}, {at}, there is {}",
            op.id,
            op.kind,
            Found(found),
            Found(there(key))
        );
        Err((NAME, detail))
    };
    for read in &op.reads {
        match read {
            Read::Point { key, found } if there(key) != *found => return wrong(key, *found),
            Read::Point { .. } => {}
            Read::Scan { span, rows } => {
                if let Some((key, found)) = first_difference(span, rows, &there, versions) {
                    return wrong(&key, found);
                }
            }
        }
    }
    Ok(())
}

/// The first key of a scan that was not as it should be, and how it was found.
fn first_difference(
    span: &Span,
    rows: &[(Key, Cell)],
    there: &impl Fn(&Key) -> Option<Cell>,
    versions: &Versions,
) -> Option<(Key, Option<Cell>)> {
    let differs = rows.iter().find(|(key, cell)| there(key) != Some(*cell));
    if let Some((key, cell)) = differs {
        return Some((key.clone(), Some(*cell)));
    }
    let missing = versions
        .keys_of(span)
        .find(|key| there(key).is_some() && rows.binary_search_by(|(row, _)| row.cmp(key)).is_err());
    missing.map(|key| (key.clone(), None))
}
