//! Ranges: replicated, leased, routed; transactions over them.
//!
//! Invariant: this crate does not know SQL, tonic, pgwire or sockets.

pub mod api;
pub mod descriptor;
pub mod local_ranges;
pub mod rpc;
pub mod testing;
pub mod transport;
