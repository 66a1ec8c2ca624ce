//! Ranges: replicated, leased, routed; transactions over them.
//!
//! Invariant: this crate does not know SQL, tonic, pgwire or sockets.

pub mod api;
pub mod applied_state;
pub mod assembly;
pub mod blocking;
pub mod client;
pub mod clock_bound;
pub mod clock_guard;
pub mod cluster;
pub mod command_format;
pub mod concurrency;
pub mod decode;
pub mod descriptor;
pub mod evaluate;
pub mod heartbeat;
pub mod holdings;
pub mod identity;
pub mod lease;
pub mod limits;
pub mod local_ranges;
pub mod log_position;
pub mod membership;
pub mod raft;
pub mod raft_message;
pub mod range_format;
pub mod range_service;
pub mod replica;
pub mod rpc;
pub mod safeguard;
pub mod splits;
pub mod store;
pub mod tasks;
pub mod telling;
pub mod testing;
pub mod transport;
pub mod versions;
pub mod wire;
