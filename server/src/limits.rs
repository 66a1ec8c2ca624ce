//! The limits of clients and of the links between nodes, each once, and how they stand to each other.
//!
//! What bounds one file's own work alone stands there. The relations are checked when this is compiled.

use std::time::Duration;

use quorate_engine::limits::TRANSACTION_MAX_BYTES;
use quorate_raft_groups::limits::MESSAGE_MAX_BYTES;
use quorate_sql::limits::STATEMENT_MAX_BYTES;

// Clients

/// Most connections of a node (design.md section 12).
pub const CONNECTIONS_MAX: usize = 1_000;
/// Longest message that carries a statement, its parameters or data, in bytes (design.md section 12, "statement").
pub const CLIENT_MESSAGE_MAX_BYTES: usize = STATEMENT_MAX_BYTES;
/// Longest message of other types, in bytes: they carry names. PostgreSQL's limit, which `pgwire` has too.
pub const SMALL_MESSAGE_MAX_BYTES: usize = 10_000;
/// Longest message that is thrown away rather than taken for nonsense, in bytes: PostgreSQL's limit.
pub const CLIENT_FRAME_MAX_BYTES: usize = 1 << 30;
/// Longest packet before the session starts, in bytes. PostgreSQL's limit, which `pgwire` has too.
pub const STARTUP_MAX_BYTES: usize = 10_000;
/// How long the rest of a begun message may stay away between two pieces of it, unless the options say otherwise.
pub const FRAME_PROGRESS_MAX: Duration = Duration::from_secs(60);
/// Bytes a second that a message must bring, over [`FRAME_PROGRESS_MAX`], once it holds memory that others may wait for.
pub const RATE_LEAST_BYTES: usize = 128 << 10;
/// Most portals of a connection: each may hold rows.
pub const PORTALS_MAX: usize = 100;
/// Most bytes of rows that a portal holds for a client that fetches them in parts: the same as a transaction's writes.
pub const PORTAL_HELD_MAX_BYTES: usize = TRANSACTION_MAX_BYTES;
/// Most runs of a statement in a pipeline that are done together, ahead of their turns.
pub const RUNS_AHEAD_MAX: usize = 1_000;
/// Least bytes of a node's budget for messages of clients: a few of the largest messages at once.
pub const MESSAGES_LEAST_BYTES: usize = 256 << 20;
/// Most bytes of that budget.
pub const MESSAGES_MOST_BYTES: usize = 4 << 30;
/// How long a message waits for others to give such memory back.
pub const MEMORY_WAIT_MAX: Duration = Duration::from_secs(10);
/// What a client that is told to go may still send, thrown away so that it reads why.
pub const DISCARD_MAX_BYTES: usize = 64 << 20;
/// How long that may take.
pub const DISCARD_MAX: Duration = Duration::from_secs(5);

// Nodes

/// Largest gRPC message in bytes: a frame of one largest message, with its framing.
pub const NODE_FRAME_MAX_BYTES: usize = MESSAGE_MAX_BYTES + (64 << 10);
/// Messages that wait on one lane of a link to another node.
pub const LINK_QUEUE_MAX: usize = 8_192;
/// Bytes that wait on one lane: several of the largest messages, and small against a node's memory.
pub const LINK_QUEUE_MAX_BYTES: usize = 32 << 20;
/// Bytes after which a frame to another node is closed.
pub const FRAME_TARGET_BYTES: usize = 256 << 10;
/// Messages in one frame.
pub const FRAME_MESSAGES_MAX: usize = 512;
/// A link without traffic is tried this often …
pub const LINK_KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// … and given up when no answer comes.
pub const LINK_KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// A link is never silent for this long, it keeps itself alive: one that is may go for another.
pub const LINK_SILENCE_MIN: Duration = Duration::from_secs(30);

// How they stand to each other

const _: () = assert!(
    SMALL_MESSAGE_MAX_BYTES < CLIENT_MESSAGE_MAX_BYTES && STARTUP_MAX_BYTES <= SMALL_MESSAGE_MAX_BYTES
);
const _: () =
    assert!(CLIENT_MESSAGE_MAX_BYTES < CLIENT_FRAME_MAX_BYTES, "what is too long is read past, not misread");
const _: () = assert!(
    2 * CLIENT_MESSAGE_MAX_BYTES <= MESSAGES_LEAST_BYTES,
    "two of the largest messages fit any budget"
);
const _: () = assert!(MESSAGES_LEAST_BYTES < MESSAGES_MOST_BYTES);
const _: () = assert!(
    DISCARD_MAX.as_secs() < FRAME_PROGRESS_MAX.as_secs() && DISCARD_MAX_BYTES <= CLIENT_MESSAGE_MAX_BYTES
);
const _: () =
    assert!(FRAME_TARGET_BYTES < NODE_FRAME_MAX_BYTES && NODE_FRAME_MAX_BYTES < LINK_QUEUE_MAX_BYTES);
const _: () = assert!(FRAME_MESSAGES_MAX < LINK_QUEUE_MAX);
const _: () = assert!(
    2 * (LINK_KEEP_ALIVE_INTERVAL.as_secs() + LINK_KEEP_ALIVE_TIMEOUT.as_secs()) < LINK_SILENCE_MIN.as_secs(),
    "a link that keeps itself alive is never taken for a silent one"
);
