//! Micro benches: single mechanisms within one process. `cargo bench -p quorate-bench` runs them all,
//! `cargo bench -p quorate-bench -- mvcc` those whose names contain a word.

mod codec;
mod embedded;
mod log_writer;
mod mvcc;
mod sql;
mod store;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    benches,
    codec::benches,
    mvcc::benches,
    store::benches,
    log_writer::benches,
    sql::benches,
    embedded::benches
);
criterion_main!(benches);
