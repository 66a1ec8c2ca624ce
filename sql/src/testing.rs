//! Helpers of tests, of this crate and of those above it: a table with a column of every type, a cluster of one store.

pub mod local_cluster;
pub mod recorder;
pub mod tables;
