//! Reads against a map from (key, timestamp), which does everything the slow way.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use uuid::Uuid;

use crate::hlc::Timestamp;
use crate::kv::{Change, ChangesRequest, Direction, Key, ScanRequest, ScanRows, Span, Value};
use crate::kv_reads::ReadSpan;
use crate::mvcc::intent::{self, Intent, IntentKind, Laid};
use crate::mvcc::{
    self, ChangeWindow, MvccError, MvccScan, PageError, ReadAt, Refreshed, Visits, read_page, stats,
};
use crate::store::{Batch, Snapshot};
use crate::testing::both::BothStore;
use crate::testing::evaluator::TextEvaluator;

/// What is asked of both, and what is written before.
#[derive(Clone, Debug)]
struct Case {
    versions: Vec<(Vec<u8>, u64, Option<u8>)>,
    intents: Vec<(Vec<u8>, u64)>,
    reads: Vec<Read>,
    is_flushed: bool,
}

#[derive(Clone, Debug)]
struct Read {
    start: Vec<u8>,
    end: Vec<u8>,
    at: u64,
    window: u64,
    is_reverse: bool,
    page_rows: u64,
}

fn keys() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(vec![0u8, 1, b'a', b'b', 255]), 0..3)
}

/// Small numbers, so that histories get long, and the ends of time.
fn times() -> impl Strategy<Value = u64> {
    prop_oneof![20 => 1u64..24, 1 => Just(0), 1 => Just(u64::MAX), 1 => Just(u64::MAX - 1), 1 => Just(1 << 63)]
}

/// The same for what is written: nothing is written before all time.
fn times_written() -> impl Strategy<Value = u64> {
    times().prop_map(|time| time.max(1))
}

fn cases() -> impl Strategy<Value = Case> {
    let version = (keys(), times_written(), prop::option::weighted(0.7, any::<u8>()));
    let read = (keys(), keys(), times(), 0u64..6, any::<bool>(), 1u64..5);
    (
        prop::collection::vec(version, 0..60),
        prop::collection::vec((keys(), times_written()), 0..3),
        prop::collection::vec(read, 1..6),
        any::<bool>(),
    )
        .prop_map(|(versions, intents, reads, is_flushed)| {
            let reads = reads
                .into_iter()
                .map(|(start, end, at, window, is_reverse, page_rows)| Read {
                    start,
                    end,
                    at,
                    window,
                    is_reverse,
                    page_rows,
                })
                .collect();
            Case { versions, intents, reads, is_flushed }
        })
}

/// The naive reference.
#[derive(Default)]
struct Naive {
    versions: BTreeMap<(Key, Reverse<u64>), Option<Value>>,
    intents: BTreeMap<Key, u64>,
}

/// What a read finds at a key, or what is in its way.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Pair(Key, u64, Value),
    Uncertain(Key, u64),
    Intent(Key),
    Nothing,
}

impl Naive {
    fn get(&self, key: &Key, at: ReadAt) -> Found {
        let limit = at.limit().raw();
        if self.intents.get(key).is_some_and(|written| *written <= limit) {
            return Found::Intent(key.clone());
        }
        let mut visible = self.versions.iter().filter(|((at, time), _)| at == key && time.0 <= limit);
        match visible.next() {
            None => Found::Nothing,
            Some(((_, time), _)) if time.0 > at.timestamp.raw() => Found::Uncertain(key.clone(), time.0),
            Some((_, None)) => Found::Nothing,
            Some(((_, time), Some(value))) => Found::Pair(key.clone(), time.0, value.clone()),
        }
    }

    fn keys(&self, span: &Span) -> Vec<Key> {
        let mut keys: Vec<Key> = self
            .versions
            .keys()
            .map(|(key, _)| key)
            .chain(self.intents.keys())
            .filter(|key| span.contains(key))
            .cloned()
            .collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// Everything that a scan meets, up to the first thing in its way.
    fn scan(&self, span: &Span, direction: Direction, at: ReadAt) -> Vec<Found> {
        let mut keys = self.keys(span);
        if direction == Direction::Reverse {
            keys.reverse();
        }
        let mut found = Vec::new();
        for key in keys {
            match self.get(&key, at) {
                Found::Nothing => {}
                pair @ Found::Pair(..) => found.push(pair),
                obstacle @ (Found::Uncertain(..) | Found::Intent(_)) => {
                    found.push(obstacle);
                    break;
                }
            }
        }
        found
    }

    fn changed(&self, span: &Span, after: u64, upto: u64) -> Found {
        if after >= upto {
            return Found::Nothing;
        }
        let blocking = self.intents.iter().find(|(key, time)| span.contains(key) && **time <= upto);
        if let Some((key, _)) = blocking {
            return Found::Intent(key.clone());
        }
        let mut versions = self.versions.keys();
        let found = versions.find(|(key, time)| span.contains(key) && time.0 > after && time.0 <= upto);
        found.map_or(Found::Nothing, |(key, time)| Found::Uncertain(key.clone(), time.0))
    }
}

fn found_error(error: MvccError) -> Found {
    match error {
        MvccError::Uncertain { key, timestamp } => Found::Uncertain(key, timestamp.raw()),
        MvccError::Intent { key, .. } => Found::Intent(key),
        MvccError::Store(error) => panic!("{error}"),
    }
}

/// Writes a case into the store and into the reference.
fn set_up(store: &BothStore, case: &Case) -> Naive {
    store.clear();
    let mut naive = Naive::default();
    let mut batch = Batch::new();
    for (key, time, value) in &case.versions {
        let (key, value) = (Key::from(key.clone()), value.map(|byte| Bytes::from(vec![byte])));
        mvcc::put(&mut batch, &key, Timestamp::from_raw(*time), value.as_ref());
        naive.versions.insert((key, Reverse(*time)), value);
    }
    for (key, time) in &case.intents {
        let (key, written) = (Key::from(key.clone()), Timestamp::from_raw(*time));
        let intent = Intent {
            transaction: Uuid::from_u128(1),
            anchor: Key::from(b"anchor".as_slice()),
            started: written,
            attempt: 0,
            sequence: u32::try_from(naive.intents.len()).unwrap(),
            read_timestamp: written,
            write_timestamp: written,
            kind: IntentKind::Delete,
        };
        // Laid without looking, so that the later one wins in both.
        let empty = crate::memory::MemoryStore::new();
        let snapshot = crate::store::Store::snapshot(&empty);
        assert_eq!(intent::lay(snapshot.as_ref(), &mut batch, &key, &intent).unwrap(), Laid::Now);
        naive.intents.insert(key, *time);
    }
    store.write(batch);
    if case.is_flushed {
        store.flush();
    }
    naive
}

fn check_get(snapshot: &dyn Snapshot, naive: &Naive, key: &Key, at: ReadAt) {
    let found = match mvcc::get(snapshot, key, at) {
        Ok(None) => Found::Nothing,
        Ok(Some(found)) => Found::Pair(key.clone(), found.timestamp.raw(), found.value),
        Err(error) => found_error(error),
    };
    assert_eq!(found, naive.get(key, at), "get {key:?} {at:?}");
    let newest = mvcc::newest(snapshot, key).unwrap();
    let wanted = naive.versions.iter().find(|((at, _), _)| at == key);
    let wanted = wanted.map(|((_, time), value)| (Timestamp::from_raw(time.0), value.is_none()));
    assert_eq!(newest, wanted, "newest of {key:?}");
}

fn scan(snapshot: &dyn Snapshot, span: &Span, direction: Direction, at: ReadAt) -> Vec<Found> {
    let mut scan = MvccScan::new(snapshot, span, direction, at);
    let mut found = Vec::new();
    loop {
        match scan.next() {
            Ok(None) => return found,
            Ok(Some((key, timestamp, value))) => found.push(Found::Pair(key, timestamp.raw(), value)),
            Err(error) => {
                found.push(found_error(error));
                return found;
            }
        }
    }
}

/// The same scan in pages of a few rows. What was read before something in the way is asked for again and lost with it.
fn scan_pages(
    snapshot: &dyn Snapshot,
    request: &ScanRequest,
    (at, visits): (ReadAt, Visits),
) -> Result<Vec<(Key, Value)>, Found> {
    let mut found = Vec::new();
    let mut rest = Some(request.span.clone());
    while let Some(span) = rest {
        let request = ScanRequest { span, ..request.clone() };
        let page =
            read_page(snapshot, &request, (at, visits), &TextEvaluator).map_err(|error| match error {
                PageError::Mvcc(error) => found_error(error),
                PageError::Program(error) => panic!("{error}"),
            })?;
        let ScanRows::Pairs(pairs) = page.rows else { panic!("pairs were asked for") };
        assert!(pairs.len() as u64 <= request.rows_max);
        assert_eq!(page.served.rows_read, pairs.len() as u64);
        found.extend(pairs);
        rest = page.resume;
    }
    Ok(found)
}

fn changed_in(snapshot: &dyn Snapshot, span: &Span, limits: (ChangeWindow, Visits)) -> Found {
    let mut reads = vec![ReadSpan::whole(span.clone())];
    loop {
        match mvcc::refresh(snapshot, &reads, limits, &TextEvaluator) {
            Ok(Refreshed::Unchanged) => return Found::Nothing,
            Ok(Refreshed::Changed { key, timestamp }) => return Found::Uncertain(key, timestamp.raw()),
            Ok(Refreshed::Left(left)) => {
                assert!(left[0].span.start > reads[0].span.start, "each page gets on: {left:?}");
                reads = left;
            }
            Err(PageError::Mvcc(error)) => return found_error(error),
            Err(PageError::Program(error)) => panic!("{error}"),
        }
    }
}

fn check_read(snapshot: &dyn Snapshot, naive: &Naive, read: &Read) {
    let span = Span::new(Key::from(read.start.clone()), Key::from(read.end.clone()));
    let direction = if read.is_reverse { Direction::Reverse } else { Direction::Forward };
    let timestamp = Timestamp::from_raw(read.at);
    let limit = Timestamp::from_raw(read.at.saturating_add(read.window));
    let at = ReadAt { timestamp, uncertainty_limit: limit };
    check_get(snapshot, naive, &span.start, at);

    let wanted = naive.scan(&span, direction, at);
    assert_eq!(scan(snapshot, &span, direction, at), wanted, "scan {span:?} {direction:?} {at:?}");

    let request = ScanRequest {
        span: span.clone(),
        direction,
        program: None,
        rows_max: read.page_rows,
        bytes_max: 100,
    };
    let pairs: Result<Vec<(Key, Value)>, Found> = wanted
        .into_iter()
        .map(|found| match found {
            Found::Pair(key, _, value) => Ok((key, value)),
            obstacle @ (Found::Uncertain(..) | Found::Intent(_) | Found::Nothing) => Err(obstacle),
        })
        .collect();
    for visits in [Visits::UNLIMITED, Visits::new(1, u64::MAX), Visits::new(3, 5)] {
        assert_eq!(
            scan_pages(snapshot, &request, (at, visits)),
            pairs,
            "pages {span:?} {direction:?} {at:?} {visits:?}"
        );
    }

    let window = ChangeWindow { after: timestamp, upto: limit, own: None };
    let changed = changed_in(snapshot, &span, (window, Visits::UNLIMITED));
    // In pages an intent is met only after the versions before it.
    let paged = changed_in(snapshot, &span, (window, Visits::new(1, u64::MAX)));
    assert_eq!(paged == Found::Nothing, changed == Found::Nothing, "{paged:?}, {changed:?} {span:?} {at:?}");
    let wanted = if span.is_empty() { Found::Nothing } else { naive.changed(&span, read.at, limit.raw()) };
    assert_eq!(changed, wanted, "changed {span:?} {at:?}");

    check_changes(
        snapshot,
        naive,
        &span,
        (read.at.saturating_sub(4 * read.window), read.page_rows),
        timestamp,
    );

    let counted = stats::count(snapshot, &span).unwrap();
    let inside = naive.versions.keys().filter(|(key, _)| span.contains(key)).count() as u64;
    assert_eq!(counted.live_keys + counted.garbage_versions, inside);
}

/// What was there at `after`, with the changes since laid over it, is what is there at `at`.
fn check_changes(
    snapshot: &dyn Snapshot,
    naive: &Naive,
    span: &Span,
    (after, keys_max): (u64, u64),
    at: Timestamp,
) {
    let at = ReadAt::exactly(at);
    let live = |at: ReadAt| {
        let found = naive.scan(span, Direction::Forward, at).into_iter();
        found.map(|found| match found {
            Found::Pair(key, time, value) => Ok((key, (time, value))),
            obstacle @ (Found::Uncertain(..) | Found::Intent(_) | Found::Nothing) => Err(obstacle),
        })
    };
    let now: Result<BTreeMap<_, _>, Found> = live(at).collect();
    let before = live(ReadAt::exactly(Timestamp::from_raw(after))).collect::<Result<BTreeMap<_, _>, Found>>();
    let (Ok(mut copy), true) = (before, after <= at.timestamp.raw()) else { return };
    let mut rest = Some(span.clone());
    while let Some(span) = rest {
        let request = ChangesRequest { span, after: Timestamp::from_raw(after), keys_max, bytes_max: 100 };
        let page = match mvcc::changes_in(snapshot, &request, at) {
            Ok(page) => page,
            Err(error) => {
                assert_eq!(now.unwrap_err(), found_error(error), "changes {request:?} {at:?}");
                return;
            }
        };
        for Change { key, timestamp, value } in page.changes {
            assert!(timestamp.raw() > after && timestamp <= at.timestamp);
            match value {
                Some(value) => drop(copy.insert(key, (timestamp.raw(), value))),
                None => drop(copy.remove(&key)),
            }
        }
        rest = page.resume;
    }
    assert_eq!(Ok(copy), now, "changes {span:?} after {after} {at:?}");
}

#[test]
fn mvcc_reads_as_the_naive_reference_does() {
    let store = BothStore::new();
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&cases(), |case| {
            let naive = set_up(&store, &case);
            let snapshot = store.store().snapshot();
            for read in &case.reads {
                check_read(snapshot.as_ref(), &naive, read);
            }
            for (key, time, _) in &case.versions {
                check_get(
                    snapshot.as_ref(),
                    &naive,
                    &Key::from(key.clone()),
                    ReadAt::exactly(Timestamp::from_raw(*time)),
                );
            }
            Ok(())
        })
        .unwrap();
}
