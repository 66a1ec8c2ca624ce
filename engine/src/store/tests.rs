//! The store's contract, on memory and RocksDB at once, and what the stores for tests promise.

use std::error::Error;
use std::fmt::Write as _;

use goldenscript::{Command, Context, Runner};
use proptest::prelude::*;

use super::*;
use crate::memory::MemoryStore;
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
