//! What a statement's operators did, for EXPLAIN ANALYZE.

use std::collections::BTreeMap;

use quorate_engine::kv::ScanServed;

/// What a scan read of one range on one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RangeProfile {
    /// Live rows read there.
    pub rows_read: u64,
    /// Rows or groups that came back.
    pub rows_returned: u64,
    /// Versions that were stepped over.
    pub visited: u64,
    /// Pages asked for.
    pub pages: u64,
}

/// Who served a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Keys asked for one by one, wherever they are.
    Points,
    /// A range, on a node.
    Range {
        /// The range.
        range_id: u64,
        /// The node.
        node_id: u64,
    },
}

/// What one operator did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatorProfile {
    /// Rows that it put out.
    pub rows: u64,
    /// Of a scan: by range and node.
    pub ranges: BTreeMap<Place, RangeProfile>,
}

/// What all operators of a plan did, by their number: the tree's nodes, parents first. Only EXPLAIN ANALYZE has it counted.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    operators: BTreeMap<usize, OperatorProfile>,
    is_counting: bool,
}

impl Profile {
    /// One that counts.
    pub fn counting() -> Self {
        Self { is_counting: true, ..Self::default() }
    }

    /// The operator with this number.
    pub fn operator(&self, number: usize) -> Option<&OperatorProfile> {
        self.operators.get(&number)
    }

    /// All operators that did something, with their numbers.
    pub fn operators(&self) -> impl Iterator<Item = (usize, &OperatorProfile)> {
        self.operators.iter().map(|(number, operator)| (*number, operator))
    }

    /// Counts rows that an operator put out.
    pub fn add_rows(&mut self, number: usize, rows: usize) {
        if self.is_counting {
            self.slot(number).rows += rows as u64;
        }
    }

    /// Counts a page of a scan.
    pub fn add_page(&mut self, number: usize, served: ScanServed) {
        let place = Place::Range { range_id: served.range_id, node_id: served.node_id };
        self.add(number, place, served);
    }

    /// Counts keys that were asked for: how many existed, and what was made of them.
    pub fn add_points(&mut self, number: usize, rows_read: u64, rows_returned: u64) {
        self.add(number, Place::Points, ScanServed { rows_read, rows_returned, ..ScanServed::default() });
    }

    fn add(&mut self, number: usize, place: Place, served: ScanServed) {
        if !self.is_counting {
            return;
        }
        let profile = self.slot(number).ranges.entry(place).or_default();
        profile.rows_read += served.rows_read;
        profile.rows_returned += served.rows_returned;
        profile.visited += served.visited;
        profile.pages += 1;
    }

    fn slot(&mut self, number: usize) -> &mut OperatorProfile {
        self.operators.entry(number).or_default()
    }
}
