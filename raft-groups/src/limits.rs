//! The limits of ranges and of what is sent between nodes, each once, and how they stand to each other.
//!
//! Whatever somebody may ask for, hold or wait for has its limit here where another limit, or another file, depends on it; what
//! bounds one file's own work alone stands there. The relations are checked when this is compiled: whoever changes a number
//! learns here what else it means. Those of keys, values and commands are the engine's ([`quorate_engine::limits`]).

use std::time::Duration;

use quorate_engine::limits::{COMMAND_MAX_BYTES, KEY_MAX_BYTES, VALUE_MAX_BYTES};

// Messages

/// Largest message in bytes: a command of 1 MiB with its entry's and batch's overhead, or a page of a scan.
pub const MESSAGE_MAX_BYTES: usize = 4 << 20;
/// Most bytes that an answer carries: it has to fit into one message with its envelope.
pub const ANSWER_BYTES_MAX: u64 = 2 << 20;
/// Bytes of the keys of one request: it has to fit into one message.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;
/// Most bytes of a heartbeat in a message: six numbers, and what stands before them.
pub const BEAT_BYTES_MAX: usize = 6 * 11 + 4;
/// Heartbeats in one message: 70 KiB of them at most.
pub const BEATS_MAX: usize = 1_024;
/// Bytes of pairs in a chunk of a snapshot, apart from its last pair.
pub const SNAPSHOT_CHUNK_BYTES_MAX: usize = 128 << 10;
/// Bytes of a part of a snapshot, apart from its last chunk.
pub const SNAPSHOT_PART_BYTES_MAX: usize = 4 << 20;
/// Bytes of a page of the directory: one row is a few hundred.
pub const DIRECTORY_PAGE_BYTES_MAX: u64 = 64 << 10;

// Commands

/// Most bytes of an encoded command: what a transaction of [`COMMAND_MAX_BYTES`] needs besides keys and values.
pub const COMMAND_ENCODED_MAX_BYTES: usize = COMMAND_MAX_BYTES + (512 << 10);
/// Allowance for the command's own fields and the transaction's record.
pub const COMMAND_ENVELOPE_BYTES: usize = 4 << 10;
/// Bytes of writes that one command commits: less than it may hold by what its envelope needs.
pub const ONE_COMMAND_MAX_BYTES: usize = COMMAND_MAX_BYTES - COMMAND_ENVELOPE_BYTES;
/// Most bytes of intents in one command, as [`crate::evaluate::intents::intent_bytes`] counts them: the rest is for the record and the command.
pub const INTENTS_MAX_BYTES: usize = COMMAND_MAX_BYTES - (64 << 10);
/// Bytes of intents after which no more are resolved by one command.
pub const RESOLVE_PAGE_BYTES: usize = 320 << 10;
/// Intents that one command resolves at most.
pub const RESOLVE_KEYS_MAX: usize = 4_096;
/// Intents of anybody that are looked at for one command.
pub const RESOLVE_LOOK_MAX: usize = 65_536;
/// Spans of intents that a record names; neighbours are merged beyond it.
pub const INTENT_SPANS_MAX: usize = 512;
/// Bytes of the spans that a record names, so that it fits one command.
pub const INTENT_SPANS_BYTES_MAX: usize = 256 << 10;

// Queues of a replica

/// Proposals of one group that are not decided yet. Far below the Raft task's queue, where appends and votes come in too.
pub const PROPOSALS_MAX: usize = 1_024;
/// Bytes of such proposals.
pub const PROPOSAL_BYTES_MAX: u32 = 16 << 20;
/// Places in the queue of the Raft task.
pub const API_QUEUE_MAX: u64 = 4_096;
/// Appends in flight to one follower; each holds at most one message's bytes.
pub const APPENDS_IN_FLIGHT_MAX: usize = 16;
/// Bytes of commands applied in one batch, apart from the last one.
pub const APPLY_MAX_BYTES: usize = 4 << 20;
/// Entries applied in one batch.
pub const APPLY_MAX_ENTRIES: usize = 4_096;
/// Requests that may hold or wait for latches of one range at a time: more would wait longer than their deadline.
pub const LATCH_REQUESTS_MAX: usize = 4_096;
/// Boundaries of its timestamp cache that a range remembers before it forgets the older half.
pub const BOUNDARIES_MAX: usize = 8_192;
/// Bytes of keys in such boundaries before the older half is forgotten.
pub const BOUNDARY_BYTES_MAX: usize = 1 << 20;
/// Raft messages that wait for a split to bring their replica at a time: each holds at most one message in memory.
pub const WAITING_MESSAGES_MAX: usize = 256;

// The log

/// Requests that wait for the log writer, of all groups.
pub const LOG_QUEUE_REQUESTS_MAX: usize = 4_096;
/// Bytes that wait for it, of all groups; what one follower's stream and one leader's append hold besides is bounded there.
pub const LOG_QUEUE_BYTES_MAX: u32 = 64 << 20;
/// Bytes of log that a store takes: beyond it proposals are refused until logs have been cut off. That is done long
/// before, so that only a store whose replicas cannot apply comes here.
pub const LOG_BYTES_MAX: u64 = 4 << 30;
/// Bytes of entries that a group keeps in memory besides unwritten ones.
pub const LOG_TAIL_MAX_BYTES: usize = 1 << 20;
/// Bytes of entries in one message or one step of applying, apart from the last entry: with a command on top it stays
/// below [`MESSAGE_MAX_BYTES`].
pub const LOG_READ_MAX_BYTES: usize = 1 << 20;
/// Bytes of its log that a leader keeps for followers that do not answer.
pub const KEPT_FOR_DEAD_MAX: u64 = 16 << 20;
/// Bytes that a leader keeps for followers that answer, and are behind: more than a full pipeline to one of them.
pub const KEPT_FOR_LIVE_MAX: u64 = 64 << 20;
/// Bytes that a follower keeps for the others, should it lead.
pub const KEPT_BY_FOLLOWER_MAX: u64 = 4 << 20;
/// Bytes that are kept for whoever gets a snapshot right now: it needs the entries after it.
pub const KEPT_FOR_SNAPSHOT_MAX: u64 = 256 << 20;

// What a node keeps

/// Bytes of writes that a store works on at a time, of all ranges: beyond it requests wait.
pub const STORE_WRITE_BYTES_MAX: usize = 128 << 20;
/// Descriptors that a router caches: at 300 bytes each a few megabytes, and more ranges than one node works on at a time.
pub const RANGES_CACHED_MAX: usize = 10_000;
/// Transactions whose intents wait to be resolved, on one node; those of further ones are left to whoever meets them.
pub const RESOLUTIONS_QUEUED_MAX: usize = 4_096;
/// Transactions whose intents are resolved at the same time.
pub const RESOLUTIONS_AT_ONCE_MAX: usize = 32;
/// Ranges that one transaction asks at the same time.
pub const RANGES_AT_ONCE_MAX: usize = 16;

// Waits of a request

/// Longest that a statement waits for quorums (design.md section 12, "waiting for quorum in a statement").
pub const QUORUM_WAIT_MAX: Duration = Duration::from_millis(4_500);
/// Longer than the budget: a local replica's own error says more than ours, so it gets the last word.
pub const LOCAL_GRACE: Duration = Duration::from_millis(200);
/// Longest wait for one node's answer to a read, which can be asked again: an answer may have been lost on its way.
pub const READ_ATTEMPT_MAX: Duration = Duration::from_millis(1_500);
/// Longest wait for the answer to a write; what is left of the budget is for its repeat, or for the commit's record.
pub const COMMIT_ATTEMPT_MAX: Duration = Duration::from_millis(3_000);
/// Longest wait for a range's split, once it takes no more writes.
pub const BACK_PRESSURE_MAX: Duration = Duration::from_secs(30);
/// Longest wait of one request for transactions that are alive: longer than a dead one takes to expire, so that only a
/// long commit makes others fail.
pub const LOCK_WAIT_MAX: Duration = Duration::from_secs(6);
/// A node that was asked and of which nothing at all is heard for this long is taken to be gone: four heartbeats.
pub const NODE_SILENCE_MAX: Duration = Duration::from_millis(800);
/// How long a question about a transaction that is alive waits for its end: short beside any timeout of a request.
pub const PUSH_WAIT_MAX: Duration = Duration::from_millis(400);

// Transactions

/// Age beyond which ranges refuse a transaction's requests, for its record might be gone: they keep records for ten
/// minutes.
pub const TRANSACTION_AGE_MAX: Duration = Duration::from_secs(600);
/// How long after its start a transaction may commit and be asked for, in microseconds: records are kept as long
/// (design.md section 7).
pub const TRANSACTION_AGE_MAX_MICROS: u64 = TRANSACTION_AGE_MAX.as_secs() * 1_000_000;
/// A transaction without a sign of life for longer than this is aborted by whoever is in its way, in microseconds
/// (design.md section 12, "transaction heartbeat; expiry").
pub const TRANSACTION_EXPIRY_MICROS: u64 = 3_000_000;
/// How often the coordinator shows that it is alive (design.md section 12, "transaction heartbeat").
pub const TRANSACTION_HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// How long one heartbeat waits for its range, and an abort for its record.
pub const TRANSACTION_HEARTBEAT_WAIT: Duration = Duration::from_secs(1);
/// How much longer a record is kept than anybody may ask for it: clocks differ by less.
pub const RECORD_MARGIN_MICROS: u64 = 2_000_000;
/// Age from which an intent is told to the asker: its transaction is over, or takes long.
pub const INTENT_AGE_MICROS: u64 = 2 * TRANSACTION_EXPIRY_MICROS;

// The cluster

/// How often a node reports (design.md section 12).
pub const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Reports missed for this long make a node suspect (design.md section 12).
pub const SUSPECT_AFTER: Duration = Duration::from_secs(3);
/// How long a node may rely on a catalog that it has confirmed (design.md section 12).
pub const CATALOG_LEASE: Duration = Duration::from_secs(10);
/// How often a node reads the catalog anew where nobody tells it of a change (design.md section 12).
pub const CATALOG_RENEWAL: Duration = Duration::from_secs(5);
/// Longest wait until all nodes have a catalog: a whole lease, the clocks' offset, a new leaseholder in between.
pub const AWAIT_CATALOG_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for one leaseholder's answer: a lease has run out by then, and it may have died without a word.
pub const AWAIT_CATALOG_ATTEMPT: Duration = Duration::from_secs(13);

// How they stand to each other

/// Of a duration that is known when this is compiled.
const fn micros(duration: Duration) -> u64 {
    duration.as_secs() * 1_000_000 + duration.subsec_micros() as u64
}

const ROW_BYTES_MAX: usize = VALUE_MAX_BYTES + KEY_MAX_BYTES;

// What is asked, answered and streamed fits one message.
const _: () =
    assert!(ANSWER_BYTES_MAX + (ROW_BYTES_MAX as u64) < MESSAGE_MAX_BYTES as u64, "an answer fits a message");
const _: () = assert!(KEY_MAX_BYTES <= REQUEST_BYTES_MAX, "a request takes at least one key");
const _: () = assert!(REQUEST_BYTES_MAX + KEY_MAX_BYTES < MESSAGE_MAX_BYTES, "a request fits a message");
const _: () = assert!(BEATS_MAX * BEAT_BYTES_MAX < MESSAGE_MAX_BYTES / 16, "heartbeats never fill a message");
const _: () = assert!(
    LOG_READ_MAX_BYTES + COMMAND_ENCODED_MAX_BYTES < MESSAGE_MAX_BYTES,
    "a step of the log and one command on top fit a message"
);
const _: () = assert!(
    SNAPSHOT_CHUNK_BYTES_MAX + 2 * COMMAND_ENCODED_MAX_BYTES < MESSAGE_MAX_BYTES,
    "a chunk with a large last pair fits a message"
);
const _: () = assert!(SNAPSHOT_CHUNK_BYTES_MAX < SNAPSHOT_PART_BYTES_MAX, "a part has chunks");
const _: () = assert!(DIRECTORY_PAGE_BYTES_MAX < ANSWER_BYTES_MAX, "a page of the directory is one answer");

// What is written fits one command, and a command fits every queue that it passes.
const _: () = assert!(ROW_BYTES_MAX < INTENTS_MAX_BYTES, "one row always fits a command of intents");
const _: () = assert!(ROW_BYTES_MAX < ONE_COMMAND_MAX_BYTES, "one row always fits a commit");
const _: () = assert!(ONE_COMMAND_MAX_BYTES < COMMAND_ENCODED_MAX_BYTES, "what is committed can be encoded");
const _: () = assert!(
    RESOLVE_PAGE_BYTES + ROW_BYTES_MAX < COMMAND_MAX_BYTES,
    "what one command resolves fits it, with a large last row"
);
const _: () = assert!(INTENT_SPANS_BYTES_MAX < ONE_COMMAND_MAX_BYTES / 2, "a record fits a command");
const _: () = assert!(PROPOSAL_BYTES_MAX as usize > COMMAND_ENCODED_MAX_BYTES, "a command can be proposed");
const _: () = assert!(API_QUEUE_MAX > PROPOSALS_MAX as u64, "proposals never fill the Raft task's queue");
const _: () = assert!(
    LOG_QUEUE_BYTES_MAX as usize > PROPOSAL_BYTES_MAX as usize,
    "a group never fills the log's queue"
);
const _: () = assert!(APPLY_MAX_BYTES > COMMAND_ENCODED_MAX_BYTES, "a command can be applied");
const _: () = assert!(STORE_WRITE_BYTES_MAX > PROPOSAL_BYTES_MAX as usize, "a group never fills its store");

// What is kept of logs: the less, the less its reader is worth.
const _: () = assert!(KEPT_BY_FOLLOWER_MAX < KEPT_FOR_DEAD_MAX && KEPT_FOR_DEAD_MAX < KEPT_FOR_LIVE_MAX);
const _: () = assert!(KEPT_FOR_LIVE_MAX < KEPT_FOR_SNAPSHOT_MAX && KEPT_FOR_SNAPSHOT_MAX < LOG_BYTES_MAX);
const _: () = assert!(
    KEPT_FOR_LIVE_MAX >= (APPENDS_IN_FLIGHT_MAX * MESSAGE_MAX_BYTES) as u64,
    "a full pipeline to a follower is kept for it"
);

// Who waits for whom: the inner wait ends first.
const _: () =
    assert!(micros(NODE_SILENCE_MAX) < micros(READ_ATTEMPT_MAX), "silence is noticed within an attempt");
const _: () = assert!(micros(READ_ATTEMPT_MAX) < micros(COMMIT_ATTEMPT_MAX));
const _: () = assert!(
    micros(COMMIT_ATTEMPT_MAX) < micros(QUORUM_WAIT_MAX),
    "a lost commit leaves time to ask its record"
);
const _: () = assert!(micros(LOCAL_GRACE) < micros(READ_ATTEMPT_MAX));
const _: () = assert!(
    micros(PUSH_WAIT_MAX) < micros(READ_ATTEMPT_MAX),
    "a question about a transaction is one attempt"
);
const _: () = assert!(micros(QUORUM_WAIT_MAX) < micros(BACK_PRESSURE_MAX));

// Who is alive is not taken for dead, and what is asked for is still there.
const _: () = assert!(
    micros(TRANSACTION_HEARTBEAT_EVERY) + micros(TRANSACTION_HEARTBEAT_WAIT) < TRANSACTION_EXPIRY_MICROS,
    "one heartbeat may be lost"
);
const _: () =
    assert!(TRANSACTION_EXPIRY_MICROS < micros(LOCK_WAIT_MAX), "a dead transaction is waited for to its end");
const _: () = assert!(micros(LOCK_WAIT_MAX) < TRANSACTION_AGE_MAX_MICROS);
const _: () = assert!(INTENT_AGE_MICROS > TRANSACTION_EXPIRY_MICROS, "the sweep finds what can be ended");
const _: () = assert!(micros(REPORT_INTERVAL) < micros(SUSPECT_AFTER), "one report may be lost");
const _: () = assert!(micros(CATALOG_RENEWAL) < micros(CATALOG_LEASE), "a lease is renewed before it ends");
const _: () = assert!(micros(AWAIT_CATALOG_ATTEMPT) > micros(CATALOG_LEASE) + 2_000_000);
const _: () = assert!(micros(AWAIT_CATALOG_TIMEOUT) > 2 * micros(CATALOG_LEASE));
