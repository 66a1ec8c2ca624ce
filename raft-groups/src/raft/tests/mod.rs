//! Groups on stores in memory and in RocksDB, over a network in this process.

mod durability;
mod formats;
mod groups;
mod harness;
mod installs;
mod members;
mod snapshot_formats;
mod snapshots;
mod suite;
mod writer;
