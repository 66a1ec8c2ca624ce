//! Replicas of a range that applied the same index have the same bytes.

use std::collections::BTreeMap;

use quorate_engine::mvcc::key_format::{data_span, txn_span};
use quorate_engine::store::{Family, Snapshot, Store};
use quorate_placement::topology::RangeId;
use quorate_raft_groups::local_ranges::ReplicaStatus;

use super::{Broken, View};
use crate::network::MachineId;
use crate::trace::{HASH_START, mix};

const NAME: &str = "replicas that applied the same index have the same bytes";

/// Remembers what the data of a range was like at an index.
#[derive(Default)]
pub struct SameBytes {
    known: BTreeMap<(RangeId, u64), (MachineId, u64, u64)>,
}

impl SameBytes {
    /// Compares all replicas with each other, and with what was seen before.
    pub fn check(&mut self, view: &View) -> Result<(), Broken> {
        for (seen, status) in view.replicas().filter(|(_, status)| status.applied > 0) {
            let range_id = status.descriptor.range_id;
            let snapshot = seen.store.snapshot();
            let (hash, count) = contents(snapshot.as_ref(), status);
            let known = self.known.entry((range_id, status.applied)).or_insert((seen.machine, hash, count));
            if known.1 != hash {
                let detail = format!(
                    "{range_id} at index {}: {} keys on m{}, {count} on m{}",
                    status.applied, known.2, known.0, seen.machine
                );
                return Err((NAME, detail));
            }
        }
        // Old indexes are met no more, or their replica is so far behind that it catches up through newer ones.
        while self.known.len() > 1_000 {
            self.known.pop_first();
        }
        Ok(())
    }
}

fn contents(snapshot: &dyn Snapshot, status: &ReplicaStatus) -> (u64, u64) {
    let span = &status.descriptor.span;
    let (data, txn) = (data_span(span), txn_span(span));
    let lock = (span.start.bytes().to_vec(), span.end.bytes().to_vec());
    let (mut hash, mut count) = (HASH_START, 0);
    for (family, (start, end)) in [(Family::Data, data), (Family::Txn, txn), (Family::Lock, lock)] {
        let mut cursor = snapshot.cursor(family, &start, &end);
        cursor.next().expect("a store in memory");
        while let (Some(key), Some(value)) = (cursor.key(), cursor.value()) {
            hash = mix(mix(hash, key), value);
            count += 1;
            cursor.next().expect("a store in memory");
        }
    }
    (hash, count)
}
