//! MVCC by scripts, on memory and RocksDB at once, and against a naive reference.

mod properties;
mod runner;

use crate::testing::script::run_folder;

#[test]
fn mvcc_scripts() {
    run_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts/mvcc"), runner::MvccRunner::new);
}
