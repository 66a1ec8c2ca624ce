//! Whole spans of a store replaced from outside: parts are staged beside the store, then taken in family by family.
//!
//! ```text
//!   stage ─▶ part, synced ─┐
//!   stage ─▶ part, synced ─┼─▶ ingest(family) ─▶ the spans of its parts hold the parts' pairs, and nothing else
//!   stage ─▶ part, synced ─┘
//! ```
//!
//! Staged parts are no part of the store: nobody reads them, and they stay until they are removed, over restarts too.
//! Taking in is atomic and durable for one family only: whoever takes in several keeps a marker of its own, and does it
//! again after a crash. Doing it again changes nothing, as long as nobody else wrote into the spans.

use bytes::Bytes;

use crate::codec::check::{Broken, holds};
use crate::store::{Family, StoreError};

/// A key and its value.
pub type Pair = (Bytes, Bytes);

/// What a span of one family shall hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedPart {
    /// Its number within the area: a part staged again takes the place of the first.
    pub number: u32,
    /// The family.
    pub family: Family,
    /// First key of the span.
    pub start: Bytes,
    /// First key after the span; never empty, and after `start`. The spans of an area's parts share no key.
    pub end: Bytes,
    /// Pairs within the span, by key, each key once.
    pub pairs: Vec<Pair>,
}

impl StagedPart {
    /// What must hold of a part. Walks its pairs, which whoever stages it writes one by one.
    ///
    /// # Errors
    /// The rule that does not.
    pub fn validate(&self) -> Result<(), Broken> {
        let (first, last) = (self.pairs.first(), self.pairs.last());
        holds(self.start < self.end, "the span of a part is not empty")?;
        holds(first.is_none_or(|(key, _)| *key >= self.start), "the pairs of a part begin within its span")?;
        holds(last.is_none_or(|(key, _)| *key < self.end), "the pairs of a part end within its span")?;
        holds(self.pairs.is_sorted_by(|a, b| a.0 < b.0), "the pairs of a part are in order, each key once")
    }
}

/// Areas of staged parts beside a store. All calls block.
pub trait Staging: Send + Sync {
    /// Keeps a part in an area. On the disk when it returns.
    ///
    /// # Errors
    /// The part could not be kept; the store itself is as it was.
    fn stage(&self, area: u64, part: &StagedPart) -> Result<(), StoreError>;

    /// Lets the spans of an area's parts of one family hold what the parts say, and nothing else. All of it or nothing
    /// is readable at any moment. On the disk when it returns, with all that was written before. The parts stay.
    ///
    /// # Errors
    /// As for a failed write, the store must not be used again.
    fn ingest(&self, area: u64, family: Family) -> Result<(), StoreError>;

    /// Removes an area with its parts; nothing happens where there is none.
    ///
    /// # Errors
    /// Some parts may be left; removing them may be tried again.
    fn unstage(&self, area: u64) -> Result<(), StoreError>;

    /// The areas that there are, ascending.
    ///
    /// # Errors
    /// They could not be listed.
    fn areas(&self) -> Result<Vec<u64>, StoreError>;
}

/// A consistent view of a store that may be kept for a while. It keeps old versions on the disk: drop it soon.
pub trait PinnedView: Send + Sync {
    /// The first pairs from `start` to before `end` (empty for "to the end"), by key: as many as have `bytes_max`
    /// bytes, and at least one where there is any.
    ///
    /// # Errors
    /// What the store reports.
    fn page(
        &self,
        family: Family,
        start: &[u8],
        end: &[u8],
        bytes_max: usize,
    ) -> Result<Vec<Pair>, StoreError>;
}

/// One page of a snapshot, for implementations.
pub(crate) fn page_of(
    snapshot: &dyn crate::store::Snapshot,
    family: Family,
    (start, end): (&[u8], &[u8]),
    bytes_max: usize,
) -> Result<Vec<Pair>, StoreError> {
    let mut cursor = snapshot.cursor(family, start, end);
    let (mut pairs, mut bytes) = (Vec::new(), 0);
    cursor.next()?;
    while let (Some(key), Some(value)) = (cursor.key(), cursor.value()) {
        let follows = pairs.last().is_none_or(|(last, _): &Pair| last.as_ref() < key);
        holds(follows, "a view gives its keys in order, each of them once")?;
        holds(start <= key && (end.is_empty() || key < end), "a view gives no key beyond its bounds")?;
        bytes += key.len() + value.len();
        pairs.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
        if bytes >= bytes_max {
            break;
        }
        cursor.next()?;
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staged_part_holds_its_pairs_in_order() {
        let bytes = Bytes::from_static;
        let pairs = |keys: &[&'static str]| {
            keys.iter().map(|key| (bytes(key.as_bytes()), Bytes::new())).collect::<Vec<_>>()
        };
        let (start, end) = (bytes(b"b"), bytes(b"d"));
        let sound = StagedPart { number: 1, family: Family::Data, start, end, pairs: pairs(&["b", "c"]) };
        assert_eq!(sound.validate(), Ok(()));
        let broken = [
            StagedPart { end: bytes(b"b"), pairs: Vec::new(), ..sound.clone() },
            StagedPart { pairs: pairs(&["a"]), ..sound.clone() },
            StagedPart { pairs: pairs(&["d"]), ..sound.clone() },
            StagedPart { pairs: pairs(&["c", "b"]), ..sound.clone() },
            StagedPart { pairs: pairs(&["c", "c"]), ..sound.clone() },
        ];
        for part in broken {
            assert!(part.validate().is_err(), "{part:?}");
        }
    }
}
