//! The store's contract, on memory and RocksDB at once, and what the stores for tests promise.

use std::error::Error;
use std::fmt::Write as _;

use goldenscript::{Command, Context, Runner};
use proptest::prelude::*;

use super::*;
use crate::memory::MemoryStore;
use crate::staging::StagedPart;
use crate::testing::both::BothStore;
use crate::testing::script::{run_folder, unescape};
use crate::testing::{FaultStore, MirrorStore, PowerCutStore};

struct StoreRunner {
    store: BothStore,
}

fn family(name: &str) -> Result<Family, String> {
    Family::ALL.into_iter().find(|family| family.name() == name).ok_or(format!("no family {name}"))
}

fn here(cursor: &dyn Cursor) -> String {
    match cursor.key().zip(cursor.value()) {
        Some((key, value)) => format!("{} = {}", key.escape_ascii(), value.escape_ascii()),
        None => "beyond".to_owned(),
    }
}

impl StoreRunner {
    /// Commands of one batch: `put:k=v`, `delete:k`, `clear:a..b`.
    fn batch(family: Family, words: &[&str]) -> Result<Batch, Box<dyn Error>> {
        let mut batch = Batch::new();
        for word in words {
            let (name, rest) = word.split_once(':').ok_or("a change has a colon")?;
            match name {
                "put" => {
                    let (key, value) = rest.split_once('=').ok_or("put needs key=value")?;
                    batch.put(family, unescape(key), unescape(value));
                }
                "delete" => batch.delete(family, unescape(rest)),
                "clear" => {
                    let (start, end) = rest.split_once("..").ok_or("clear needs start..end")?;
                    batch.delete_range(family, unescape(start), unescape(end));
                }
                other => return Err(format!("no change {other}").into()),
            }
        }
        Ok(batch)
    }

    /// Walks a cursor: `seek:k`, `before:k`, `next`, `prev`, with the pair after each move.
    fn walk(&self, family: Family, bounds: &str, moves: &[&str]) -> Result<String, Box<dyn Error>> {
        let (start, end) = bounds.split_once("..").ok_or("bounds are start..end")?;
        let snapshot = self.store.store().snapshot();
        let mut cursor = snapshot.cursor(family, &unescape(start), &unescape(end));
        let mut output = String::new();
        for word in moves {
            let (name, key) = word.split_once(':').unwrap_or((word, ""));
            match name {
                "seek" => cursor.seek(&unescape(key))?,
                "before" => cursor.seek_before(&unescape(key))?,
                "next" => cursor.next()?,
                "prev" => cursor.prev()?,
                other => return Err(format!("no move {other}").into()),
            }
            writeln!(output, "{word}: {}", here(cursor.as_ref()))?;
        }
        Ok(output)
    }
}

impl Runner for StoreRunner {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut args = command.consume_args();
        let words: Vec<&str> = std::iter::from_fn(|| args.next_pos()).collect();
        args.reject_next()?;
        match (command.name.as_str(), words.as_slice()) {
            ("write", [name, changes @ ..]) => {
                self.store.write(Self::batch(family(name)?, changes)?);
                Ok(String::new())
            }
            ("get", [name, keys @ ..]) => {
                let mut output = String::new();
                for key in keys {
                    let found = self.store.store().get(family(name)?, &unescape(key))?;
                    let shown = found.map_or("none".to_owned(), |value| value.escape_ascii().to_string());
                    writeln!(output, "{key} = {shown}")?;
                }
                Ok(output)
            }
            ("walk", [name, bounds, moves @ ..]) => self.walk(family(name)?, bounds, moves),
            ("flush", []) => {
                self.store.flush();
                Ok(String::new())
            }
            (other, _) => Err(format!("unknown command {other}").into()),
        }
    }
}

#[test]
fn store_scripts() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/store");
    run_folder(folder, || StoreRunner { store: BothStore::new() });
}

#[test]
fn store_snapshot_stays_as_it_was() {
    let both = BothStore::new();
    let put = |value: &'static str| {
        let mut batch = Batch::new();
        batch.put(Family::Data, "k", value);
        batch.put(Family::Raft, "k", value);
        both.write(batch);
    };
    put("old");
    let snapshot = both.store().snapshot();
    put("new");
    both.flush();
    for family in [Family::Data, Family::Raft] {
        assert_eq!(snapshot.get(family, b"k"), Ok(Some(Bytes::from("old"))));
        assert_eq!(both.store().get(family, b"k"), Ok(Some(Bytes::from("new"))));
        let mut cursor = snapshot.cursor(family, &[], &[]);
        cursor.next().unwrap();
        assert_eq!(cursor.value(), Some(b"old".as_slice()));
    }
}

#[test]
fn store_approximate_bytes_grow_with_the_span() {
    let both = BothStore::new();
    let mut batch = Batch::new();
    for number in 0u8..100 {
        batch.put(Family::Data, vec![number], vec![0; 100]);
    }
    both.write(batch);
    let bytes = |start: &[u8], end: &[u8]| both.store().approximate_bytes(Family::Data, start, end).unwrap();
    assert_eq!(bytes(&[200], &[]), 0);
    assert!(bytes(&[], &[50]) >= 5000, "{}", bytes(&[], &[50]));
    assert!(bytes(&[], &[]) > bytes(&[], &[50]));
}

#[test]
#[should_panic(expected = "get Data k")]
fn store_mirror_notices_a_difference() {
    let (left, right) = (MemoryStore::new(), MemoryStore::new());
    let mut batch = Batch::new();
    batch.put(Family::Data, "k", "v");
    left.write(batch, Durability::Buffered).unwrap();
    let _ = MirrorStore::new(left, right).get(Family::Data, b"k");
}

fn numbered(number: u64) -> Batch {
    let mut batch = Batch::new();
    batch.put(Family::Raft, number.to_be_bytes().to_vec(), "log");
    batch.put(Family::Data, "last", number.to_be_bytes().to_vec());
    batch
}

fn last(store: &dyn Store) -> u64 {
    let found = store.get(Family::Data, b"last").unwrap();
    found.map_or(0, |bytes| u64::from_be_bytes(bytes.as_ref().try_into().unwrap()))
}

#[test]
fn power_cut_loses_what_was_not_synced() {
    let store = PowerCutStore::new();
    store.write(numbered(1), Durability::Buffered).unwrap();
    store.write(numbered(2), Durability::Synced).unwrap();
    store.write(numbered(3), Durability::Buffered).unwrap();
    store.sync().unwrap();
    store.write(numbered(4), Durability::Buffered).unwrap();
    store.write(numbered(5), Durability::Buffered).unwrap();
    assert_eq!((last(&store), store.unsynced(), store.syncs()), (5, 2, 2));

    let after = store.cut_keeping(1);
    assert_eq!((last(&after), after.unsynced()), (4, 0));
    assert_eq!(after.get(Family::Raft, &5u64.to_be_bytes()), Ok(None));
    for result in [store.write(numbered(6), Durability::Buffered), store.sync()] {
        let error = result.unwrap_err();
        assert!(error.to_string().ends_with("the power was cut"), "{error}");
    }
    after.write(numbered(7), Durability::Buffered).unwrap();
    assert_eq!(last(&after.cut()), 4);
    assert_eq!(last(&store.cut()), 3, "what was lucky once is not on this disk");
}

proptest! {
    /// Each write is a synced or a buffered one, or a sync alone; a cut leaves a prefix that holds every synced one.
    #[test]
    fn power_cut_leaves_a_prefix(kinds in prop::collection::vec(0u8..3, 0..30), lucky in 0usize..5) {
        let store = PowerCutStore::new();
        let (mut written, mut synced) = (0, 0);
        for kind in kinds {
            match kind {
                0 => { written += 1; store.write(numbered(written), Durability::Buffered).unwrap(); }
                1 => {
                    written += 1;
                    store.write(numbered(written), Durability::Synced).unwrap();
                    synced = written;
                }
                _ => { store.sync().unwrap(); synced = written; }
            }
        }
        let after = store.cut_keeping(lucky);
        let survived = last(&after);
        prop_assert_eq!(survived, (synced + lucky as u64).min(written));
        for number in 1..=written {
            let is_there = after.get(Family::Raft, &number.to_be_bytes()).unwrap().is_some();
            prop_assert_eq!(is_there, number <= survived);
        }
    }
}

#[test]
fn fault_store_fails_from_its_write_on() {
    let store = FaultStore::failing_at(MemoryStore::new(), 3);
    store.write(numbered(1), Durability::Buffered).unwrap();
    store.sync().unwrap();
    let error = store.write(numbered(2), Durability::Synced).unwrap_err();
    assert_eq!(error.to_string(), "store write failed: injected at write 3");
    assert!(store.sync().is_err());
    assert_eq!((last(&store), store.writes()), (1, 4));
}

const AREA: u64 = 7;

/// A part over `start..end` with the pairs `keys` = `value`.
fn part(number: u32, family: Family, (start, end): (&str, &str), keys: &[&str], value: &str) -> StagedPart {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let pairs = keys.iter().map(|key| (bytes(key), bytes(value))).collect();
    StagedPart { number, family, start: bytes(start), end: bytes(end), pairs }
}

fn all(store: &dyn Store, family: Family) -> Vec<(String, String)> {
    let page = store.pin().unwrap().page(family, b"", b"", usize::MAX).unwrap();
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    page.iter().map(|(key, value)| (text(key), text(value))).collect()
}

fn texts(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A store with old values in two families, and parts staged for both.
fn staged(flushed: bool) -> BothStore {
    let both = BothStore::new();
    for family in [Family::Data, Family::Lock] {
        let mut batch = Batch::new();
        for key in ["a", "b", "c", "f", "m", "p", "z"] {
            batch.put(family, key, "old");
        }
        both.write(batch);
    }
    if flushed {
        both.flush();
    }
    let staging = both.store().staging();
    staging.stage(AREA, &part(0, Family::Data, ("b", "f"), &["b", "d"], "new")).unwrap();
    staging.stage(AREA, &part(1, Family::Data, ("f", "m"), &["f", "g"], "new")).unwrap();
    staging.stage(AREA, &part(2, Family::Data, ("m", "p"), &[], "")).unwrap();
    staging.stage(AREA, &part(3, Family::Lock, ("b", "p"), &[], "")).unwrap();
    staging.stage(AREA + 1, &part(0, Family::Data, ("p", "q"), &["p"], "other")).unwrap();
    assert_eq!(all(both.store(), Family::Data).len(), 7, "staging changes nothing");
    both
}

#[test]
fn staged_parts_replace_their_spans_and_nothing_else() {
    let data =
        [("a", "old"), ("b", "new"), ("d", "new"), ("f", "new"), ("g", "new"), ("p", "old"), ("z", "old")];
    for flushed in [false, true] {
        let both = staged(flushed);
        let staging = both.store().staging();
        for _ in 0..2 {
            staging.ingest(AREA, Family::Data).unwrap();
            assert_eq!(
                all(both.store(), Family::Data),
                texts(&data),
                "flushed: {flushed}; again is the same"
            );
        }
        assert_eq!(all(both.store(), Family::Lock).len(), 7, "one family at a time");
        staging.ingest(AREA, Family::Lock).unwrap();
        staging.ingest(AREA, Family::Txn).unwrap();
        assert_eq!(all(both.store(), Family::Lock), texts(&[("a", "old"), ("p", "old"), ("z", "old")]));
    }
}

#[test]
fn staged_areas_stay_until_they_are_removed() {
    let both = staged(false);
    let staging = both.store().staging();
    assert_eq!(staging.areas(), Ok(vec![AREA, AREA + 1]));
    for _ in 0..2 {
        staging.unstage(AREA).unwrap();
        assert_eq!(staging.areas(), Ok(vec![AREA + 1]));
    }
    staging.ingest(AREA, Family::Data).unwrap();
    assert_eq!(all(both.store(), Family::Data).len(), 7, "nothing is left to take in");
}

#[test]
fn staged_part_again_takes_the_place_of_the_first() {
    let both = BothStore::new();
    let staging = both.store().staging();
    staging.stage(AREA, &part(0, Family::Data, ("a", "z"), &["b", "c"], "first")).unwrap();
    staging.stage(AREA, &part(0, Family::Data, ("a", "z"), &["c"], "second")).unwrap();
    staging.ingest(AREA, Family::Data).unwrap();
    assert_eq!(all(both.store(), Family::Data), texts(&[("c", "second")]));
    // What is written afterwards is newer.
    let mut batch = Batch::new();
    batch.put(Family::Data, "c", "third");
    both.write(batch);
    assert_eq!(all(both.store(), Family::Data), texts(&[("c", "third")]));
}

#[test]
fn pinned_view_stays_as_it_was_and_comes_in_pages() {
    let both = BothStore::new();
    (1..=9).for_each(|number| both.write(numbered(number)));
    let view = both.store().pin().unwrap();
    both.write(numbered(10));
    both.flush();
    let mut batch = Batch::new();
    batch.delete_range(Family::Raft, vec![0], vec![9]);
    both.write(batch);
    let (mut numbers, mut start) = (Vec::new(), Vec::new());
    loop {
        // Eight bytes of key and three of value: two pairs a page.
        let page = view.page(Family::Raft, &start, &9u64.to_be_bytes(), 20).unwrap();
        assert!(page.len() <= 2);
        let Some((last, _)) = page.last() else { break };
        start = [last.as_ref(), &[0]].concat();
        numbers.extend(page.iter().map(|(key, _)| u64::from_be_bytes(key.as_ref().try_into().unwrap())));
    }
    assert_eq!(numbers, (1..9).collect::<Vec<_>>(), "the end is excluded, and later changes are not seen");
    assert_eq!(view.page(Family::Raft, &[], &[], 0).unwrap().len(), 1, "at least one");
}

#[test]
fn power_cut_keeps_staged_parts_and_what_was_taken_in() {
    for operations in 0..6 {
        let store = PowerCutStore::new();
        store.write(numbered(1), Durability::Buffered).unwrap();
        store.cut_after(operations);
        let work = || -> Result<(), StoreError> {
            store.stage(AREA, &part(0, Family::Data, ("a", "k"), &["b"], "new"))?;
            store.stage(AREA, &part(1, Family::Lock, ("a", "k"), &["b"], "new"))?;
            store.ingest(AREA, Family::Data)?;
            store.ingest(AREA, Family::Lock)?;
            store.unstage(AREA)
        };
        assert_eq!(work().is_ok(), operations == 5);
        let after = store.cut();
        let has = |family| after.get(family, b"b").unwrap().is_some();
        assert_eq!((has(Family::Data), has(Family::Lock)), (operations >= 3, operations >= 4));
        assert_eq!(after.areas().unwrap().is_empty(), operations == 0 || operations == 5);
        assert_eq!(last(&after), u64::from(operations >= 3), "taking in syncs what was before");
    }
}
