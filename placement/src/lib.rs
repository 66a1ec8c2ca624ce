//! Where replicas and leaders should be: pure decisions, each with its reason.
//!
//! Invariant: this crate does not know keys, bytes, clocks, async or Raft.

pub mod topology;
