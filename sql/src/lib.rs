//! Text to rows, over the kv traits of the engine.
//!
//! Invariant: this crate does not know ranges, Raft, RocksDB or wire protocols.

pub mod bind;
pub mod cancel;
pub mod catalog;
pub mod cluster;
pub mod copy;
pub mod ddl;
pub mod error;
pub mod exec;
pub mod expr;
pub mod functions;
pub mod kv_error;
pub mod limits;
pub mod node;
pub mod optimize;
pub mod parser;
pub mod plan;
pub mod planner;
pub mod program;
pub mod retry;
#[cfg(test)]
mod script_tests;
pub mod sequences;
pub mod session;
pub mod storage;
pub mod system;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod types;
