//! One node of Quorate: assembly, wire protocols, command line; also the embedding API.
//!
//! Invariant: this crate takes no decisions of its own; it assembles and translates.

pub mod clock;
pub mod rpc;
