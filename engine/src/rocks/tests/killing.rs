//! A process that is killed while it writes forgets nothing, and its store is never taken for one that has.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use super::*;
use crate::staging::StagedPart;

/// Set for the process that is killed: its store.
const KILLED_DIR: &str = "QUORATE_TEST_KILLED_DIR";
/// How often, where somebody runs this for long.
const KILLS: &str = "QUORATE_TEST_KILLS";
const WRITERS: u64 = 3;

/// Small memtables: logs are switched and used again all the while.
fn options() -> RocksOptions {
    RocksOptions { memtable_bytes: 256 << 10, memtables_bytes_max: 1 << 20, ..RocksOptions::default() }
}

fn key(writer: u64, number: u64) -> Vec<u8> {
    [writer.to_be_bytes(), number.to_be_bytes()].concat()
}

/// Numbers from 1 that are there without a gap.
fn count(store: &RocksStore, writer: u64) -> u64 {
    let snapshot = store.snapshot();
    let mut cursor = snapshot.cursor(Family::Raft, &key(writer, 0), &key(writer + 1, 0));
    let mut count = 0;
    while let Ok(()) = cursor.next() {
        let Some(found) = cursor.key() else { break };
        count += 1;
        assert_eq!(found, key(writer, count));
    }
    count
}

/// Writes for ever, and says what was acknowledged.
fn write(store: &RocksStore, writer: u64) {
    for number in count(store, writer) + 1.. {
        let mut batch = Batch::new();
        let size = if number % 37 == 0 { 50_000 } else { 300 };
        batch.put(Family::Raft, key(writer, number), vec![writer.to_le_bytes()[0]; size]);
        batch.put(Family::Data, key(writer, number), vec![0; 100]);
        let durability = if number % 3 == 0 { Durability::Synced } else { Durability::Buffered };
        store.write(batch, durability).unwrap();
        if durability == Durability::Synced {
            println!("acknowledged {writer} {number}");
        }
    }
}

/// Takes in spans that nobody writes to, over and over.
fn ingest(store: &RocksStore) {
    for round in 0_u64.. {
        let start = Bytes::from(key(WRITERS + 1, 0));
        let end = Bytes::from(key(WRITERS + 2, 0));
        let pairs = vec![(start.clone(), Bytes::from(round.to_be_bytes().to_vec()))];
        let part = StagedPart { number: 1, family: Family::Lock, start, end, pairs };
        store.staging().stage(1, &part).unwrap();
        store.staging().ingest(1, Family::Lock).unwrap();
        store.staging().unstage(1).unwrap();
        store.sync().unwrap();
    }
}

fn run(dir: &Path) {
    let store = RocksStore::open(dir, options()).unwrap();
    if let Some(forgotten) = store.forgotten() {
        println!("forgotten {forgotten}");
        return;
    }
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = &store;
            scope.spawn(move || write(store, writer));
        }
        ingest(&store);
    });
}

fn start(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["rocks::tests::killing::killed_process_forgets_nothing", "--exact", "--nocapture"])
        .env(KILLED_DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn killed_process_forgets_nothing() {
    if let Ok(path) = std::env::var(KILLED_DIR) {
        return run(Path::new(&path));
    }
    let kills = std::env::var(KILLS).map_or(4, |kills| kills.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged: BTreeMap<u64, u64> = BTreeMap::new();
    for kill in 0..kills {
        let mut child = start(dir.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = 20 + kill * 131 % 700;
        let mut seen = 0;
        let mut take = |line: &str, seen: &mut u64| {
            assert!(!line.contains("forgotten"), "kill {kill}: {line}");
            let Some((_, said)) = line.split_once("acknowledged ") else { return };
            let (writer, number) = said.split_once(' ').unwrap();
            acknowledged.insert(writer.parse().unwrap(), number.parse().unwrap());
            *seen += 1;
        };
        while seen < wanted {
            take(&lines.next().expect("the process writes until it is killed").unwrap(), &mut seen);
        }
        child.kill().unwrap();
        // What it had said before it died counts as well; its last line may be half.
        let mut rest: Vec<String> = lines.map_while(Result::ok).collect();
        rest.pop();
        rest.iter().for_each(|line| take(line, &mut seen));
        child.wait().unwrap();
        let store = RocksStore::open(dir.path(), options()).unwrap();
        assert_eq!(store.forgotten(), None, "kill {kill}");
        for (&writer, &number) in &acknowledged {
            assert!(count(&store, writer) >= number, "kill {kill}: writer {writer} had {number}");
        }
    }
}
