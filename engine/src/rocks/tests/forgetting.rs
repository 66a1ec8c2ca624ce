//! What a store makes of logs that are not as they were left. Damage to what was acknowledged is always seen, and what a
//! crash leaves is never taken for damage.
//!
//! Most cases are judged without the library, which is what a start does first; some are opened.

use std::collections::BTreeMap;
use std::ops::Range;

use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::rocks::mark::FoundMark;
use crate::rocks::verdict::{Verdict, judge};
use crate::rocks::wal::scan::{Scan, scan};
use crate::staging::StagedPart;

/// Pages are what a disk writes.
const PAGE: usize = 4096;
const BOOT: Uuid = Uuid::from_u128(1);
const NEXT_BOOT: Uuid = Uuid::from_u128(2);

fn open_in(path: &Path, boot: Uuid) -> Result<RocksStore, StoreError> {
    opening::open(path, RocksOptions::default(), boot)
}

/// Bytes of a batch: small ones, some of a few pages, and some that cross blocks of the log.
fn size_of(number: u64) -> usize {
    match number % 10 {
        3 => 9_000,
        7 => 40_000,
        _ => 50,
    }
}

fn sized(number: u64) -> Batch {
    let mut batch = Batch::new();
    batch.put(Family::Raft, number.to_be_bytes().to_vec(), vec![number.to_le_bytes()[0]; size_of(number)]);
    batch.put(Family::Range, "last", number.to_be_bytes().to_vec());
    batch
}

fn write(store: &RocksStore, numbers: Range<u64>, durability: Durability) {
    numbers.for_each(|number| store.write(sized(number), durability).unwrap());
}

fn mark(store: &RocksStore) {
    store.mark().unwrap();
}

/// The files of a store, as a crash would leave them.
#[derive(Clone)]
struct Image {
    files: BTreeMap<String, Vec<u8>>,
}

impl Image {
    fn of(dir: &Path) -> Self {
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_file() && name != "LOCK" {
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
        Self { files }
    }

    fn logs(&self) -> Vec<String> {
        self.files.keys().filter(|name| name.ends_with(".log")).cloned().collect()
    }

    fn newest_log(&self) -> String {
        self.logs().pop().unwrap()
    }

    fn bytes(&mut self, name: &str) -> &mut Vec<u8> {
        self.files.get_mut(name).unwrap()
    }

    fn place(&self) -> Place {
        let dir = tempfile::tempdir().unwrap();
        self.files.iter().for_each(|(name, bytes)| std::fs::write(dir.path().join(name), bytes).unwrap());
        Place { dir }
    }
}

/// An image on the disk, of which one file is changed at a time.
struct Place {
    dir: TempDir,
}

impl Place {
    fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.dir.path().join(name), bytes).unwrap();
    }

    fn judge(&self, boot: Uuid) -> (Verdict, Scan) {
        let found = FoundMark::look(self.dir.path()).unwrap();
        let scan = scan(self.dir.path()).unwrap();
        let is_same_boot = found.newest().unwrap().boot == boot;
        (judge(&scan, &found, is_same_boot), scan)
    }

    #[track_caller]
    fn is_forgotten(&self, what: &str) {
        for boot in [BOOT, NEXT_BOOT] {
            let (verdict, _) = self.judge(boot);
            assert!(matches!(verdict, Verdict::Forgotten(_)), "{what}, boot {boot}: {verdict:?}");
        }
    }

    /// Opens it in the other boot.
    fn open(&self) -> RocksStore {
        open_in(self.dir.path(), NEXT_BOOT).unwrap()
    }
}

/// The number of the newest batch; all before it are there, and none behind.
fn newest(store: &RocksStore) -> u64 {
    let found = store.get(Family::Range, b"last").unwrap();
    let newest = found.map_or(0, |bytes| u64::from_be_bytes(bytes.as_ref().try_into().unwrap()));
    let snapshot = store.snapshot();
    let mut cursor = snapshot.cursor(Family::Raft, &[], &[]);
    for number in 1..=newest {
        cursor.next().unwrap();
        assert_eq!(cursor.key(), Some(number.to_be_bytes().as_slice()), "a batch is missing before {newest}");
    }
    cursor.next().unwrap();
    assert_eq!(cursor.key(), None, "a batch of after {newest} is there");
    newest
}

/// Bytes of the log that hold records.
fn written(place: &Place) -> usize {
    let (verdict, scan) = place.judge(BOOT);
    assert_eq!(verdict, Verdict::Whole);
    usize::try_from(scan.end.unwrap().1).unwrap()
}

/// A store with so many synced batches in its log, in a log that was used before or a new one.
fn synced_batches(dir: &Path, count: u64, is_used_again: bool) -> (RocksStore, u64) {
    let store = open_in(dir, BOOT).unwrap();
    let mut number = 1;
    if is_used_again {
        for _ in 0..4 {
            write(&store, number..number + 20, Durability::Buffered);
            number += 20;
            store.flush().unwrap();
        }
    }
    write(&store, number..number + count, Durability::Synced);
    (store, number + count - 1)
}

#[test]
fn forgetting_by_any_flipped_bit_is_seen() {
    for is_used_again in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (store, last) = synced_batches(dir.path(), 20, is_used_again);
        let unmarked = Image::of(dir.path());
        mark(&store);
        let mut image = Image::of(dir.path());
        let (place, name) = (image.place(), image.newest_log());
        let end = written(&place);
        // The log alone shows the damage, as long as something was written behind it.
        let alone = unmarked.place();
        let last_record = image.files[&name].len().min(end) - 150;
        let log = image.bytes(&name);
        for offset in (0..end).step_by(211).chain(end - 150..end) {
            log[offset] ^= 1 << (offset % 8);
            place.put(&name, log);
            place.is_forgotten(&format!("bit of byte {offset} of {end}, used again: {is_used_again}"));
            if offset < last_record {
                alone.put(&name, log);
                alone.is_forgotten(&format!("without a mark, bit of byte {offset}"));
            }
            log[offset] ^= 1 << (offset % 8);
        }
        place.put(&name, log);
        assert_eq!(place.judge(BOOT).0, Verdict::Whole);
        let opened = place.open();
        assert_eq!((newest(&opened), opened.forgotten()), (last, None));
    }
}

#[test]
fn forgetting_by_a_zeroed_page_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = synced_batches(dir.path(), 30, false);
    mark(&store);
    let mut image = Image::of(dir.path());
    let (place, name) = (image.place(), image.newest_log());
    let end = written(&place);
    let log = image.bytes(&name).clone();
    for page in 0..end.div_ceil(PAGE) {
        for pages in [1, 8] {
            let mut damaged = log.clone();
            let zeroed = page * PAGE..((page + pages) * PAGE).min(end);
            damaged[zeroed].fill(0);
            place.put(&name, &damaged);
            place.is_forgotten(&format!("{pages} pages from page {page}"));
        }
    }
}

/// Only the mark knows of a log that ends too early: without one it is what a crash may leave.
#[test]
fn forgetting_by_a_cut_log_is_seen_by_the_mark() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = synced_batches(dir.path(), 15, false);
    let unmarked = Image::of(dir.path());
    mark(&store);
    let mut image = Image::of(dir.path());
    let (place, alone, name) = (image.place(), unmarked.place(), image.newest_log());
    let end = written(&place);
    for length in (0..end).step_by(197).chain(end - 120..end) {
        let cut = &image.bytes(&name)[..length];
        place.put(&name, cut);
        place.is_forgotten(&format!("cut to {length} of {end}"));
        alone.put(&name, cut);
        assert_eq!(alone.judge(BOOT).0, Verdict::Whole, "without a mark, cut to {length}");
    }
}

/// Three logs that are needed, since one family has something in the oldest.
fn three_logs() -> (TempDir, RocksStore, u64) {
    let dir = tempfile::tempdir().unwrap();
    let store = open_in(dir.path(), BOOT).unwrap();
    for first in [1, 21] {
        write(&store, first..first + 20, Durability::Synced);
        store.db.flush_cf(store.handle(Family::Raft)).unwrap();
    }
    write(&store, 41..61, Durability::Synced);
    mark(&store);
    (dir, store, 60)
}

#[test]
fn forgetting_in_one_of_several_logs_is_seen() {
    let (dir, _store, last) = three_logs();
    let image = Image::of(dir.path());
    let (place, logs) = (image.place(), image.logs());
    assert_eq!(logs.len(), 3);
    assert_eq!(place.judge(BOOT).0, Verdict::Whole);
    for name in &logs {
        let whole = &image.files[name];
        std::fs::remove_file(place.dir.path().join(name)).unwrap();
        place.is_forgotten(&format!("{name} removed"));
        let (Verdict::Forgotten(forgotten), _) = place.judge(BOOT) else { panic!("judged a moment ago") };
        assert!(forgotten.reason.contains(".log"), "{forgotten}");
        for length in [0, 1, whole.len() / 2, whole.len() - 1] {
            place.put(name, &whole[..length]);
            place.is_forgotten(&format!("{name} cut to {length}"));
        }
        for offset in (0..whole.len()).step_by(1_009) {
            let mut damaged = whole.clone();
            damaged[offset] ^= 0x10;
            place.put(name, &damaged);
            place.is_forgotten(&format!("{name}, byte {offset}"));
        }
        place.put(name, whole);
    }
    let opened = place.open();
    assert_eq!((newest(&opened), opened.forgotten()), (last, None));
}

/// A power cut takes any of the pages that no sync had reached.
#[test]
fn torn_end_of_a_power_cut_is_no_forgetting() {
    for is_used_again in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (store, acknowledged) = synced_batches(dir.path(), 12, is_used_again);
        mark(&store);
        let before = Image::of(dir.path());
        let name = before.newest_log();
        let synced = written(&before.place());
        write(&store, acknowledged + 1..acknowledged + 15, Durability::Buffered);
        let after = Image::of(dir.path());
        let place = after.place();
        let end = written(&place);
        let pages = synced / PAGE..end.div_ceil(PAGE);
        assert!(pages.len() > 8, "{pages:?}");
        let mut opened = 0;
        for case in 0_u64..300 {
            // Any mixture of pages, by the bits of a number.
            let lost = case.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20 | 1 << (case % 20);
            let mut torn = after.files[&name].clone();
            let old = &before.files[&name];
            for page in pages.clone().filter(|page| lost >> ((page - pages.start) % 40) & 1 == 1) {
                let lost = (page * PAGE).max(synced)..((page + 1) * PAGE).min(torn.len());
                for (at, byte) in torn.iter_mut().enumerate().take(lost.end).skip(lost.start) {
                    *byte = old.get(at).copied().unwrap_or(0);
                }
            }
            place.put(&name, &torn);
            let (verdict, _) = place.judge(NEXT_BOOT);
            assert!(!matches!(verdict, Verdict::Forgotten(_)), "case {case}: {verdict:?}");
            // In the same boot of the machine nothing takes a page.
            if let Verdict::Torn(_) = verdict {
                assert!(matches!(place.judge(BOOT).0, Verdict::Forgotten(_)), "case {case}");
            }
            if case % 20 == 0 {
                let mut image = after.clone();
                *image.bytes(&name) = torn;
                let place = image.place();
                let store = place.open();
                assert_eq!(store.forgotten(), None);
                assert!((acknowledged..acknowledged + 15).contains(&newest(&store)), "case {case}");
                opened += 1;
            }
        }
        assert_eq!(opened, 15);
    }
}

/// Zeros at a record's place are stepped over by the library, which would take what is behind them.
#[test]
fn torn_end_with_a_hole_leaves_a_prefix() {
    const BLOCK: usize = 32 << 10;
    let dir = tempfile::tempdir().unwrap();
    let store = open_in(dir.path(), BOOT).unwrap();
    let name = Image::of(dir.path()).newest_log();
    let length = || usize::try_from(dir.path().join(&name).metadata().unwrap().len()).unwrap();
    let write = |number: u64, value: usize| {
        let before = length();
        let mut batch = Batch::new();
        batch.put(Family::Raft, number.to_be_bytes().to_vec(), vec![7; value]);
        batch.put(Family::Range, "last", number.to_be_bytes().to_vec());
        store.write(batch, Durability::Buffered).unwrap();
        length() - before - value
    };
    // Two batches a block, which end where it does, or a byte before.
    for block in 0..4 {
        let heads = write(2 * block + 1, 20_000);
        let room = BLOCK - length() % BLOCK;
        write(2 * block + 2, room - heads);
    }
    assert!(length() > 4 * BLOCK - 5 && length() <= 4 * BLOCK);
    let image = Image::of(dir.path());
    for block in 1..3 {
        let mut torn = image.clone();
        torn.bytes(&name)[block * BLOCK..(block + 1) * BLOCK].fill(0);
        let place = torn.place();
        let (verdict, _) = place.judge(NEXT_BOOT);
        assert!(matches!(verdict, Verdict::Torn(_)), "{verdict:?}");
        let store = place.open();
        assert_eq!((newest(&store), store.forgotten()), (2 * block as u64, None));
    }
}

#[test]
fn ingestion_is_no_forgetting() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_in(dir.path(), BOOT).unwrap();
    let key = |number: u64| Bytes::copy_from_slice(&number.to_be_bytes());
    let mut images = Vec::new();
    for round in 0..6 {
        let first = 1 + round * 10;
        write(&store, first..first + 10, Durability::Buffered);
        let pairs = (1..first).map(|number| (key(number), Bytes::from_static(b"ingested"))).collect();
        let part = StagedPart { number: 1, family: Family::Raft, start: key(0), end: key(first), pairs };
        store.staging().stage(round, &part).unwrap();
        store.staging().ingest(round, Family::Raft).unwrap();
        images.push((Image::of(dir.path()), first + 9));
        store.sync().unwrap();
        mark(&store);
        images.push((Image::of(dir.path()), first + 9));
    }
    for (image, last) in images {
        let place = image.place();
        for boot in [BOOT, NEXT_BOOT] {
            assert_eq!(place.judge(boot).0, Verdict::Whole);
        }
        let opened = place.open();
        assert_eq!((newest(&opened), opened.forgotten()), (last, None));
    }
}

/// What recovery really does agrees with what was foreseen.
#[test]
fn recovery_ends_where_it_was_foreseen() {
    let (dir, _store, _) = three_logs();
    let image = Image::of(dir.path());
    for (case, name) in image.logs().iter().enumerate() {
        for part in 0..4 {
            let mut damaged = image.clone();
            let log = damaged.bytes(name);
            let offset = log.len() * (2 * part + 1) / 8 + case;
            log[offset] ^= 0x20;
            let place = damaged.place();
            let (verdict, scan) = place.judge(BOOT);
            let Verdict::Forgotten(forgotten) = verdict else { panic!("{verdict:?}") };
            assert!(forgotten.recovered < forgotten.expected, "{forgotten:?}");
            // Where table files are newer than the damage, the library does not open at all.
            let opened = match open_in(place.dir.path(), BOOT) {
                Ok(opened) => opened,
                Err(StoreError::Corruption(detail)) => {
                    assert!(detail.contains(name.as_str()), "{detail}");
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            assert_eq!(opened.loss(), Some(&forgotten));
            assert_eq!(Some(opened.db.latest_sequence_number()), scan.recovered);
        }
    }
}

#[test]
fn forgetting_is_told_at_each_start() {
    let dir = tempfile::tempdir().unwrap();
    let (store, last) = synced_batches(dir.path(), 20, false);
    mark(&store);
    let mut image = Image::of(dir.path());
    drop(store);
    let name = image.newest_log();
    image.bytes(&name)[5_000] ^= 1;
    let place = image.place();
    let first = open_in(place.dir.path(), BOOT).unwrap();
    let forgotten = first.loss().cloned().unwrap();
    assert_eq!(forgotten.file, name);
    assert!(forgotten.reason.contains("is damaged at byte"), "{forgotten}");
    // Whatever is written after that does not heal it.
    write(&first, 100..200, Durability::Synced);
    first.flush().unwrap();
    drop(first);
    for boot in [BOOT, NEXT_BOOT] {
        let again = open_in(place.dir.path(), boot).unwrap();
        assert_eq!(again.loss(), Some(&forgotten));
        assert!(again.get(Family::Range, b"last").unwrap().is_some(), "{last}");
    }
    let mut verdict = std::fs::read(place.dir.path().join("FORGOTTEN")).unwrap();
    verdict[3] ^= 1;
    place.put("FORGOTTEN", &verdict);
    assert!(place.open().forgotten().unwrap().contains("no longer known"));
}

/// Whoever has nobody else to ask goes on with a prefix, once it is told to.
#[test]
fn forgetting_that_is_accepted_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let (store, last) = synced_batches(dir.path(), 20, false);
    mark(&store);
    let mut image = Image::of(dir.path());
    drop(store);
    let name = image.newest_log();
    let end = written(&image.place());
    image.bytes(&name)[end / 2] ^= 1;
    let place = image.place();
    let damaged = place.open();
    let left = newest(&damaged);
    assert!(damaged.forgotten().is_some() && left < last, "{left} of {last}");
    damaged.accept_loss().unwrap();
    for round in 1..=3 {
        let store = place.open();
        assert_eq!((newest(&store), store.forgotten()), (left + round - 1, None), "round {round}");
        write(&store, left + round..left + round + 1, Durability::Synced);
    }
    assert_eq!(place.judge(NEXT_BOOT).0, Verdict::Whole);
}

#[test]
fn mark_that_is_gone_or_of_another_store_is_missed() {
    let dir = tempfile::tempdir().unwrap();
    drop(synced_batches(dir.path(), 5, false));
    let image = Image::of(dir.path());
    let other = tempfile::tempdir().unwrap();
    drop(synced_batches(other.path(), 1, false));
    let foreign = Image::of(other.path()).files["SYNCED"].clone();
    let cases =
        [(None, "is missing"), (Some(vec![0; 2 * PAGE]), "is damaged"), (Some(foreign), "of another store")];
    for (mark, words) in cases {
        let mut image = image.clone();
        image.files.remove("SYNCED");
        image.files.extend(mark.map(|mark| ("SYNCED".to_owned(), mark)));
        let place = image.place();
        for _ in 0..2 {
            let reason = place.open().forgotten().unwrap();
            assert!(reason.contains(words), "{reason}");
        }
    }
    // One slot may be torn: the other one holds.
    for slot in 0..2 {
        let mut image = image.clone();
        image.bytes("SYNCED")[slot * PAGE + 20] ^= 1;
        assert_eq!(image.place().open().forgotten(), None);
    }
}

#[test]
fn clean_stop_leaves_a_mark_that_fits() {
    let dir = tempfile::tempdir().unwrap();
    let mut number = 1;
    for round in 0..4 {
        let store = open_in(dir.path(), if round < 2 { BOOT } else { NEXT_BOOT }).unwrap();
        assert_eq!((newest(&store), store.forgotten()), (number - 1, None));
        write(&store, number..number + 10, Durability::Buffered);
        number += 10;
        if round % 2 == 0 {
            store.flush().unwrap();
        }
        store.sync().unwrap();
        let synced = store.positions().synced;
        assert_eq!(synced, store.db.latest_sequence_number());
        drop(store);
        assert_eq!(FoundMark::look(dir.path()).unwrap().newest().unwrap().synced, synced);
    }
}

/// An earlier release made neither marks nor notes, and its ingestions are told by nobody.
#[test]
fn store_of_an_earlier_release_is_taken_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let options = RocksOptions::default();
    let cache = Cache::new_lru_cache(1 << 20);
    let families = || {
        Family::ALL.map(|family| {
            rocksdb::ColumnFamilyDescriptor::new(family.name(), family_options(family, &options, &cache))
        })
    };
    let db = DB::open_cf_descriptors(&database_options(&options), dir.path(), families()).unwrap();
    let put = |number: u64| {
        let mut batch = WriteBatch::default();
        batch.put_cf(handle(&db, Family::Raft), number.to_be_bytes(), b"old");
        batch.put_cf(handle(&db, Family::Range), "last", number.to_be_bytes());
        db.write(batch).unwrap();
    };
    (1..=10).for_each(put);
    db.flush_cf(handle(&db, Family::Raft)).unwrap();
    let file = dir.path().join("ingested");
    let raft_options = family_options(Family::Raft, &options, &cache);
    let mut writer = rocksdb::SstFileWriter::create(&raft_options);
    writer.open(&file).unwrap();
    writer.put(3_u64.to_be_bytes(), b"new").unwrap();
    writer.finish().unwrap();
    let before = db.latest_sequence_number();
    db.ingest_external_file_cf(handle(&db, Family::Raft), vec![file]).unwrap();
    assert!(db.latest_sequence_number() > before);
    (11..=20).for_each(put);
    let image = Image::of(dir.path());
    let place = image.place();
    let opened = place.open();
    assert_eq!((newest(&opened), opened.forgotten()), (20, None));
    drop(opened);
    assert_eq!(place.open().forgotten(), None);
}

/// What cannot be opened at all says which file it is about, and what to do.
#[test]
fn store_that_does_not_open_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = synced_batches(dir.path(), 5, false);
    store.flush().unwrap();
    drop(store);
    let image = Image::of(dir.path());
    let table = image.files.keys().find(|name| name.ends_with(".sst")).unwrap().clone();
    let manifest = image.files.keys().find(|name| name.starts_with("MANIFEST")).unwrap().clone();
    let without_table =
        Image { files: image.files.clone().into_iter().filter(|(name, _)| *name != table).collect() };
    let mut damaged = image.clone();
    damaged.bytes(&manifest)[100] ^= 1;
    for (image, name) in [(without_table, table), (damaged, manifest)] {
        let place = image.place();
        let error = open_in(place.dir.path(), BOOT).err().unwrap();
        let told = error.to_string();
        assert!(matches!(error, StoreError::Corruption(_)), "{told}");
        assert!(told.contains(&name) && told.contains("an empty one"), "{name}: {told}");
    }
}

/// Set for the second process, which knows only the library's own lock.
const OTHER_DIR: &str = "QUORATE_TEST_OTHER_DIR";

/// A program of an earlier release has it open: nothing is looked at, and nothing is cut.
#[test]
fn store_that_an_earlier_release_has_open_is_locked() {
    use std::io::{BufRead, BufReader, Read};
    if let Ok(path) = std::env::var(OTHER_DIR) {
        let mut database = database_options(&RocksOptions::default());
        database.create_if_missing(true);
        let _db = DB::open(&database, path).unwrap();
        println!("opened");
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let name = "rocks::tests::forgetting::store_that_an_earlier_release_has_open_is_locked";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(OTHER_DIR, dir.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("opened")));
    let locked = StoreError::Locked { path: dir.path().display().to_string() };
    assert_eq!(open_in(dir.path(), BOOT).err(), Some(locked));
    assert!(!dir.path().join("SYNCED").exists());
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(open_in(dir.path(), BOOT).is_ok());
}
