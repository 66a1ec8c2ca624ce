//! The sum of all balances never changes: at no time, and for no reader.

use std::collections::BTreeMap;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, keyspace};

use super::Broken;
use super::versions::Versions;
use crate::history::{Op, Outcome, Read};
use crate::workload::{ACCOUNTS, BALANCES};

const NAME: &str = "the sum of the bank never changes";

/// Adds up what was there after every commit, and what readers saw.
pub fn check(ops: &[Op], versions: &Versions) -> Result<(), Broken> {
    let accounts = ACCOUNTS.map(keyspace::table_span);
    let is_account = |key: &Key| accounts.iter().any(|table| table.contains(key));
    let mut changes: BTreeMap<Timestamp, Vec<(&Key, i64)>> = BTreeMap::new();
    for (key, all) in versions.all().filter(|(key, _)| is_account(key)) {
        for (at, cell) in all {
            changes.entry(*at).or_default().push((key, cell.map_or(0, |cell| cell.number)));
        }
    }
    let mut balances: BTreeMap<&Key, i64> = BTreeMap::new();
    for (at, changed) in changes {
        balances.extend(changed);
        let sum: i64 = balances.values().sum();
        if sum != BALANCES {
            return Err((NAME, format!("{sum} at {at}, {BALANCES} were put in")));
        }
    }
    ops.iter().filter(|op| op.kind == "sum").try_for_each(reader_saw_all)
}

fn reader_saw_all(op: &Op) -> Result<(), Broken> {
    match &op.outcome {
        Outcome::Committed(_) => {
            let seen = op.reads.iter().map(|read| match read {
                Read::Point { found, .. } => found.map_or(0, |cell| cell.number),
                Read::Scan { rows, .. } => rows.iter().map(|(_, cell)| cell.number).sum(),
            });
            let sum: i64 = seen.sum();
            if sum == BALANCES { Ok(()) } else { Err((NAME, format!("op {} saw {sum}", op.id))) }
        }
        Outcome::Pending | Outcome::Failed(_) | Outcome::Unknown(_) => Ok(()),
    }
}
