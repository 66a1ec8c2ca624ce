//! Groups on stores in memory and in RocksDB, over a network in this process.

mod durability;
mod formats;
mod groups;
mod harness;
mod suite;
mod writer;
