//! Chunks of pairs become parts: [`PartBuilder`], pure.
//!
//! Together the parts of a snapshot cover its spans without a gap, also where there are no pairs: what was there before
//! has to go. A part ends where it has enough bytes, or its span does.

use bytes::Bytes;
use quorate_engine::staging::{Pair, StagedPart};

use super::KeySpan;
use crate::limits::SNAPSHOT_PART_BYTES_MAX;

/// What came in contradicts the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutOfPlace;

/// See the module.
pub(super) struct PartBuilder {
    spans: Vec<KeySpan>,
    /// The span that is being filled.
    span: usize,
    /// Where the next part of it begins.
    start: Bytes,
    pairs: Vec<Pair>,
    bytes: usize,
    number: u32,
}

/// The first key after `key`.
fn successor(key: &Bytes) -> Bytes {
    [key.as_ref(), &[0]].concat().into()
}

impl PartBuilder {
    pub(super) fn new(spans: Vec<KeySpan>) -> Self {
        let start = spans.first().map(|span| span.start.clone()).unwrap_or_default();
        Self { spans, span: 0, start, pairs: Vec::new(), bytes: 0, number: 0 }
    }

    /// Takes the next chunk, of this span or a later one, and gives back the parts that are complete.
    pub(super) fn push(&mut self, span: usize, pairs: Vec<Pair>) -> Result<Vec<StagedPart>, OutOfPlace> {
        if span < self.span || span >= self.spans.len() {
            return Err(OutOfPlace);
        }
        let mut parts = Vec::new();
        while self.span < span {
            parts.extend(self.end_span());
        }
        let end = self.spans.get(span).map(|span| span.end.clone()).ok_or(OutOfPlace)?;
        for (key, value) in pairs {
            let follows = match self.pairs.last() {
                Some((last, _)) => key > *last,
                None => key >= self.start,
            };
            if !follows || key >= end {
                return Err(OutOfPlace);
            }
            self.bytes += key.len() + value.len();
            self.pairs.push((key, value));
        }
        if self.bytes >= SNAPSHOT_PART_BYTES_MAX
            && let Some((last, _)) = self.pairs.last()
        {
            let upto = successor(last);
            parts.extend(self.part(upto));
        }
        Ok(parts)
    }

    /// The parts that are left.
    pub(super) fn finish(&mut self) -> Vec<StagedPart> {
        let mut parts = Vec::new();
        while self.span < self.spans.len() {
            parts.extend(self.end_span());
        }
        parts
    }

    fn end_span(&mut self) -> Option<StagedPart> {
        let end = self.spans.get(self.span)?.end.clone();
        let part = self.part(end);
        assert!(self.pairs.is_empty(), "no pair is carried from one span to the next");
        self.span += 1;
        self.start = self.spans.get(self.span).map(|span| span.start.clone()).unwrap_or_default();
        part
    }

    /// The part from where the last one ended to before `end`; none where that is nothing.
    fn part(&mut self, end: Bytes) -> Option<StagedPart> {
        if self.start >= end {
            return None;
        }
        let family = self.spans.get(self.span)?.family;
        let start = std::mem::replace(&mut self.start, end.clone());
        let pairs = std::mem::take(&mut self.pairs);
        let (first, last) = (pairs.first(), pairs.last());
        assert!(first.is_none_or(|(key, _)| *key >= start), "a part begins where the one before ended");
        assert!(last.is_none_or(|(key, _)| *key < end), "a part has all pairs that came for it");
        self.bytes = 0;
        self.number += 1;
        Some(StagedPart { number: self.number, family, start, end, pairs })
    }
}

#[cfg(test)]
mod tests {
    use quorate_engine::store::Family;

    use super::*;

    fn span(family: Family, start: &str, end: &str) -> KeySpan {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        KeySpan { family, start: bytes(start), end: bytes(end) }
    }

    fn pairs(keys: &[&str], bytes: usize) -> Vec<Pair> {
        keys.iter().map(|key| (Bytes::copy_from_slice(key.as_bytes()), Bytes::from(vec![0; bytes]))).collect()
    }

    fn builder() -> PartBuilder {
        let data = span(Family::Data, "b", "m");
        PartBuilder::new(vec![data, span(Family::Lock, "b", "m"), span(Family::Txn, "b", "m")])
    }

    /// Family, start, end and keys of parts.
    fn show(parts: &[StagedPart]) -> Vec<String> {
        let show = |part: &StagedPart| {
            let keys: Vec<_> = part.pairs.iter().map(|(key, _)| key.escape_ascii().to_string()).collect();
            let (start, end) = (part.start.escape_ascii(), part.end.escape_ascii());
            format!("{} {} {start}..{end} {}", part.number, part.family.name(), keys.join(","))
        };
        parts.iter().map(show).collect()
    }

    #[test]
    fn parts_cover_their_spans_without_a_gap() {
        let mut builder = builder();
        assert_eq!(builder.push(0, pairs(&["b", "c"], 10)), Ok(Vec::new()));
        let large = builder.push(0, pairs(&["d"], SNAPSHOT_PART_BYTES_MAX)).unwrap();
        assert_eq!(show(&large), ["1 data b..d\\x00 b,c,d"]);
        let next = builder.push(2, pairs(&["f"], 10)).unwrap();
        assert_eq!(show(&next), ["2 data d\\x00..m ", "3 lock b..m "]);
        assert_eq!(show(&builder.finish()), ["4 txn b..m f"]);
        assert_eq!(show(&self::builder().finish()), ["1 data b..m ", "2 lock b..m ", "3 txn b..m "]);
    }

    #[test]
    fn pairs_out_of_place_are_refused() {
        let refused = |chunks: &[(usize, &str)]| {
            let mut builder = builder();
            chunks.iter().any(|(span, key)| builder.push(*span, pairs(&[key], 1)) == Err(OutOfPlace))
        };
        assert!(!refused(&[(0, "b"), (0, "l"), (1, "b")]));
        assert!(refused(&[(0, "a")]), "before its span");
        assert!(refused(&[(0, "m")]), "after its span");
        assert!(refused(&[(0, "c"), (0, "c")]), "twice");
        assert!(refused(&[(1, "c"), (0, "d")]), "an earlier span");
        assert!(refused(&[(3, "c")]), "no such span");
        let mut builder = builder();
        builder.push(0, pairs(&["d"], SNAPSHOT_PART_BYTES_MAX)).unwrap();
        assert_eq!(builder.push(0, pairs(&["d"], 1)), Err(OutOfPlace), "again after its part was given out");
    }
}
