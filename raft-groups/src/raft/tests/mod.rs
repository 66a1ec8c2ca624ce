//! Groups on stores in memory and in RocksDB, over a network in this process.

mod durability;
mod formats;
mod groups;
mod harness;
mod members;
mod suite;
mod writer;
