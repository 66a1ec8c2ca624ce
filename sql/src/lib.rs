//! Text to rows, over the kv traits of the engine.
//!
//! Invariant: this crate does not know ranges, Raft, RocksDB or wire protocols.

pub mod catalog;
pub mod cluster;
pub mod error;
pub mod expr;
pub mod functions;
pub mod plan;
pub mod types;
