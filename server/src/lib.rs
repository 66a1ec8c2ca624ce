//! One node of Quorate: assembly, wire protocols, HTTP, shell and command line; also the embedding API.
//!
//! A statement at the edge: [`pgwire`] reads a message, its length checked before its body, and hands text and parameters
//! to `sql::Session`; rows come back through a sink that waits for the socket. [`shell`] is the other end of the same
//! protocol. [`cli`] and [`config`] turn the command line into checked types; [`http`] and [`metrics`] show what a node
//! does.
//!
//! Invariant: this crate takes no decisions of its own; it assembles and translates.

pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod demo;
pub mod descriptors;
pub mod http;
pub mod limited;
pub mod limits;
pub mod log;
pub mod metrics;
pub mod node;
pub mod pgwire;
pub mod rpc;
pub mod sample;
pub mod shell;
pub mod status;
pub mod threads;
