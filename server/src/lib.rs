//! One node of Quorate: assembly, wire protocols, HTTP, shell and command line; also the embedding API.
//!
//! [`cli`] and [`config`] turn the command line into checked types; [`shell`] is a client of the PostgreSQL protocol.
//!
//! Invariant: this crate takes no decisions of its own; it assembles and translates.

pub mod cli;
pub mod clock;
pub mod config;
pub mod rpc;
pub mod shell;
