//! Every intent belongs to a live, committed or aborted transaction, and is gone in bounded time after its end.
//!
//! A transaction is over when its record says so, or when its coordinator has given no sign of life for as long as
//! others wait for one. The bound counts while all machines are up, connected and well, and every range involved is
//! served: what cannot be reached cannot be resolved.

use std::collections::BTreeMap;

use quorate_engine::kv::{Key, Span};
use quorate_engine::mvcc::record::{TransactionRecord, TransactionStatus};
use quorate_engine::store::{Family, Store};
use quorate_raft_groups::local_ranges::ReplicaStatus;
use uuid::Uuid;

use super::{Broken, Seen, View};

const OWNED: &str = "every intent is one of a known transaction";
const BOUNDED: &str = "every intent is gone in bounded time";

/// Longest silence of a coordinator that may be alive: a transaction expires after 3 s, by clocks that differ a little.
const SILENCE_MAX: u64 = 3_500_000;
/// Longest stay of an intent in quiet times, after its transaction's end. Where nobody meets it: it is swept when it is
/// 6 s old, sweeps are 5 s apart, and may meet a leader that changes; the rest is for the sweep itself.
const STAY_MAX: u64 = 15_000_000;

/// An intent that is older may be of a transaction that was aborted, and whose record is gone: it never committed.
const RECORD_KEPT: u64 = 600_000_000;

/// Remembers which intents outlive their transactions.
#[derive(Default)]
pub struct Intents {
    /// Since when their transactions are known to be over.
    over: BTreeMap<(Key, Uuid), u64>,
    /// Since when nothing keeps anybody from resolving them.
    calm_since: Option<u64>,
}

impl Intents {
    /// Looks at all intents that somebody serves.
    pub fn check(&mut self, view: &View) -> Result<(), Broken> {
        let mut is_calm = view.is_calm;
        let mut over = BTreeMap::new();
        for (key, intent) in view.intents(&Span::new(Key::default(), Key::default())) {
            let transaction = intent.transaction;
            let record = match view.record(&intent.anchor, transaction) {
                Some(record) => record,
                // Its table was dropped.
                None if view.is_nowhere(&intent.anchor) => {
                    let since = self.over.get(&(key.clone(), transaction)).copied().unwrap_or(view.now);
                    over.insert((key, transaction), since);
                    continue;
                }
                None => {
                    is_calm = false;
                    continue;
                }
            };
            let age = view.wall.saturating_sub(intent.write_timestamp.micros());
            if record.is_none() && age < RECORD_KEPT {
                let detail =
                    format!("{key} has one of {transaction}, which has no record at {}", intent.anchor);
                return Err((OWNED, detail));
            }
            if record.is_none_or(|record| is_over(&record, view.wall)) {
                let id = (key, transaction);
                let since = self.over.get(&id).copied().unwrap_or(view.now);
                over.insert(id, since);
            }
        }
        self.over = over;
        self.calm_since = is_calm.then(|| self.calm_since.unwrap_or(view.now));
        self.bounded(view.now)
    }

    fn bounded(&self, now: u64) -> Result<(), Broken> {
        let Some(calm) = self.calm_since else { return Ok(()) };
        match self.over.iter().find(|(_, since)| now > calm.max(**since) + STAY_MAX) {
            None => Ok(()),
            Some(((key, transaction), since)) => {
                let for_seconds = (now - since) / 1_000_000;
                let detail = format!("{key} has one of {transaction}, which is over for {for_seconds} s");
                Err((BOUNDED, detail))
            }
        }
    }
}

fn is_over(record: &TransactionRecord, wall: u64) -> bool {
    match record.status {
        TransactionStatus::Committed | TransactionStatus::Aborted => true,
        TransactionStatus::Pending | TransactionStatus::Staging => {
            wall.saturating_sub(record.heartbeat.micros()) > SILENCE_MAX
        }
    }
}

/// No machine has an intent left.
pub fn gone(view: &View) -> Result<(), Broken> {
    let left: Vec<String> = view.machines.iter().filter_map(first_intent).collect();
    if left.is_empty() {
        return Ok(());
    }
    Err((BOUNDED, left.join("; ")))
}

/// The first intent on a machine, and whose it is.
fn first_intent(seen: &Seen) -> Option<String> {
    let snapshot = seen.store.snapshot();
    let mut cursor = snapshot.cursor(Family::Lock, b"", b"");
    cursor.next().expect("a store in memory");
    let key = Key::from(cursor.key()?);
    let covers = |status: &&ReplicaStatus| status.descriptor.span.contains(&key);
    let owner = seen.statuses.iter().find(covers).map_or_else(
        || "outside of its replicas".to_owned(),
        |status| {
            let (range_id, applied) = (status.descriptor.range_id, status.applied);
            format!("in {range_id}, applied {applied}, lease held here: {}", status.has_lease)
        },
    );
    Some(format!("m{} has one at {key}, {owner}", seen.machine))
}
