//! Counts a range's bytes by key: versions, intents and transaction records, a page at a time.
//!
//! ```text
//!   data   a a a │ c c │ d …        each family in the order of its user keys; what belongs to the least
//!   lock         │ c   │            key is counted next, so that a key's bytes of all three come together
//!   txn    a     │     │ d d
//! ```

use quorate_engine::codec::CodecError;
use quorate_engine::codec::check::holds;
use quorate_engine::kv::{Key, Span};
use quorate_engine::mvcc::key_format::{data_prefix, data_span, split_data_key, split_txn_key, user_key};
use quorate_engine::store::{Cursor, Family, Snapshot, StoreError};

use super::key::SizeCount;

/// Bytes that are counted in one go, apart from the last key.
const PAGE_BYTES_MAX: u64 = 4 << 20;
/// Versions, intents and records that are counted in one go.
const PAGE_ENTRIES_MAX: usize = 50_000;

/// Counting under way.
#[derive(Default)]
pub(crate) struct Counting {
    count: SizeCount,
    /// The key that is being counted: its prefix, and its bytes so far.
    open: Option<(Vec<u8>, u64)>,
    /// Where the next page begins in each family: versions, intents, records.
    next: [From; 3],
}

/// One family's entries, from the first that is not counted.
struct Entries<'a> {
    family: Family,
    cursor: Box<dyn Cursor + 'a>,
    /// Prefix of the user key under the cursor; empty at the end.
    prefix: Vec<u8>,
}

impl<'a> Entries<'a> {
    fn new(
        snapshot: &'a dyn Snapshot,
        family: Family,
        (start, end): (&[u8], &[u8]),
    ) -> Result<Self, StoreError> {
        let mut entries = Self { family, cursor: snapshot.cursor(family, start, end), prefix: Vec::new() };
        entries.next()?;
        Ok(entries)
    }

    fn next(&mut self) -> Result<(), StoreError> {
        self.cursor.next()?;
        self.prefix.clear();
        let Some(key) = self.cursor.key() else { return Ok(()) };
        match self.family {
            Family::Data => self.prefix.extend_from_slice(split_data_key(key).map_err(damaged)?.0),
            Family::Txn => self.prefix.extend_from_slice(split_txn_key(key).map_err(damaged)?),
            Family::Lock | Family::Raft | Family::Range => self.prefix = data_prefix(&Key::from(key)),
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        let (key, value) = (self.cursor.key().unwrap_or_default(), self.cursor.value().unwrap_or_default());
        (key.len() + value.len()) as u64
    }
}

impl Counting {
    /// Counts one page. True when nothing is left.
    pub(crate) fn page(&mut self, snapshot: &dyn Snapshot, span: &Span) -> Result<bool, StoreError> {
        self.page_within(snapshot, span, (PAGE_BYTES_MAX, PAGE_ENTRIES_MAX))
    }

    fn page_within(
        &mut self,
        snapshot: &dyn Snapshot,
        span: &Span,
        (bytes_max, entries_max): (u64, usize),
    ) -> Result<bool, StoreError> {
        let mut families = self.families(snapshot, span)?;
        let (mut bytes, mut entries) = (0, 0);
        loop {
            let least = families.iter_mut().flatten().filter(|family| !family.prefix.is_empty());
            let Some(least) = least.min_by(|a, b| a.prefix.cmp(&b.prefix)) else { break };
            if bytes >= bytes_max || entries >= entries_max {
                self.next = families.map(|family| From::at(family.as_ref()));
                return Ok(false);
            }
            let size = least.size();
            bytes += size;
            entries += 1;
            self.entry(&least.prefix, size)?;
            least.next()?;
        }
        self.close()?;
        Ok(true)
    }

    /// What was counted.
    pub(crate) fn into_count(self) -> SizeCount {
        self.count
    }

    fn families<'a>(
        &self,
        snapshot: &'a dyn Snapshot,
        span: &Span,
    ) -> Result<[Option<Entries<'a>>; 3], StoreError> {
        let (start, end) = data_span(span);
        let plain = (span.start.as_ref(), span.end.as_ref());
        let [data, lock, txn] = &self.next;
        Ok([
            data.entries(snapshot, Family::Data, (&start, &end))?,
            lock.entries(snapshot, Family::Lock, plain)?,
            txn.entries(snapshot, Family::Txn, (&start, &end))?,
        ])
    }

    fn entry(&mut self, prefix: &[u8], size: u64) -> Result<(), StoreError> {
        match &mut self.open {
            Some((open, bytes)) if open == prefix => *bytes += size,
            Some(_) | None => {
                let goes_on = self.open.as_ref().is_none_or(|(open, _)| open.as_slice() < prefix);
                holds(goes_on, "a store gives the keys of a range in order")?;
                self.close()?;
                self.open = Some((prefix.to_vec(), size));
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), StoreError> {
        let Some((prefix, bytes)) = self.open.take() else { return Ok(()) };
        assert!(!prefix.is_empty(), "what is counted belongs to a key");
        self.count.visit(user_key(&prefix).map_err(damaged)?, bytes);
        Ok(())
    }
}

/// Where a family's next page begins.
#[derive(Default)]
enum From {
    #[default]
    Start,
    /// At this stored key.
    Key(Vec<u8>),
    /// All of it is counted.
    Nowhere,
}

impl From {
    fn at(entries: Option<&Entries<'_>>) -> Self {
        entries.and_then(|entries| entries.cursor.key()).map_or(Self::Nowhere, |key| Self::Key(key.to_vec()))
    }

    fn entries<'a>(
        &self,
        snapshot: &'a dyn Snapshot,
        family: Family,
        (start, end): (&[u8], &[u8]),
    ) -> Result<Option<Entries<'a>>, StoreError> {
        match self {
            Self::Start => Entries::new(snapshot, family, (start, end)).map(Some),
            Self::Key(key) => Entries::new(snapshot, family, (key, end)).map(Some),
            Self::Nowhere => Ok(None),
        }
    }
}

fn damaged(error: CodecError) -> StoreError {
    StoreError::Corruption(error.to_string())
}

#[cfg(test)]
mod tests {
    use quorate_engine::hlc::Timestamp;
    use quorate_engine::memory::MemoryStore;
    use quorate_engine::mvcc::intent::{Intent, IntentKind};
    use quorate_engine::mvcc::record::{self, TransactionRecord, TransactionStatus};
    use quorate_engine::mvcc::{self, intent};
    use quorate_engine::store::{Batch, Durability, Store};
    use uuid::Uuid;

    use super::*;

    fn key(text: &str) -> Key {
        Key::from(text.as_bytes())
    }

    /// Versions of `b` and `d`, an intent at `c`, records at `a` and `d`.
    fn filled() -> (MemoryStore, Batch) {
        let mut batch = Batch::new();
        let value = bytes::Bytes::from(vec![b'v'; 1_000]);
        for time in 1..=20 {
            mvcc::put(&mut batch, &key("b"), Timestamp::from_micros(time), Some(&value));
        }
        mvcc::put(&mut batch, &key("d"), Timestamp::from_micros(1), Some(&value));
        for anchor in ["a", "d"] {
            record::put(
                &mut batch,
                &TransactionRecord {
                    status: TransactionStatus::Committed,
                    transaction: Uuid::from_u128(7),
                    attempt: 1,
                    anchor: key(anchor),
                    started: Timestamp::from_micros(1),
                    timestamp: Timestamp::from_micros(2),
                    heartbeat: Timestamp::from_micros(2),
                    intent_spans: (100..200).map(|number| Span::point(key(&format!("c{number}")))).collect(),
                    in_flight: Vec::new(),
                },
            );
        }
        let store = MemoryStore::new();
        let laid = Intent {
            transaction: Uuid::from_u128(8),
            anchor: key("c"),
            started: Timestamp::from_micros(1),
            attempt: 1,
            sequence: 0,
            read_timestamp: Timestamp::from_micros(3),
            write_timestamp: Timestamp::from_micros(3),
            kind: IntentKind::Put(value),
        };
        intent::lay(store.snapshot().as_ref(), &mut batch, &key("c"), &laid).unwrap();
        store.write(batch.clone(), Durability::Buffered).unwrap();
        (store, batch)
    }

    fn counted(store: &MemoryStore, span: &Span, (bytes, entries): (u64, usize)) -> (SizeCount, usize) {
        let mut counting = Counting::default();
        let mut pages = 1;
        while !counting.page_within(store.snapshot().as_ref(), span, (bytes, entries)).unwrap() {
            pages += 1;
        }
        (counting.into_count(), pages)
    }

    #[test]
    fn count_takes_versions_intents_and_records() {
        let (store, batch) = filled();
        let everything = Span::new(Key::default(), Key::default());
        let (whole, pages) = counted(&store, &everything, (u64::MAX, usize::MAX));
        assert_eq!((whole.total(), pages), (batch.put_bytes() as u64, 1));
        let sides = whole.sides_of(&key("c"));
        let (left, _) = counted(&store, &Span::new(Key::default(), key("c")), (u64::MAX, usize::MAX));
        let (right, _) = counted(&store, &Span::new(key("c"), Key::default()), (u64::MAX, usize::MAX));
        assert_eq!((sides.left_bytes, sides.right_bytes), (left.total(), right.total()));
    }

    #[test]
    fn count_in_pages_comes_to_the_same() {
        let (store, batch) = filled();
        let everything = Span::new(Key::default(), Key::default());
        for limits in [(1, usize::MAX), (u64::MAX, 1), (2_500, 4)] {
            let (count, pages) = counted(&store, &everything, limits);
            assert!(pages > 4, "{limits:?}: {pages} pages");
            assert_eq!(count.total(), batch.put_bytes() as u64, "{limits:?}");
        }
    }
}
