//! The newest entries of one group's log, in memory.
//!
//! Each entry is read back as often as there are followers, and once to apply it; the tail serves these reads. It holds
//! what the writer has not written yet, however much that is, and beyond it at most its limit.
//!
//! Invariant: the entries are consecutive, and the last one is the last of the log, unless the tail is empty.

use std::collections::VecDeque;

use super::convert::RaftEntry;

struct TailEntry {
    entry: RaftEntry,
    bytes: usize,
    /// Number of the append that brought it.
    sequence: u64,
}

/// See the module.
#[derive(Default)]
pub(crate) struct LogTail {
    entries: VecDeque<TailEntry>,
    bytes: usize,
}

impl LogTail {
    /// Index of the first entry held.
    pub(crate) fn first_index(&self) -> Option<u64> {
        self.entries.front().map(|first| first.entry.log_id.index)
    }

    /// Appends the next entry; false where it does not follow the last one.
    #[must_use]
    pub(crate) fn push(&mut self, entry: RaftEntry, bytes: usize, sequence: u64) -> bool {
        let follows =
            self.entries.back().is_none_or(|last| last.entry.log_id.index + 1 == entry.log_id.index);
        if follows {
            self.bytes += bytes;
            self.entries.push_back(TailEntry { entry, bytes, sequence });
        }
        follows
    }

    /// Drops the entries after an index (all for `None`).
    pub(crate) fn truncate_after(&mut self, index: Option<u64>) {
        while self
            .entries
            .back()
            .is_some_and(|last| index.is_none_or(|index| last.entry.log_id.index > index))
        {
            let dropped = self.entries.pop_back();
            self.bytes -= dropped.map_or(0, |dropped| dropped.bytes);
        }
    }

    /// Drops the entries up to an index.
    pub(crate) fn purge(&mut self, upto: u64) {
        while self.entries.front().is_some_and(|first| first.entry.log_id.index <= upto) {
            self.drop_first();
        }
    }

    /// Drops the oldest entries of written appends until no more than `limit` bytes are held.
    pub(crate) fn evict(&mut self, limit: usize, written: u64) {
        while self.bytes > limit && self.entries.front().is_some_and(|first| first.sequence <= written) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        let dropped = self.entries.pop_front();
        self.bytes -= dropped.map_or(0, |dropped| dropped.bytes);
    }

    /// The entries from `start` to before `end` with their bytes.
    pub(crate) fn range(&self, start: u64, end: u64) -> impl Iterator<Item = (&RaftEntry, usize)> {
        let first = self.first_index().unwrap_or(end);
        let skip = usize::try_from(start.saturating_sub(first)).unwrap_or(usize::MAX);
        let take = usize::try_from(end.saturating_sub(start.max(first))).unwrap_or(usize::MAX);
        self.entries.iter().skip(skip).take(take).map(|held| (&held.entry, held.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_position::LogPosition;
    use crate::raft::convert::log_id_of;

    fn entry(index: u64) -> RaftEntry {
        RaftEntry {
            log_id: log_id_of(LogPosition { term: 1, index }),
            payload: openraft::EntryPayload::Blank,
        }
    }

    fn tail(indexes: std::ops::Range<u64>) -> LogTail {
        let mut tail = LogTail::default();
        assert!(indexes.into_iter().all(|index| tail.push(entry(index), 10, index)));
        tail
    }

    fn held(tail: &LogTail, start: u64, end: u64) -> Vec<u64> {
        tail.range(start, end).map(|(entry, _)| entry.log_id.index).collect()
    }

    #[test]
    fn range_is_cut_to_what_is_held() {
        let tail = tail(5..9);
        assert_eq!(held(&tail, 0, 100), [5, 6, 7, 8]);
        assert_eq!(held(&tail, 6, 8), [6, 7]);
        assert_eq!(held(&tail, 0, 6), [5]);
        assert_eq!(held(&tail, 0, 5), [0_u64; 0]);
        assert_eq!(held(&tail, 9, 12), [0_u64; 0]);
        assert_eq!(held(&LogTail::default(), 0, 5), [0_u64; 0]);
    }

    #[test]
    fn gap_is_refused() {
        let mut tail = tail(5..7);
        assert!(!tail.push(entry(8), 10, 8));
        assert!(!tail.push(entry(6), 10, 8));
        assert_eq!(held(&tail, 0, 100), [5, 6]);
    }

    #[test]
    fn unwritten_entries_are_never_evicted() {
        let mut tail = tail(1..6);
        tail.evict(0, 3);
        assert_eq!(held(&tail, 0, 100), [4, 5]);
        tail.evict(10, 5);
        assert_eq!(held(&tail, 0, 100), [5]);
        assert_eq!(tail.bytes, 10);
    }

    #[test]
    fn truncation_and_purge_cut_the_ends() {
        let mut tail = tail(1..8);
        tail.truncate_after(Some(5));
        assert_eq!(tail.bytes, 50);
        tail.purge(2);
        assert_eq!(held(&tail, 0, 100), [3, 4, 5]);
        tail.truncate_after(None);
        assert_eq!(tail.bytes, 0);
        assert_eq!(tail.first_index(), None);
        assert!(tail.push(entry(3), 1, 1));
    }
}
