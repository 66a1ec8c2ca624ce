//! What a store makes of table files that are not as they were written: never a wrong row, and it goes on living.

use rocksdb::{CompactOptions, DB};

use super::*;
use crate::rocks::cut::Opening;
use crate::rocks::damage::DAMAGE_FILE;
use crate::rocks::damage_format::Cut;
use crate::rocks::staging::FileOptions;
use crate::staging::StagedPart;

/// Rows of a test: enough for some blocks.
const ROWS: u32 = 3_000;

fn key(number: u32) -> Vec<u8> {
    key_format::data_key(&Key::from(number.to_be_bytes().as_slice()), Timestamp::from_raw(5))
}

/// Values of which no two are alike, and which do not compress.
fn value(number: u32) -> Vec<u8> {
    (0..16_u64)
        .flat_map(|word| {
            (u64::from(number) + 1).wrapping_pow(3).wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ word).to_be_bytes()
        })
        .collect()
}

fn write_rows(store: &RocksStore, rows: std::ops::Range<u32>) {
    let mut batch = Batch::new();
    rows.for_each(|number| batch.put(Family::Data, key(number), value(number)));
    store.write(batch, Durability::Synced).unwrap();
}

/// A store with all rows in table files: of level 0, or of the last one.
fn make(dir: &Path, is_compacted: bool) {
    let store = open(dir).unwrap();
    write_rows(&store, 0..ROWS);
    store.flush().unwrap();
    if is_compacted {
        store.db.compact_range_cf_opt(
            store.handle(Family::Data),
            None::<&[u8]>,
            None::<&[u8]>,
            &CompactOptions::default(),
        );
    }
}

/// The one table file of the rows, and its level.
fn file_of_rows(db: &DB) -> (String, i32) {
    let files = db.live_files().unwrap();
    let of_data: Vec<_> = files.iter().filter(|file| file.column_family_name == "data").collect();
    assert_eq!(of_data.len(), 1, "{of_data:?}");
    (of_data[0].name.trim_start_matches('/').to_owned(), of_data[0].level)
}

fn flip(dir: &Path, file: &str, at: usize) {
    let path = dir.join(file);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

/// A store whose file of rows has a damaged block in its middle.
fn damaged(is_compacted: bool) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), is_compacted);
    let store = open(dir.path()).unwrap();
    let (file, level) = file_of_rows(&store.db);
    assert_eq!(level > 0, is_compacted);
    drop(store);
    let bytes = dir.path().join(&file).metadata().unwrap().len();
    flip(dir.path(), &file, usize::try_from(bytes / 2).unwrap());
    (dir, file)
}

/// Reads every row alone; gives those that cannot be read. All others must be right.
fn unreadable_rows(store: &RocksStore, rows: std::ops::Range<u32>) -> Vec<u32> {
    let mut unreadable = Vec::new();
    for number in rows {
        match store.get(Family::Data, &key(number)) {
            Ok(found) => assert_eq!(found, Some(value(number).into()), "row {number}"),
            Err(StoreError::Damaged { .. }) => unreadable.push(number),
            Err(error) => panic!("row {number}: {error}"),
        }
    }
    unreadable
}

/// Keys and values.
type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// Rows as a scan gives them, until it fails.
fn scanned(store: &RocksStore) -> (Rows, Option<StoreError>) {
    let snapshot = store.snapshot();
    let mut cursor = snapshot.cursor(Family::Data, b"", b"");
    let mut rows = Vec::new();
    loop {
        if let Err(error) = cursor.next() {
            return (rows, Some(error));
        }
        let (Some(key), Some(value)) = (cursor.key(), cursor.value()) else { return (rows, None) };
        rows.push((key.to_vec(), value.to_vec()));
    }
}

fn rows(numbers: impl Iterator<Item = u32>) -> Rows {
    numbers.map(|number| (key(number), value(number))).collect()
}

/// Lets the family have more files of level 0 than start a compaction.
fn write_much(store: &RocksStore) {
    for round in 0..8 {
        write_rows(store, ROWS + round * 10..ROWS + (round + 1) * 10);
        store.flush().unwrap();
    }
}

#[test]
fn rocks_flipped_bit_in_a_table_file_gives_no_wrong_row() {
    const FLIPS: usize = 60;
    let origin = tempfile::tempdir().unwrap();
    make(origin.path(), true);
    let (file, _) = file_of_rows(&open(origin.path()).unwrap().db);
    let size = usize::try_from(origin.path().join(&file).metadata().unwrap().len()).unwrap();
    let (mut seen, mut closed) = (0, 0);
    for flip_number in 0..FLIPS {
        let dir = tempfile::tempdir().unwrap();
        copy(origin.path(), dir.path());
        // The last kilobyte holds what describes the file.
        let at = match flip_number {
            0..50 => size * flip_number / 50 + flip_number,
            last => size - 1 - (last - 50) * 100,
        };
        flip(dir.path(), &file, at);
        let Ok(store) = open(dir.path()) else {
            closed += 1;
            continue;
        };
        let unreadable = unreadable_rows(&store, 0..ROWS);
        let (found, error) = scanned(&store);
        assert_eq!(found, rows(0..u32::try_from(found.len()).unwrap()), "byte {at}");
        assert_eq!(error.is_none(), found.len() == ROWS as usize, "byte {at}: {error:?}");
        seen += usize::from(error.is_some() || !unreadable.is_empty());
    }
    assert!(seen + closed > FLIPS / 2, "{seen} flips were seen, {closed} stores did not open");
}

#[test]
fn rocks_goes_on_beside_a_damaged_file() {
    for is_compacted in [false, true] {
        let (dir, file) = damaged(is_compacted);
        let store = open(dir.path()).unwrap();
        assert_eq!(store.damaged_files(), [""; 0]);
        let unreadable = unreadable_rows(&store, 0..ROWS);
        assert!((1..500).contains(&unreadable.len()), "{} rows are in the block", unreadable.len());
        assert_eq!(store.damaged_files(), [file.as_str()]);
        assert!(dir.path().join(DAMAGE_FILE).is_file());
        write_much(&store);
        assert_eq!(unreadable_rows(&store, 0..ROWS + 80), unreadable);
        // Over a start too, which finds what is missing.
        drop(store);
        let store = open(dir.path()).unwrap();
        write_much(&store);
        assert_eq!(unreadable_rows(&store, 0..ROWS + 80), unreadable);
        assert_eq!(store.damaged_files(), [file.as_str()]);
        let lost = store.unreadable();
        let (first, last) = (key(unreadable[0]), key(*unreadable.last().unwrap()));
        let span =
            |from: &[u8]| lost.iter().any(|lost| lost.meets(Family::Data, from, &[from, &[0]].concat()));
        assert!(span(&first) && span(&last), "{lost:?}");
        assert!(!span(&key(0)) && !span(&key(ROWS - 1)), "{lost:?}");
    }
}

/// A copy that reads nothing must not be taken for one of nothing.
#[test]
fn rocks_damage_of_the_first_block_loses_nothing_else() {
    for is_compacted in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), is_compacted);
        let (file, _) = file_of_rows(&open(dir.path()).unwrap().db);
        flip(dir.path(), &file, 100);
        let store = open(dir.path()).unwrap();
        let unreadable = unreadable_rows(&store, 0..ROWS);
        assert!(unreadable.contains(&0) && unreadable.len() < 500, "{unreadable:?}");
        drop(store);
        for _ in 0..2 {
            let store = open(dir.path()).unwrap();
            assert_eq!(store.damaged_files(), [file.as_str()]);
            assert_eq!(unreadable_rows(&store, 0..ROWS), unreadable);
        }
    }
}

/// What takes the place of a replica: all is removed above the damage, and part of it is there again.
fn make_anew(store: &RocksStore, is_staged: bool) {
    let (start, end) = (key(0), key(ROWS - 1));
    let pairs = (0..ROWS - 1).step_by(2).map(|number| (key(number).into(), value(number).into())).collect();
    let mut batch = Batch::new();
    batch.delete_range(Family::Data, start.clone(), end.clone());
    store.write(batch, Durability::Synced).unwrap();
    if is_staged {
        let part =
            StagedPart { number: 1, family: Family::Data, start: start.into(), end: end.into(), pairs };
        store.staging().stage(1, &part).unwrap();
        store.staging().ingest(1, Family::Data).unwrap();
        store.staging().unstage(1).unwrap();
    } else {
        let mut batch = Batch::new();
        pairs.into_iter().for_each(|(key, value): (Bytes, Bytes)| batch.put(Family::Data, key, value));
        store.write(batch, Durability::Synced).unwrap();
    }
}

fn rows_anew() -> Rows {
    rows((0..ROWS - 1).step_by(2).chain([ROWS - 1]))
}

#[test]
fn rocks_damage_is_hidden_by_what_is_made_anew_and_cut_out_by_the_next_start() {
    for (is_compacted, is_staged) in [(false, false), (false, true), (true, false), (true, true)] {
        let case = format!("compacted {is_compacted}, staged {is_staged}");
        let (dir, file) = damaged(is_compacted);
        let store = open(dir.path()).unwrap();
        assert_ne!(unreadable_rows(&store, 0..ROWS), [0; 0]);
        make_anew(&store, is_staged);
        assert_eq!(scanned(&store), (rows_anew(), None), "{case}");
        drop(store);
        let store = open(dir.path()).unwrap();
        assert_eq!((store.damaged_files(), store.unreadable()), (Vec::new(), Vec::new()), "{case}");
        assert!(!dir.path().join(DAMAGE_FILE).exists() && !dir.path().join(&file).exists(), "{case}");
        assert_eq!(scanned(&store), (rows_anew(), None), "{case}");
        // Compactions go on, and neither the logs nor the mark miss anything.
        write_much(&store);
        let all = (None::<&[u8]>, None::<&[u8]>);
        store.db.compact_range_cf_opt(store.handle(Family::Data), all.0, all.1, &CompactOptions::default());
        write_rows(&store, ROWS + 80..ROWS + 90);
        drop(store);
        let store = open(dir.path()).unwrap();
        assert_eq!(store.forgotten(), None, "{case}");
        let expected = [rows_anew(), rows(ROWS..ROWS + 90)].concat();
        assert_eq!(scanned(&store), (expected, None), "{case}");
    }
}

/// A process that dies in the middle of a cut: the next start does it again.
#[test]
fn rocks_cut_that_was_interrupted_is_done_again() {
    for (is_compacted, has_dropped) in [(false, false), (false, true), (true, false), (true, true)] {
        let (dir, _) = damaged(is_compacted);
        let store = open(dir.path()).unwrap();
        assert_ne!(unreadable_rows(&store, 0..ROWS), [0; 0]);
        make_anew(&store, false);
        store.flush().unwrap();
        let span = is_compacted.then(|| (key(0), key(ROWS - 1)));
        let RocksStore { db, marker, staging, .. } = store;
        drop((marker, staging));
        let Ok(mut database) = Arc::try_unwrap(db) else { panic!("nobody else has it") };
        let cut = Cut { family: Family::Data, span };
        let file_options =
            FileOptions { options: RocksOptions::default(), cache: Cache::new_lru_cache(1 << 20) };
        let opening = Opening {
            db: &mut database.db,
            store: dir.path(),
            damage: &database.damage,
            file_options: &file_options,
        };
        opening.copy(&cut).unwrap();
        let mut record = database.damage.record();
        record.cut = Some(cut.clone());
        database.damage.set(record).unwrap();
        match (&cut.span, has_dropped) {
            (_, false) => {}
            (Some((first, last)), true) => {
                database.db.delete_file_in_range_cf(handle(&database.db, Family::Data), first, last).unwrap();
            }
            (None, true) => database.db.drop_cf(Family::Data.name()).unwrap(),
        }
        drop(database);
        let store = open(dir.path()).unwrap();
        assert_eq!(store.damaged_files(), [""; 0]);
        assert_eq!(scanned(&store), (rows_anew(), None), "compacted {is_compacted}, dropped {has_dropped}");
        drop(store);
        assert_eq!(open(dir.path()).unwrap().forgotten(), None);
    }
}

/// A compaction that comes before any reader ends all writing; the store lives again once it is opened anew.
#[test]
fn rocks_lives_again_after_a_compaction_that_met_damage() {
    let (dir, file) = damaged(false);
    let store = open(dir.path()).unwrap();
    let mut batch = Batch::new();
    batch.put(Family::Data, key(ROWS / 3), value(ROWS / 3));
    store.write(batch.clone(), Durability::Synced).unwrap();
    store.flush().unwrap();
    // Both files have keys in common: none can be moved as it is.
    let all = (None::<&[u8]>, None::<&[u8]>);
    store.db.compact_range_cf_opt(store.handle(Family::Data), all.0, all.1, &CompactOptions::default());
    let error = store.write(batch, Durability::Synced).unwrap_err();
    assert!(matches!(&error, StoreError::Damaged { file: named, .. } if *named == file), "{error}");
    drop(store);
    let store = open(dir.path()).unwrap();
    assert_eq!(store.damaged_files(), [file]);
    assert!(!store.unreadable().is_empty());
    write_much(&store);
    make_anew(&store, false);
    drop(store);
    let store = open(dir.path()).unwrap();
    assert_eq!(store.damaged_files(), [""; 0]);
    let expected = [rows_anew(), rows(ROWS..ROWS + 80)].concat();
    assert_eq!(scanned(&store), (expected, None));
}

/// What says which replicas a node has is no replica's alone.
#[test]
fn rocks_whose_own_records_are_damaged_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let mut batch = Batch::new();
    (0..500_u32).for_each(|number| batch.put(Family::Range, number.to_be_bytes().to_vec(), value(number)));
    store.write(batch, Durability::Synced).unwrap();
    store.flush().unwrap();
    let files = store.db.live_files().unwrap();
    let file = files.iter().find(|file| file.column_family_name == "range").unwrap();
    let file = file.name.trim_start_matches('/').to_owned();
    drop(store);
    let bytes = dir.path().join(&file).metadata().unwrap().len();
    flip(dir.path(), &file, usize::try_from(bytes / 2).unwrap());
    let store = open(dir.path()).unwrap();
    let snapshot = store.snapshot();
    let mut cursor = snapshot.cursor(Family::Range, b"", b"");
    let error = loop {
        match cursor.next() {
            Ok(()) => assert!(cursor.key().is_some(), "the damage is met"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    drop(cursor);
    drop(snapshot);
    drop(store);
    let told = open(dir.path()).unwrap().forgotten().unwrap();
    assert!(told.contains(&file) && told.contains("which replicas were here"), "{told}");
}
