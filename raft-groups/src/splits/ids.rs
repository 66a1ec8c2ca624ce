//! Ids for the right sides of splits, taken from range 1 in blocks, so that a split asks nobody.
//!
//! What is left of a block when the process ends is never used: ids are plenty.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use quorate_placement::topology::RangeId;
use tokio::sync::Notify;

/// Ids that a node asks for at a time.
pub const BLOCK_IDS: u64 = 64;
/// With fewer ids than this a node asks for the next block.
pub const IDS_LOW: u64 = 32;

/// The ids that this node may give.
#[derive(Debug, Default)]
pub struct RangeIds {
    blocks: Mutex<VecDeque<Range<u64>>>,
    /// Somebody waits for one.
    wanted: AtomicBool,
    /// Told when ids come.
    pub came: Notify,
}

impl RangeIds {
    /// Takes a block in.
    pub fn offer(&self, block: Range<u64>) {
        let mut blocks = self.blocks.lock();
        let is_apart = |other: &Range<u64>| other.end <= block.start || block.end <= other.start;
        // A block comes from range 1, which may be on another node: what cannot be is left, and asked for again.
        if block.start == 0 || block.start >= block.end || !blocks.iter().all(is_apart) {
            tracing::error!(?block, "ids of ranges that were given before, or are none, are not used");
            return;
        }
        blocks.push_back(block);
        drop(blocks);
        self.wanted.store(false, Ordering::Relaxed);
        self.came.notify_waiters();
    }

    /// The next id, which is never given again.
    pub fn take(&self) -> Option<RangeId> {
        let mut blocks = self.blocks.lock();
        loop {
            let Some(first) = blocks.front_mut() else {
                self.wanted.store(true, Ordering::Relaxed);
                return None;
            };
            if let Some(id) = first.next() {
                return Some(RangeId(id));
            }
            blocks.pop_front();
        }
    }

    /// Whether somebody found none.
    pub fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// How many are left.
    pub fn left(&self) -> u64 {
        self.blocks.lock().iter().map(|block| block.end.saturating_sub(block.start)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_given_once_and_in_order() {
        let ids = RangeIds::default();
        assert_eq!((ids.is_wanted(), ids.take(), ids.left()), (false, None, 0));
        assert!(ids.is_wanted());
        ids.offer(5..7);
        assert!(!ids.is_wanted());
        ids.offer(20..21);
        assert_eq!(ids.left(), 3);
        let taken: Vec<_> = std::iter::from_fn(|| ids.take()).collect();
        assert_eq!(taken, [RangeId(5), RangeId(6), RangeId(20)]);
    }
}
