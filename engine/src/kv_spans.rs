//! [`ReadSpans`]: keys that a transaction has read, or written, as few spans.
//!
//! Spans that overlap or touch become one. Beyond [`READ_SPANS_MAX`] neighbours are merged with what lies between them,
//! those with the longest common prefix first: a merged span claims more than was read (and may cause a needless
//! retry), never less, and spans of two tables are the last to become one.

use std::collections::BTreeMap;

use crate::kv::{Key, Span};
use crate::limits::READ_SPANS_MAX;

/// A set of keys that were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadSpans {
    /// Start and end of each span; they neither overlap nor touch. An empty end is "to the end".
    spans: BTreeMap<Key, Key>,
    max: usize,
}

impl Default for ReadSpans {
    fn default() -> Self {
        Self::with_max(READ_SPANS_MAX)
    }
}

impl ReadSpans {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty set that remembers at most `max` spans, and at least one.
    pub fn with_max(max: usize) -> Self {
        Self { spans: BTreeMap::new(), max: max.max(1) }
    }

    /// Adds the keys of a span.
    pub fn add(&mut self, span: Span) {
        if span.is_empty() {
            return;
        }
        let Span { mut start, mut end } = span;
        // All spans that start within the new one, or at its end, become part of it; so may the one before it.
        let before = self.spans.range(..=&start).next_back().map(|(start, end)| (start.clone(), end.clone()));
        if let Some((earlier, earlier_end)) = before
            && (earlier_end.is_empty() || earlier_end >= start)
        {
            end = later_end(end, earlier_end);
            start = earlier;
        }
        while let Some((next, next_end)) = self
            .spans
            .range(&start..)
            .next()
            .filter(|(next, _)| end.is_empty() || **next <= end)
            .map(|(next, next_end)| (next.clone(), next_end.clone()))
        {
            end = later_end(end, next_end);
            self.spans.remove(&next);
        }
        assert!(self.is_apart(&start, &end), "spans that touch are one");
        self.spans.insert(start, end);
        if self.spans.len() > self.max {
            self.merge_neighbours();
        }
        assert!(self.spans.len() <= self.max, "there are never more spans than are allowed");
    }

    /// Adds one key.
    pub fn add_key(&mut self, key: Key) {
        self.add(Span::point(key));
    }

    /// The spans, in key order.
    pub fn iter(&self) -> impl Iterator<Item = Span> + '_ {
        self.spans.iter().map(|(start, end)| Span::new(start.clone(), end.clone()))
    }

    /// How many spans there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Whether a key is in the set.
    pub fn contains(&self, key: &Key) -> bool {
        let before = self.spans.range(..=key).next_back();
        before.is_some_and(|(_, end)| end.is_empty() || key < end)
    }

    /// Closes the gaps between the neighbours that are most alike, until half of the spans are left: closing one at a
    /// time would do the work anew for each key read.
    /// Whether a span is not empty, and none of the others reaches it.
    fn is_apart(&self, start: &Key, end: &Key) -> bool {
        let before = self.spans.range(..start).next_back();
        let ends_before = before.is_none_or(|(_, earlier)| !earlier.is_empty() && earlier < start);
        let after = self.spans.range(start..).next();
        let begins_behind = after.is_none_or(|(next, _)| !end.is_empty() && end < next);
        ends_before && begins_behind && (end.is_empty() || start < end)
    }

    fn merge_neighbours(&mut self) {
        let mut gaps: Vec<(usize, Key)> = self
            .spans
            .iter()
            .zip(self.spans.keys().skip(1))
            .map(|((_, end), next)| (common_prefix(end, next), next.clone()))
            .collect();
        gaps.sort_by_key(|(alike, _)| std::cmp::Reverse(*alike));
        let surplus = self.spans.len() - self.max.div_ceil(2);
        for (_, next) in gaps.into_iter().take(surplus) {
            let Some(end) = self.spans.remove(&next) else { continue };
            if let Some((_, merged)) = self.spans.range_mut(..next).next_back() {
                *merged = end;
            }
        }
    }
}

/// The end that lies further back; an empty one lies at the end of all keys.
fn later_end(a: Key, b: Key) -> Key {
    if a.is_empty() || b.is_empty() { Key::default() } else { a.max(b) }
}

/// How many bytes two keys have in common at their starts.
fn common_prefix(a: &Key, b: &Key) -> usize {
    a.bytes().iter().zip(b.bytes().iter()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn key(number: u8) -> Key {
        Key::from(vec![number])
    }

    fn shown(spans: &ReadSpans) -> String {
        spans.iter().map(|span| format!("[{}, {}) ", span.start, span.end)).collect()
    }

    fn text(start: &str, end: &str) -> Span {
        Span::new(Key::from(start.as_bytes()), Key::from(end.as_bytes()))
    }

    #[test]
    fn spans_that_touch_become_one() {
        let mut spans = ReadSpans::new();
        spans.add(text("b", "c"));
        spans.add(text("e", "f"));
        spans.add(text("x", "x"));
        assert_eq!(shown(&spans), "[b, c) [e, f) ");
        spans.add(text("c", "e"));
        assert_eq!(shown(&spans), "[b, f) ");
        spans.add(text("a", ""));
        spans.add(text("k", "z"));
        assert_eq!(shown(&spans), "[a, ) ");
    }

    #[test]
    fn spans_beyond_the_limit_merge_those_most_alike() {
        let mut spans = ReadSpans::with_max(4);
        for (start, end) in [("t1/a", "t1/b"), ("t1/e", "t1/f"), ("t2/a", "t2/b"), ("t2/k", "t2/l")] {
            spans.add(text(start, end));
        }
        assert_eq!(spans.len(), 4);
        spans.add(text("t1/h", "t1/i"));
        assert_eq!(shown(&spans), "[t1/a, t1/i) [t2/a, t2/l) ");
    }

    proptest! {
        #[test]
        fn spans_hold_what_was_added(added in prop::collection::vec((0u8..40, 0u8..6), 0..40), max in 1usize..12) {
            let mut wide = ReadSpans::with_max(1000);
            let mut bounded = ReadSpans::with_max(max);
            let mut naive = BTreeSet::new();
            for (start, length) in added {
                let span = Span::new(key(start), key(start + length));
                wide.add(span.clone());
                bounded.add(span);
                naive.extend(start..start + length);
            }
            for number in 0..60 {
                prop_assert_eq!(wide.contains(&key(number)), naive.contains(&number));
                prop_assert!(bounded.contains(&key(number)) || !naive.contains(&number));
            }
            prop_assert!(bounded.len() <= max);
            let all: Vec<Span> = wide.iter().collect();
            prop_assert!(all.windows(2).all(|pair| pair[0].end < pair[1].start), "{:?}", all);
        }
    }
}
