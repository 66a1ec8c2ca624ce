//! PostgreSQL's wire protocol: a listener, one task per connection, statements in and rows out.
//!
//! The crate `pgwire` gives the messages; the loop around them is ours, for four reasons. Its own loop drops the future
//! of a statement when a cancel request comes, which could drop a COMMIT half-way; it buffers messages up to 1 GiB; its
//! decoder indexes a message's body without bounds, and may read on into the next message; and it ends a malformed
//! connection without an error. So [`frame`] reads one message, its length checked before its body is read, [`shape`]
//! checks the body, and only then `pgwire` decodes it. What is wrong with one message fails that message; a connection
//! ends only where it is not clear any more where the next message begins.
//!
//! ```text
//! accept ── startup ── admit ── ┌ read a frame ── check ── decode ── run ── answer ┐ ── end
//!                               └──────────────────────────────────────────────────┘
//! ```
//!
//! Invariants: a statement's future is never dropped before it ends, a cancel request only sets its token; the task of a
//! connection reads its socket only while no statement runs, so that a client is held back by TCP; nothing is buffered
//! beyond a named limit.

mod cancel;
mod connection;
mod copy;
mod extended;
mod frame;
mod listener;
mod memory;
mod out;
mod portal;
mod reply;
mod run_ahead;
mod shape;
mod simple;
mod sink;
mod startup;
mod types;
mod values;

use std::sync::Arc;

use quorate_sql::error::SqlError;
use quorate_sql::node::SqlNode;

pub use listener::{Wire, WireOptions};

/// Whether the node serves SQL yet; the node's assembly implements it.
pub trait SqlAccess: Send + Sync + 'static {
    /// The SQL of this node.
    ///
    /// # Errors
    /// 57P03 while the node cannot serve, with what it waits for and the command to run (`quorate init --host …`).
    /// The client gets it as FATAL.
    fn admit(&self) -> Result<Arc<SqlNode>, SqlError>;
}
