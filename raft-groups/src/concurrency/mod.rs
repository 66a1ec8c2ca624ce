//! What keeps requests at one range apart: latches order those in flight, the timestamp cache remembers reads.
//!
//! Both are plain data structures behind a lock of their replica; only waiting for a latch is asynchronous.

pub mod latch;
pub mod latch_table;
pub mod timestamp_cache;
