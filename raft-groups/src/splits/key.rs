//! Where a range is split: at the user key that divides its bytes most evenly.
//!
//! Keys are visited in order, each with the bytes of all its versions. Where a key begins, and what lies before it, is
//! remembered as a mark; when marks become too many, every second one is forgotten, so that the choice is off by a small
//! share of the range, whatever its size. A split is never between versions of one key, and neither side is empty.

use quorate_engine::kv::Key;

/// Marks that are remembered: the choice is off by at most two of as many parts.
const MARKS_MAX: usize = 1_024;

/// Where a key begins.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    key: Key,
    /// Bytes of all keys before it.
    before: u64,
}

/// What counting came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Split here.
    At(SplitPoint),
    /// All bytes are those of one key, or there are none.
    OneKey {
        /// The bytes.
        bytes: u64,
    },
}

/// Where to split, and what the sides will hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitPoint {
    /// First key of the right side.
    pub at: Key,
    /// Bytes on the left, as counted.
    pub left_bytes: u64,
    /// Bytes on the right, as counted.
    pub right_bytes: u64,
}

/// Bytes of a range, counted key by key.
#[derive(Clone, Debug)]
pub struct SizeCount {
    total: u64,
    is_first: bool,
    marks: Vec<Mark>,
    marks_max: usize,
    /// Least bytes between two marks.
    step: u64,
}

impl Default for SizeCount {
    fn default() -> Self {
        Self::new(MARKS_MAX)
    }
}

impl SizeCount {
    fn new(marks_max: usize) -> Self {
        Self { total: 0, is_first: true, marks: Vec::new(), marks_max, step: 0 }
    }

    /// Takes the next key, with the bytes of all that is stored of it.
    pub fn visit(&mut self, key: Key, bytes: u64) {
        let last = self.marks.last().map_or(0, |mark| mark.before);
        // Nothing may be split off in front of the first key: the left side would be empty.
        if !self.is_first && self.total >= last.saturating_add(self.step) {
            self.marks.push(Mark { key, before: self.total });
        }
        let goes_on = |(before, at): (&Mark, &Mark)| before.key < at.key && before.before <= at.before;
        let (last, before) = (self.marks.last(), self.marks.iter().rev().nth(1));
        assert!(before.zip(last).is_none_or(goes_on), "keys are counted in their order");
        self.is_first = false;
        self.total = self.total.saturating_add(bytes);
        if self.marks.len() > self.marks_max {
            self.thin();
        }
    }

    /// Bytes so far.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The key that divides best.
    pub fn choose(self) -> Choice {
        let total = self.total;
        let unevenness = |mark: &Mark| (total - mark.before).abs_diff(mark.before);
        match self.marks.into_iter().min_by_key(unevenness) {
            Some(Mark { key, before }) => {
                assert!(before <= total, "what lies before a mark is part of all");
                Choice::At(SplitPoint { at: key, left_bytes: before, right_bytes: total - before })
            }
            None => Choice::OneKey { bytes: total },
        }
    }

    /// The bytes on both sides of a key that somebody else has chosen: by the last mark up to it.
    pub fn sides_of(&self, at: &Key) -> SplitPoint {
        let upto = self.marks.iter().rev().find(|mark| mark.key <= *at);
        let left_bytes = upto.map_or(0, |mark| mark.before);
        assert!(left_bytes <= self.total, "what lies before a key is part of all");
        SplitPoint { at: at.clone(), left_bytes, right_bytes: self.total - left_bytes }
    }

    fn thin(&mut self) {
        let mut keep = false;
        self.marks.retain(|_| {
            keep = !keep;
            keep
        });
        let parts = u64::try_from(self.marks_max).unwrap_or(u64::MAX).max(1);
        assert!(self.marks.len() <= self.marks_max.max(1), "half of the marks are forgotten");
        self.step = (self.total / parts).max(self.step.saturating_mul(2)).max(1);
    }
}

#[cfg(test)]
mod tests;
