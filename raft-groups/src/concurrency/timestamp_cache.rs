//! When each key was read last: a write must come after it.
//!
//! The keyspace is cut at boundaries; between two of them one timestamp holds. What was forgotten, and what a former
//! leader may have read, lies below the low water mark: no key's answer is ever too low, it may only be too high.

use std::collections::BTreeMap;
use std::ops::Bound;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, Span};

use crate::limits::{BOUNDARIES_MAX, BOUNDARY_BYTES_MAX};

/// Newest read of each key of one range.
#[derive(Debug)]
pub struct TimestampCache {
    low_water: Timestamp,
    /// From this key until the next boundary: read at that time. Before the first boundary: the low water mark.
    boundaries: BTreeMap<Key, Timestamp>,
    bytes: usize,
    boundaries_max: usize,
}

impl TimestampCache {
    /// Everything may have been read at `low_water`.
    pub fn new(low_water: Timestamp) -> Self {
        Self::with_limit(low_water, BOUNDARIES_MAX)
    }

    fn with_limit(low_water: Timestamp, boundaries_max: usize) -> Self {
        Self { low_water, boundaries: BTreeMap::new(), bytes: 0, boundaries_max }
    }

    /// Takes note that the span was read at `timestamp`.
    pub fn add(&mut self, span: &Span, timestamp: Timestamp) {
        if span.is_empty() || timestamp <= self.low_water {
            return;
        }
        match self.undivided(span) {
            Some(read) if read >= timestamp => return,
            Some(read) => self.raise_undivided(span, read, timestamp),
            None => self.raise_divided(span, timestamp),
        }
        if self.boundaries.len() > self.boundaries_max || self.bytes > BOUNDARY_BYTES_MAX {
            self.forget();
        }
    }

    /// The one time of the whole span, if no boundary lies in it or at its end: most spans are points that nobody has read,
    /// and one search tells.
    fn undivided(&self, span: &Span) -> Option<Timestamp> {
        let end = if span.end.is_empty() { Bound::Unbounded } else { Bound::Included(&span.end) };
        match self.boundaries.range::<Key, _>((Bound::Unbounded, end)).next_back() {
            None => Some(self.low_water),
            Some((key, &read)) => (*key < span.start).then_some(read),
        }
    }

    /// Raises a span from its one time.
    fn raise_undivided(&mut self, span: &Span, read: Timestamp, timestamp: Timestamp) {
        assert!(read < timestamp, "what was read as late needs no boundary");
        let mut insert = |key: &Key, read| {
            self.bytes += key.len();
            let there = self.boundaries.insert(key.clone(), read);
            assert!(there.is_none(), "no boundary lies in the span");
        };
        insert(&span.start, timestamp);
        if !span.end.is_empty() {
            insert(&span.end, read);
        }
    }

    /// Raises a span that has, or may have, several times.
    fn raise_divided(&mut self, span: &Span, timestamp: Timestamp) {
        self.cut(&span.start);
        if !span.end.is_empty() {
            self.cut(&span.end);
        }
        for (_, read) in self.boundaries.range_mut::<Key, _>(bounds(span)) {
            *read = timestamp.max(*read);
        }
        self.join(span);
        assert!(self.at(&span.start) >= timestamp, "what was read is remembered");
    }

    /// The newest time at which a key of the span was, or may have been, read.
    pub fn newest(&self, span: &Span) -> Timestamp {
        if span.is_empty() {
            return self.low_water;
        }
        let within = self.boundaries.range::<Key, _>(bounds(span)).map(|(_, &read)| read).max();
        let newest = self.at(&span.start).max(within.unwrap_or(self.low_water));
        assert!(newest >= self.low_water, "no key was read before the low water mark");
        newest
    }

    /// Everything may have been read at `timestamp`: a new leader does not know what the old one served.
    pub fn raise_low_water(&mut self, timestamp: Timestamp) {
        if timestamp <= self.low_water {
            return;
        }
        self.low_water = timestamp;
        let (mut before, mut freed) = (timestamp, 0);
        self.boundaries.retain(|key, read| {
            *read = timestamp.max(*read);
            let is_needed = *read != before;
            before = *read;
            if !is_needed {
                freed += key.len();
            }
            is_needed
        });
        assert!(freed <= self.bytes, "the bytes of a boundary were counted when it was made");
        self.bytes -= freed;
    }

    /// Newest read of all: what a hand-over passes on.
    pub fn high_water(&self) -> Timestamp {
        self.boundaries.values().copied().max().unwrap_or(self.low_water).max(self.low_water)
    }

    /// The mark below which nothing is told apart.
    pub fn low_water(&self) -> Timestamp {
        self.low_water
    }

    fn at(&self, key: &Key) -> Timestamp {
        self.boundaries
            .range::<Key, _>((Bound::Unbounded, Bound::Included(key)))
            .next_back()
            .map_or(self.low_water, |(_, &read)| read)
    }

    /// Makes `key` a boundary without changing any key's time.
    fn cut(&mut self, key: &Key) {
        let read = self.at(key);
        if !self.boundaries.contains_key(key) {
            self.bytes += key.len();
            self.boundaries.insert(key.clone(), read);
        }
    }

    /// Removes boundaries in and at the end of `span` that separate equal times.
    fn join(&mut self, span: &Span) {
        let mut before = self
            .boundaries
            .range::<Key, _>((Bound::Unbounded, Bound::Excluded(&span.start)))
            .next_back()
            .map_or(self.low_water, |(_, &read)| read);
        let mut needless = Vec::new();
        let end = if span.end.is_empty() { Bound::Unbounded } else { Bound::Included(&span.end) };
        for (key, &read) in self.boundaries.range::<Key, _>((Bound::Included(&span.start), end)) {
            if read == before {
                needless.push(key.clone());
            }
            before = read;
        }
        for key in needless {
            assert!(key.len() <= self.bytes, "a boundary that goes was counted when it came");
            self.bytes -= key.len();
            self.boundaries.remove(&key);
        }
    }

    /// Raises the low water mark to the median of what lies above it, which makes about half of the boundaries needless.
    /// The ends of points lie at the mark itself: they do not count, or each call would free a single point.
    fn forget(&mut self) {
        let above = self.boundaries.values().copied().filter(|&read| read > self.low_water);
        let mut times: Vec<_> = above.collect();
        let middle = times.len() / 2;
        if middle < times.len() {
            let (_, &mut median, _) = times.select_nth_unstable(middle);
            self.raise_low_water(median);
        }
        if self.boundaries.len() > self.boundaries_max || self.bytes > BOUNDARY_BYTES_MAX {
            // Half of them was not enough, where few keys are very long.
            self.raise_low_water(self.high_water());
        }
        let is_small = self.boundaries.len() <= self.boundaries_max && self.bytes <= BOUNDARY_BYTES_MAX;
        assert!(is_small, "what is forgotten makes room");
        assert!(
            self.bytes == self.boundaries.keys().map(Key::len).sum(),
            "the bytes counted are those of the boundaries"
        );
    }
}

fn bounds(span: &Span) -> (Bound<&Key>, Bound<&Key>) {
    let end = if span.end.is_empty() { Bound::Unbounded } else { Bound::Excluded(&span.end) };
    (Bound::Included(&span.start), end)
}

#[cfg(test)]
mod tests;
