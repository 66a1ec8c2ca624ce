//! How many bytes the entries of one group's log take, by index: [`LogSizes`], pure.
//!
//! Sizes are summed up by stretches of entries; within a stretch they count as evenly spread. What was there when the
//! log was opened is one stretch of the size that the store estimates.

use std::collections::VecDeque;

/// Bytes of a stretch, apart from its last append.
const STRETCH_BYTES: u64 = 256 << 10;

/// Consecutive entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    first: u64,
    last: u64,
    bytes: u64,
}

impl Stretch {
    fn entries(&self) -> u64 {
        assert!(self.first <= self.last, "a stretch has an entry");
        self.last - self.first + 1
    }

    /// Bytes of its first so many entries.
    fn share(&self, entries: u64) -> u64 {
        let share = u128::from(self.bytes) * u128::from(entries) / u128::from(self.entries());
        u64::try_from(share).unwrap_or(self.bytes).min(self.bytes)
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogSizes {
    stretches: VecDeque<Stretch>,
    total: u64,
}

impl LogSizes {
    /// All bytes.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Adds the entries from `first` to `last`, which follow those that are there.
    pub(crate) fn push(&mut self, first: u64, last: u64, bytes: u64) {
        if last < first {
            return;
        }
        assert!(
            self.stretches.back().is_none_or(|open| open.last < first),
            "entries are counted in their order"
        );
        self.total += bytes;
        match self.stretches.back_mut() {
            Some(open) if open.last + 1 == first && open.bytes < STRETCH_BYTES => {
                open.last = last;
                open.bytes += bytes;
            }
            Some(_) | None => self.stretches.push_back(Stretch { first, last, bytes }),
        }
    }

    /// Forgets the entries after an index (all for `None`) and says how many bytes they had.
    pub(crate) fn truncate_after(&mut self, index: Option<u64>) -> u64 {
        let before = self.total;
        while let Some(newest) = self.stretches.back_mut() {
            match index {
                Some(index) if newest.last <= index => break,
                Some(index) if newest.first <= index => {
                    let kept = newest.share(index - newest.first + 1);
                    assert!(kept <= newest.bytes, "a part of a stretch has no more bytes than all of it");
                    self.total -= newest.bytes - kept;
                    (newest.last, newest.bytes) = (index, kept);
                    break;
                }
                Some(_) | None => {
                    self.total -= newest.bytes;
                    self.stretches.pop_back();
                }
            }
        }
        before - self.total
    }

    /// Forgets the entries up to an index and says how many bytes they had.
    pub(crate) fn purge(&mut self, upto: u64) -> u64 {
        let before = self.total;
        while let Some(oldest) = self.stretches.front_mut() {
            if oldest.first > upto {
                break;
            }
            if oldest.last > upto {
                let dropped = oldest.share(upto - oldest.first + 1);
                assert!(dropped <= oldest.bytes, "a part of a stretch has no more bytes than all of it");
                self.total -= dropped;
                (oldest.first, oldest.bytes) = (upto + 1, oldest.bytes - dropped);
                break;
            }
            self.total -= oldest.bytes;
            self.stretches.pop_front();
        }
        before - self.total
    }

    /// Bytes of the entries after an index.
    pub(crate) fn after(&self, index: u64) -> u64 {
        let mut copy = self.clone();
        copy.purge(index);
        copy.total
    }

    /// The lowest index after which there are no more than `limit` bytes.
    pub(crate) fn cut_for(&self, limit: u64) -> u64 {
        let mut excess = self.total.saturating_sub(limit);
        let mut cut = self.stretches.front().map_or(0, |oldest| oldest.first.saturating_sub(1));
        for stretch in &self.stretches {
            if excess == 0 {
                break;
            }
            if stretch.bytes > excess {
                let entries = (1..=stretch.entries()).find(|entries| stretch.share(*entries) >= excess);
                return stretch.first + entries.unwrap_or(stretch.entries()) - 1;
            }
            excess -= stretch.bytes;
            cut = stretch.last;
        }
        cut
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_cut_at_both_ends() {
        let mut sizes = LogSizes::default();
        sizes.push(11, 20, 1_000);
        sizes.push(21, 20, 99);
        sizes.push(21, 21, STRETCH_BYTES);
        sizes.push(22, 31, 2_000);
        assert_eq!(sizes.total(), STRETCH_BYTES + 3_000);
        assert_eq!(sizes.stretches.len(), 2, "small appends share a stretch");
        assert_eq!(sizes.truncate_after(Some(26)), 1_000);
        assert_eq!(sizes.after(21), 1_000);
        assert_eq!((sizes.cut_for(u64::MAX), sizes.cut_for(1_000), sizes.cut_for(999)), (10, 21, 22));
        assert_eq!(sizes.purge(24), STRETCH_BYTES + 1_600);
        assert_eq!((sizes.total(), sizes.cut_for(0)), (400, 26));
        assert_eq!(sizes.truncate_after(None), 400);
        assert_eq!(sizes, LogSizes::default());
        assert_eq!((sizes.cut_for(0), sizes.purge(100), sizes.truncate_after(Some(3))), (0, 0, 0));
    }

    proptest! {
        /// Against one size for each entry: with equal entries the estimates are exact.
        #[test]
        fn sizes_of_equal_entries_are_exact(
            steps in prop::collection::vec((0_u8..4, 1_u64..40), 1..60),
            size in 1_u64..50_000,
        ) {
            let (mut sizes, mut first, mut last) = (LogSizes::default(), 1, 0);
            for (kind, count) in steps {
                match kind {
                    0 | 1 => {
                        sizes.push(last + 1, last + count, count * size);
                        last += count;
                    }
                    2 => {
                        let upto = (first + count - 1).min(last);
                        prop_assert_eq!(sizes.purge(upto), (upto + 1 - first) * size);
                        first = upto + 1;
                    }
                    _ => {
                        let after = last.saturating_sub(count).max(first - 1);
                        prop_assert_eq!(sizes.truncate_after(Some(after)), (last - after) * size);
                        last = after;
                    }
                }
                let entries = last + 1 - first;
                prop_assert_eq!(sizes.total(), entries * size);
                if entries > 0 {
                    let cut = sizes.cut_for(entries / 2 * size);
                    prop_assert_eq!(last - cut, entries / 2);
                    prop_assert_eq!(sizes.after(cut), entries / 2 * size);
                }
            }
        }
    }
}
