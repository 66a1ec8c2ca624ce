//! [`SequenceMemory`]: what a session remembers of its sequences, for `currval` and `lastval`.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// What a session has got of each sequence.
#[derive(Debug, Default)]
pub struct SequenceMemory {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The last value, by the sequence's id.
    values: BTreeMap<u64, i64>,
    /// The sequence that gave out the last one.
    last: Option<u64>,
}

impl SequenceMemory {
    /// `nextval` has given this.
    pub fn drew(&self, sequence_id: u64, value: i64) {
        let mut known = self.known.lock();
        known.values.insert(sequence_id, value);
        known.last = Some(sequence_id);
    }

    /// `setval` has set this as called.
    pub fn set(&self, sequence_id: u64, value: i64) {
        self.known.lock().values.insert(sequence_id, value);
    }

    /// The last value of a sequence.
    pub fn current(&self, sequence_id: u64) -> Option<i64> {
        self.known.lock().values.get(&sequence_id).copied()
    }

    /// The last value that `nextval` gave, with its sequence.
    pub fn last(&self) -> Option<(u64, i64)> {
        let known = self.known.lock();
        let id = known.last?;
        Some((id, known.values.get(&id).copied()?))
    }

    /// Forgets all, as DISCARD does.
    pub fn clear(&self) {
        *self.known.lock() = Known::default();
    }
}
