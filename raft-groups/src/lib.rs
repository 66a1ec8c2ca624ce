//! Ranges: replicated, leased, routed; transactions over them.
//!
//! Invariant: this crate does not know SQL, tonic, pgwire or sockets.

pub mod api;
pub mod command_format;
pub mod decode;
pub mod descriptor;
pub mod local_ranges;
pub mod raft;
pub mod raft_message_format;
pub mod rpc;
pub mod testing;
pub mod transport;
