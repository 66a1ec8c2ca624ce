//! The catalog: tables and their versions, as all nodes agree on them.
//!
//! ```text
//! 0x01 0x03 01 name             table id                     (uniqueness of names)
//! 0x01 0x03 02 id, 8 bytes      descriptor (descriptor_format.rs)
//! 0x01 0x03 03                  version of the catalog: raised by each DDL in its own transaction
//! ```
//!
//! Invariant: a statement binds with one snapshot. Its commit carries a deadline below the end of this node's lease on the
//! catalog, and DDL returns only when no node can commit by an older one.

pub mod cache;
pub mod ddl;
pub mod descriptor;
pub mod descriptor_format;
pub mod keys;
pub mod lease;
pub mod reading;
pub mod snapshot;
pub mod staged;
pub mod view;

#[cfg(test)]
mod tests;
