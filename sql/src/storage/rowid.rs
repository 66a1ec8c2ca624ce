//! Hidden keys of tables without a primary key.
//!
//! ```text
//! 52 bits: microseconds since 1970, or one more than the last id's · 11 bits: node id
//! ```
//!
//! Invariant: one node never gives the same id twice while it runs. Inserts carry the condition that the key is absent,
//! so that a collision after a clock went back is an error and never an overwritten row.

use parking_lot::Mutex;

/// Bits of the node's id within a row id.
const NODE_BITS: u32 = 11;
const NODE_MASK: u64 = (1 << NODE_BITS) - 1;
const MICROS_MASK: u64 = (1 << 52) - 1;

/// Gives out row ids of one node.
#[derive(Debug)]
pub struct RowIds {
    node_id: u64,
    last_micros: Mutex<u64>,
}

impl RowIds {
    /// Ids of this node.
    pub fn new(node_id: u64) -> Self {
        Self { node_id, last_micros: Mutex::new(0) }
    }

    /// A fresh id, above all ids that this node gave out before.
    pub fn next(&self, now_micros: u64) -> i64 {
        let mut last = self.last_micros.lock();
        *last = now_micros.max(last.saturating_add(1));
        (((*last & MICROS_MASK) << NODE_BITS) | (self.node_id & NODE_MASK)).cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_ids_ascend_when_the_clock_stands_or_goes_back() {
        let ids = RowIds::new(3);
        let given: Vec<i64> = [1_000, 1_000, 999, 2_000].map(|now| ids.next(now)).to_vec();
        assert!(given.is_sorted_by(|a, b| a < b), "{given:?}");
        assert!(given.iter().all(|id| *id > 0 && id & 2_047 == 3));
    }

    #[test]
    fn row_ids_of_nodes_differ() {
        assert_ne!(RowIds::new(1).next(5), RowIds::new(2).next(5));
    }
}
