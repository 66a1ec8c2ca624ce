//! One store's versioned keys: codec, hybrid clock, MVCC, RocksDB, and the [`kv`] traits.
//!
//! # Life of a put
//!
//! 1. Whoever writes makes a [`kv::Key`] of typed columns with [`codec::key::KeyEncoder`], whose bytes sort as the
//!    columns do, and hands a [`kv::Write`] to its [`kv::Transaction`].
//! 2. The write waits in the transaction's [`kv_buffer::WriteBuffer`]; nothing is sent before COMMIT. The transaction's
//!    own reads see it from there.
//! 3. At COMMIT the [`clock::HybridClock`] gives a timestamp above all that were seen, never above the
//!    [`clock::ClockBound`] on the disk. What was read ([`kv_reads::Reads`]) must not have changed since:
//!    [`mvcc::ChangeScan`].
//! 4. [`mvcc::put`] makes a version of it: [`mvcc::key_format::data_key`] appends the timestamp, inverted, so that the
//!    newest version of a key comes first. Where the transaction is not over yet, an [`mvcc::Intent`] is laid instead,
//!    and [`mvcc::intent::resolve`] makes the version later.
//! 5. The [`store::Batch`] goes to the [`store::Store`] in one atomic write; with [`store::Durability::Synced`] it is on
//!    the disk when the call returns.
//!
//! [`local::LocalDatabase`] does all of this for one store; over many ranges, steps 3 to 5 happen in a replicated log
//! above this crate, with the same functions.
//!
//! # Life of a scan
//!
//! 1. A [`kv::ScanRequest`] names a span, a direction, limits, and perhaps a [`kv::ScanProgram`] that only its
//!    [`kv::ScanEvaluator`] understands.
//! 2. [`kv_buffer::WriteBuffer::plan`] sends it down as it is, or without its program where own writes lie in the span.
//! 3. [`mvcc::read_page`] takes a [`store::Snapshot`] and walks it with [`mvcc::MvccScan`]: data keys and intents side by
//!    side, the newest version at or below the read's timestamp for each key. What is in the way stops it:
//!    [`mvcc::MvccError::Intent`], [`mvcc::MvccError::Uncertain`].
//! 4. Each live pair goes through [`kv_page::PageBuilder`], which runs the program and ends the page at a limit.
//! 5. [`kv_buffer::WriteBuffer::overlay`] lays own writes over the page; [`kv::ScanPage::resume`] says where the next page
//!    starts.
//!
//! Invariant: this crate does not know ranges, Raft, SQL or the network. `rocks` alone names RocksDB.

pub mod clock;
pub mod codec;
pub mod hlc;
pub mod kv;
pub mod kv_buffer;
pub mod kv_page;
pub mod kv_reads;
pub mod kv_spans;
pub mod limits;
pub mod local;
pub mod memory;
pub mod mvcc;
#[cfg(feature = "rocksdb")]
pub mod rocks;
pub mod staging;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
