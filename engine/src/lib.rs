//! One store's versioned keys: codec, hybrid clock, MVCC, RocksDB, and the [`kv`] traits.
//!
//! Invariant: this crate does not know ranges, Raft, SQL or the network.

pub mod clock;
pub mod codec;
pub mod hlc;
pub mod kv;
pub mod kv_buffer;
pub mod kv_page;
pub mod kv_spans;
pub mod local;
pub mod memory;
pub mod mvcc;
#[cfg(feature = "rocksdb")]
pub mod rocks;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
