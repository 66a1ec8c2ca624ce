//! The catalog: tables, sequences and their versions, as all nodes agree on them.
//!
//! ```text
//! 0x01 0x03 01 name             id of table or sequence      (uniqueness of names)
//! 0x01 0x03 02 id, 8 bytes      descriptor (descriptor_format.rs)
//! 0x01 0x03 03                  not in use any more: a counter that each change raised
//! 0x01 0x03 03 id, 8 bytes      sequence (sequence_format.rs); ids are those of tables
//! 0x01 0x03 04 job id, 8 bytes  job (ddl/job_format.rs)
//! 0x01 0x03 05 job id, 8 bytes  nothing, touched where a job changes hands
//! 0x01 0x03 06 node id, 8 bytes sign of life of a node that drives jobs (ddl/job_format.rs)
//! 0x01 0x03 07 id, 8 bytes      how far a sequence is (sequence_format.rs)
//! ```
//!
//! A version of the catalog is the commit timestamp of its newest change: changes of different tables share no key, and do
//! not conflict. Here are the data; what changes them is in [`crate::ddl`].
//!
//! Invariant: a statement binds with one snapshot. Its commit carries a deadline below the end of this node's lease on the
//! catalog, and DDL returns only when no node can commit by an older one: a node that says that it knows a newer one has no
//! commit under way that began before.

pub mod cache;
pub mod commits;
pub mod descriptor;
pub mod descriptor_format;
pub mod index_descriptor;
pub mod keys;
pub mod lease;
pub mod oids;
pub mod reading;
pub mod sequence;
pub mod sequence_format;
pub mod snapshot;
pub mod system;
pub mod view;

#[cfg(test)]
mod tests;
