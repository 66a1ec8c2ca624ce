//! MVCC by scripts, on memory and RocksDB at once, and against a naive reference.

mod properties;
mod runner;

use bytes::Bytes;

use crate::hlc::Timestamp;
use crate::kv::{Direction, Key, Span};
use crate::limits::{KEY_MAX_BYTES, VALUE_MAX_BYTES};
use crate::mvcc::{self, MvccScan, ReadAt};
use crate::store::Batch;
use crate::testing::both::BothStore;
use crate::testing::script::run_folder;

#[test]
fn mvcc_scripts() {
    run_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/mvcc"), runner::MvccRunner::new);
}

/// Zeros double when they are escaped: this is the longest data key there can be.
#[test]
fn mvcc_largest_key_and_value_fit() {
    let store = BothStore::new();
    let value = Bytes::from(vec![7; VALUE_MAX_BYTES]);
    let keys = [Key::from(vec![0; KEY_MAX_BYTES - 1]), Key::from(vec![0; KEY_MAX_BYTES])];
    let at = ReadAt::exactly(Timestamp::from_raw(5));
    let mut batch = Batch::new();
    keys.iter().for_each(|key| mvcc::put(&mut batch, key, at.timestamp, Some(&value)));
    store.write(batch);
    store.flush();
    let snapshot = store.store().snapshot();
    for key in &keys {
        assert_eq!(mvcc::get(snapshot.as_ref(), key, at).unwrap().unwrap().value, value);
    }
    let mut scan = MvccScan::new(snapshot.as_ref(), &Span::point(keys[1].clone()), Direction::Reverse, at);
    assert_eq!(scan.next().unwrap(), Some((keys[1].clone(), at.timestamp, value)));
    assert_eq!(scan.next().unwrap(), None);
}
