//! The limits of keys, values and transactions, each once, and how they stand to each other.
//!
//! The relations are checked when this is compiled.

// Keys, values and commands

/// Longest user key in bytes: long enough for any primary key of sane columns, short enough for a RocksDB block.
pub const KEY_MAX_BYTES: usize = 16 << 10;
/// Longest value in bytes (design.md section 12, "row").
pub const VALUE_MAX_BYTES: usize = 512 << 10;
/// Most bytes that one commit, and so one replicated command, may carry (design.md section 12, "command").
pub const COMMAND_MAX_BYTES: usize = 1 << 20;
/// Allowance per write for lengths and flags in the command's encoding.
pub const WRITE_OVERHEAD_BYTES: usize = 24;

// Transactions

/// Most bytes of writes in one transaction (design.md section 12, "transaction").
pub const TRANSACTION_MAX_BYTES: usize = 64 << 20;
/// Spans that a transaction remembers before it merges neighbours: some tens of kilobytes in a commit at the most.
pub const READ_SPANS_MAX: usize = 512;
/// Programs whose spans a transaction keeps apart.
pub const FILTERS_MAX: usize = 8;
/// Longest program that is kept as a filter, in bytes.
pub const FILTER_BYTES_MAX: usize = 4 << 10;
/// Spans that are remembered for each program before neighbours are merged.
pub const SPANS_A_FILTER_MAX: usize = 64;

// How they stand to each other

const _: () = assert!(
    KEY_MAX_BYTES + VALUE_MAX_BYTES + WRITE_OVERHEAD_BYTES < COMMAND_MAX_BYTES,
    "one row always fits one command"
);
const _: () =
    assert!(COMMAND_MAX_BYTES < TRANSACTION_MAX_BYTES, "a transaction may be larger than a command");
const _: () =
    assert!(FILTERS_MAX * SPANS_A_FILTER_MAX <= READ_SPANS_MAX, "filters cost no more than spans alone");
const _: () =
    assert!(FILTERS_MAX * FILTER_BYTES_MAX < COMMAND_MAX_BYTES / 16, "filters are a small part of a commit");
