//! Who holds which keys and who waits for whom: the pure half of the latches.
//!
//! A request asks once, for all its spans. It is granted when no earlier request that still stands conflicts with it,
//! whether that one was granted or waits itself: first come, first served, so that nobody starves and no two requests
//! wait for each other.

use std::collections::BTreeMap;

use quorate_engine::kv::{Key, Span};

/// How a request uses a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads: together with other readers.
    Shared,
    /// Writes: alone.
    Exclusive,
}

/// Place of a request in the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LatchId(u64);

/// The spans of one request, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatchSpans {
    /// By start. Spans may overlap each other.
    spans: Vec<(Span, Access)>,
    /// Greatest end among all; `None` for "to the end of the keyspace".
    end: Option<Key>,
}

impl LatchSpans {
    /// These spans; empty ones are left out.
    pub fn new(spans: impl IntoIterator<Item = (Span, Access)>) -> Self {
        let mut spans: Vec<_> = spans.into_iter().filter(|(span, _)| !span.is_empty()).collect();
        spans.sort_by(|a, b| a.0.cmp(&b.0));
        let unbounded = spans.iter().any(|(span, _)| span.end.is_empty());
        let end = if unbounded { None } else { spans.iter().map(|(span, _)| span.end.clone()).max() };
        let has_room =
            spans.first().is_none_or(|(first, _)| end.as_ref().is_none_or(|end| first.start < *end));
        assert!(has_room, "the hull of spans that are not empty is not empty");
        Self { spans, end }
    }

    /// The least span that covers all of them; `None` where there is nothing to latch.
    pub fn hull(&self) -> Option<Span> {
        let (first, _) = self.spans.first()?;
        Some(Span::new(first.start.clone(), self.end.clone().unwrap_or_default()))
    }

    /// Whether there is nothing to latch.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Whether a span of this one and one of the other share a key, and not both only read.
    pub fn conflicts(&self, other: &Self) -> bool {
        if !self.may_touch(other) || !other.may_touch(self) {
            return false;
        }
        let (few, many) = if self.spans.len() <= other.spans.len() { (self, other) } else { (other, self) };
        if few.spans.len() * usize::BITS as usize <= many.spans.len() && many.has_disjoint_spans() {
            few.spans.iter().any(|span| many.conflicts_by_search(span))
        } else {
            conflicts_by_sweep(&few.spans, &many.spans)
        }
    }

    /// Whether the other's first key lies before this one's end.
    fn may_touch(&self, other: &Self) -> bool {
        let Some((first, _)) = other.spans.first() else { return false };
        !self.is_empty() && self.end.as_ref().is_none_or(|end| first.start < *end)
    }

    /// Whether each span ends before the next begins, so that a binary search finds all that overlap.
    fn has_disjoint_spans(&self) -> bool {
        self.spans.iter().zip(self.spans.iter().skip(1)).all(|((a, _), (b, _))| !a.overlaps(b))
    }

    fn conflicts_by_search(&self, (span, access): &(Span, Access)) -> bool {
        let first = self.spans.partition_point(|(own, _)| !own.end.is_empty() && own.end <= span.start);
        self.spans
            .iter()
            .skip(first)
            .take_while(|(own, _)| own.overlaps(span))
            .any(|(_, own_access)| exclude(*own_access, *access))
    }
}

/// Visits both lists in the order of starts, and keeps those that still reach beyond the current start.
fn conflicts_by_sweep(left: &[(Span, Access)], right: &[(Span, Access)]) -> bool {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    let mut open_left: Vec<&(Span, Access)> = Vec::new();
    let mut open_right: Vec<&(Span, Access)> = Vec::new();
    loop {
        let from_left = match (left.peek(), right.peek()) {
            (Some((a, _)), Some((b, _))) => a.start <= b.start,
            (Some(_), None) if !open_right.is_empty() => true,
            (None, Some(_)) if !open_left.is_empty() => false,
            (Some(_) | None, Some(_) | None) => return false,
        };
        let next = if from_left { left.next() } else { right.next() };
        let Some(next) = next else { return false };
        let (own, others) =
            if from_left { (&mut open_left, &mut open_right) } else { (&mut open_right, &mut open_left) };
        others.retain(|(span, _)| span.end.is_empty() || span.end > next.0.start);
        if others.iter().any(|(_, access)| exclude(*access, next.1)) {
            return true;
        }
        own.push(next);
    }
}

fn exclude(a: Access, b: Access) -> bool {
    matches!(a, Access::Exclusive) || matches!(b, Access::Exclusive)
}

#[derive(Debug)]
struct Entry {
    spans: LatchSpans,
    /// Earlier requests that conflict and still stand.
    waits_for: usize,
    /// Later requests that wait for this one.
    waiters: Vec<LatchId>,
}

/// All requests that hold or wait for latches of one range.
#[derive(Debug, Default)]
pub struct LatchTable {
    entries: BTreeMap<LatchId, Entry>,
    next: u64,
}

impl LatchTable {
    /// Takes a request in. True: it holds its latches now. False: it waits, and [`LatchTable::release`] of another
    /// will name it.
    pub fn insert(&mut self, spans: LatchSpans) -> (LatchId, bool) {
        let id = LatchId(self.next);
        self.next += 1;
        let mut waits_for = 0;
        for earlier in self.entries.values_mut().filter(|earlier| earlier.spans.conflicts(&spans)) {
            earlier.waiters.push(id);
            waits_for += 1;
        }
        assert!(
            self.entries.last_key_value().is_none_or(|(last, _)| *last < id),
            "requests stand in the order of their arrival"
        );
        self.entries.insert(id, Entry { spans, waits_for, waiters: Vec::new() });
        (id, waits_for == 0)
    }

    /// Takes a request out, whether it held its latches or still waited; returns those that are granted by this, in
    /// the order of their arrival.
    pub fn release(&mut self, id: LatchId) -> Vec<LatchId> {
        let Some(entry) = self.entries.remove(&id) else { return Vec::new() };
        let mut granted = Vec::new();
        for waiter in entry.waiters {
            // A waiter that gave up in the meantime is gone.
            let Some(waiting) = self.entries.get_mut(&waiter) else { continue };
            assert!(waiting.waits_for > 0, "who is told of a release has waited for it");
            assert!(waiter > id, "nobody waits for a later request");
            waiting.waits_for -= 1;
            if waiting.waits_for == 0 {
                granted.push(waiter);
            }
        }
        // A look at all pairs of requests: only in tests.
        debug_assert!(
            granted.iter().all(|id| self.is_free(*id)),
            "no key is held twice, unless all only read it"
        );
        granted
    }

    /// Requests that hold or wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody holds or waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether no other request that is granted conflicts with this one.
    fn is_free(&self, id: LatchId) -> bool {
        let Some(own) = self.entries.get(&id) else { return true };
        let mut others = self.entries.iter().filter(|(other, entry)| **other != id && entry.waits_for == 0);
        others.all(|(_, other)| !other.spans.conflicts(&own.spans))
    }
}

#[cfg(test)]
mod tests;
