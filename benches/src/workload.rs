//! What clients do.

pub mod bank;
pub mod kv;
pub mod tpcb;
pub mod writers;
pub mod ycsb;
