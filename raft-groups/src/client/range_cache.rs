//! What a node believes about ranges: descriptors by start key, with a hint at who leads.
//!
//! Invariants: cached spans never overlap; a descriptor never replaces one of the same range with a higher generation;
//! at most as many entries as the cache was made for. It may be wrong at any time: ranges answer `Mismatch` then.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_engine::kv::{Key, Span};
use quorate_placement::topology::{NodeId, RangeId};

use crate::descriptor::RangeDescriptor;

/// One range in the cache.
#[derive(Clone, Debug)]
pub struct CachedRange {
    /// What it is.
    pub descriptor: Arc<RangeDescriptor>,
    /// Who led it when it last answered.
    pub leaseholder: Option<NodeId>,
    used: u64,
}

/// The cache.
#[derive(Debug)]
pub struct RangeCache {
    by_start: BTreeMap<Key, CachedRange>,
    /// Start keys by the tick of their last use, for eviction.
    by_use: BTreeMap<u64, Key>,
    tick: u64,
    entries_max: usize,
}

impl RangeCache {
    /// An empty cache of at most `entries_max` ranges.
    pub fn new(entries_max: usize) -> Self {
        Self { by_start: BTreeMap::new(), by_use: BTreeMap::new(), tick: 0, entries_max }
    }

    /// The range that holds `key`.
    pub fn lookup(&mut self, key: &Key) -> Option<CachedRange> {
        let (start, range) = self.by_start.range(..=key).next_back()?;
        let found = range.descriptor.span.contains(key).then(|| start.clone())?;
        self.touch(&found)
    }

    /// The range that holds the greatest keys below `end`; an empty `end` is the end of the keyspace.
    pub fn lookup_before(&mut self, end: &Key) -> Option<CachedRange> {
        let found = if end.is_empty() {
            self.by_start.iter().next_back()
        } else {
            self.by_start.range(..end).next_back()
        };
        let (start, range) = found?;
        let span_end = &range.descriptor.span.end;
        let reaches = span_end.is_empty() || (!end.is_empty() && span_end >= end);
        let found = reaches.then(|| start.clone())?;
        self.touch(&found)
    }

    /// Learns a descriptor. Returns false, and keeps what it has, where that is as new.
    pub fn learn(&mut self, descriptor: RangeDescriptor) -> bool {
        let overlapping = self.overlapping(&descriptor.span);
        let is_stale = overlapping.iter().filter_map(|start| self.by_start.get(start)).any(|cached| {
            let known = &cached.descriptor;
            let same = known.range_id == descriptor.range_id && known.generation >= descriptor.generation;
            same || known.generation > descriptor.generation
        });
        if is_stale || descriptor.span.is_empty() {
            return false;
        }
        let leaseholder = overlapping
            .iter()
            .filter_map(|start| self.by_start.get(start))
            .filter(|cached| cached.descriptor.range_id == descriptor.range_id)
            .find_map(|cached| cached.leaseholder);
        for start in overlapping {
            self.remove(&start);
        }
        self.make_room();
        self.tick += 1;
        let start = descriptor.span.start.clone();
        self.by_use.insert(self.tick, start.clone());
        let entry = CachedRange { descriptor: Arc::new(descriptor), leaseholder, used: self.tick };
        let other = self.by_start.insert(start, entry);
        assert!(other.is_none(), "what overlaps a descriptor has gone before it comes");
        assert!(self.by_start.len() == self.by_use.len(), "each entry was used last at one time");
        assert!(
            self.by_start.len() <= self.entries_max.max(1),
            "the cache holds no more entries than it may"
        );
        true
    }

    /// Remembers who leads a range, or that nobody knows.
    pub fn set_leaseholder(&mut self, descriptor: &RangeDescriptor, leaseholder: Option<NodeId>) {
        if let Some(cached) = self.by_start.get_mut(&descriptor.span.start)
            && cached.descriptor.range_id == descriptor.range_id
        {
            cached.leaseholder = leaseholder;
        }
    }

    /// Forgets a range whose descriptor proved wrong, unless a newer one is known already.
    pub fn forget(&mut self, range_id: RangeId, generation: u64, start: &Key) {
        let is_that = self.by_start.get(start).is_some_and(|cached| {
            cached.descriptor.range_id == range_id && cached.descriptor.generation <= generation
        });
        if is_that {
            self.remove(start);
        }
    }

    /// Cached ranges, by start key.
    pub fn ranges(&self) -> impl Iterator<Item = &CachedRange> {
        self.by_start.values()
    }

    /// Start keys of the entries that share a key with `span`.
    fn overlapping(&self, span: &Span) -> Vec<Key> {
        let before = self.by_start.range(..&span.start).next_back();
        let after = self.by_start.range(&span.start..);
        before
            .into_iter()
            .chain(after.take_while(|(start, _)| span.end.is_empty() || **start < span.end))
            .filter(|(_, cached)| cached.descriptor.span.overlaps(span))
            .map(|(start, _)| start.clone())
            .collect()
    }

    fn touch(&mut self, start: &Key) -> Option<CachedRange> {
        self.tick += 1;
        let cached = self.by_start.get_mut(start)?;
        let noted = self.by_use.remove(&cached.used);
        assert!(noted.as_ref() == Some(start), "each entry knows when it was used last");
        cached.used = self.tick;
        self.by_use.insert(self.tick, start.clone());
        Some(cached.clone())
    }

    fn remove(&mut self, start: &Key) {
        if let Some(removed) = self.by_start.remove(start) {
            let noted = self.by_use.remove(&removed.used);
            assert!(noted.as_ref() == Some(start), "an entry goes with the note of its use");
        }
    }

    fn make_room(&mut self) {
        while self.by_start.len() >= self.entries_max.max(1) {
            let Some((_, start)) = self.by_use.pop_first() else { return };
            self.by_start.remove(&start);
        }
    }
}

#[cfg(test)]
mod tests;
