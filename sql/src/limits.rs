//! The limits of statements and of the work that they make, each once, and how they stand to each other.
//!
//! What bounds one file's own work alone stands there. The relations are checked when this is compiled.

use std::time::Duration;

use quorate_engine::limits::{COMMAND_MAX_BYTES, KEY_MAX_BYTES, TRANSACTION_MAX_BYTES, VALUE_MAX_BYTES};

// A statement

/// Longest text of statements in bytes (design.md section 12, "statement").
pub const STATEMENT_MAX_BYTES: usize = 64 << 20;
/// Most values of an IN list: each takes some hundred bytes of memory while its statement is read.
pub const LIST_MAX: usize = 1 << 20;
/// Deepest recursion of the grammar, far above what is let through by the counts below.
pub const RECURSION_MAX: usize = 500;
/// Most tokens of a text: an IN list or an INSERT of a million values has two million.
pub const TOKENS_MAX: usize = 4_000_000;
/// Deepest nesting of parentheses, brackets and CASE.
pub const NESTING_MAX: usize = 64;
/// Most operators in one chain with the chains around it: a depth of recursion that any stack of ours holds.
pub const OPERATORS_MAX: usize = 400;
/// Most ANDs and ORs in one chain with the chains around it.
pub const CONDITIONS_MAX: usize = 2_000;
/// Most parameters of a statement, as the wire protocol counts them.
pub const PARAMETERS_MAX: usize = 65_535;

/// Most elements of an array, which may stand for a list.
pub const ARRAY_ELEMENTS_MAX: usize = LIST_MAX;
/// Most bytes of an array in memory (estimated), wherever it comes from.
pub const ARRAY_MAX_BYTES: usize = 128 << 20;

// Tables and results

/// Most columns of a result: as many as the wire protocol's count of columns holds in PostgreSQL.
pub const RESULT_COLUMNS_MAX: usize = 1_664;
/// Most columns of a table, as in PostgreSQL.
pub const TABLE_COLUMNS_MAX: usize = 1_600;
/// Longest name of a table or column in bytes, as in PostgreSQL.
pub const NAME_MAX_BYTES: usize = 63;
/// Most rows in one call of [`crate::session::ResultSink::rows`].
pub const SINK_ROWS_MAX: usize = 1_000;
/// Bytes (estimated) at which a batch is handed to [`crate::session::ResultSink::rows`] even when it has fewer rows.
pub const SINK_BYTES_MAX: usize = 256 << 10;

/// Bytes buffered in a transaction beyond which rows of tables that it has made itself are stored behind each statement.
pub const OWN_TABLES_BUFFERED_MAX_BYTES: usize = 8 << 20;

/// Most savepoints of a transaction at a time: each may keep a value of each key that is written behind it.
pub const SAVEPOINTS_MAX: usize = 10_000;

// Work

/// Most bytes (estimated) that one operator may keep: sorting, grouping and DISTINCT do not spill to disk yet, and a
/// node serves up to a thousand connections.
pub const OPERATOR_MEMORY_MAX_BYTES: usize = 64 << 20;
/// Rows that an operator that has them all in memory puts out at once.
pub const BATCH_ROWS: usize = 1_000;
/// Most rows that one page reads: some ten milliseconds of work, so that a cancel is noticed soon.
pub const SCAN_PAGE_ROWS: u64 = 50_000;
/// Bytes at which a page ends: as large as a command, well below the limits of node-to-node calls.
pub const SCAN_PAGE_BYTES: u64 = 1 << 20;
/// Keys of point lookups fetched at once.
pub const POINTS_AT_ONCE: usize = 1_000;
/// Bytes of a program that is sent with each page, and read anew by whoever serves it.
pub const PROGRAM_MAX_BYTES: usize = 64 << 10;
/// Most groups that a page of a scan keeps in memory.
pub const GROUPS_MAX: usize = 10_000;
/// Deepest nesting of an expression that can be sent or stored, in levels: as deep as reading fits a thread's stack.
pub const EXPR_DEPTH_MAX: u32 = 400;
/// Most points of one scan: as many values as a list may have. They are fetched a bounded number at a time.
pub const POINTS_MAX: usize = LIST_MAX;
/// Most spans of one scan, each of which costs a request; beyond it fewer key columns are used.
pub const SPANS_MAX: usize = 1_000;
/// Most attempts at one statement, the first included: with the waits between them about two seconds.
pub const ATTEMPTS_MAX: u32 = 12;
/// How long a change of the catalog is tried: a hundred clients that create tables at once have their turn meanwhile.
pub const CATALOG_PATIENCE: Duration = Duration::from_secs(20);
/// Longest wait of a statement for a job that holds the writers of its table.
pub const HELD_WRITERS_WAIT_MAX: Duration = Duration::from_secs(300);

// Sequences

/// Values of a sequence that a node takes at once, where as many are left for others many times over.
pub const SEQUENCE_BLOCK_VALUES: u32 = 1_000;

// COPY

/// Bytes of writes in one part: most of a command, the rest being room for what the command says of itself.
pub const COPY_PART_MAX_BYTES: usize = COMMAND_MAX_BYTES - (64 << 10);
/// Longest line in bytes: a row of the largest size, with quotes and escapes.
pub const COPY_LINE_MAX_BYTES: usize = 2 << 20;

// What a session keeps

/// Most texts of a session: a driver's few, and those of an application with many.
pub const TEXTS_MAX: usize = 100;
/// Most bytes of all texts of a session together. What was read of a text takes some ten times its bytes, and a node has
/// up to a thousand sessions.
pub const TEXTS_MAX_BYTES: usize = 64 << 10;
/// Longest text that is kept, in bytes. Longer ones hold data (a bulk INSERT), and seldom come again.
pub const KEPT_TEXT_MAX_BYTES: usize = 4 << 10;
/// Most variables of an application's own, as `app.tenant`: each has a text of some kilobytes at most.
pub const CUSTOM_VARIABLES_MAX: usize = 250;
/// Most named prepared statements of a session: some drivers make one per query text and close none.
pub const PREPARED_MAX: usize = 10_000;
/// Most bytes of the texts of all statements that a session has prepared by PREPARE. What was read of a text takes some ten
/// times its bytes.
pub const PREPARED_MAX_BYTES: usize = 1 << 20;
/// Most cursors of a transaction: each may hold rows.
pub const CURSORS_MAX: usize = 100;
/// Most bytes of rows that statements of a pipeline add together, ahead of their turns; more come in the next part.
pub const RUNS_AHEAD_MAX_BYTES: usize = 1 << 20;

// How they stand to each other

const ROW_BYTES_MAX: usize = KEY_MAX_BYTES + VALUE_MAX_BYTES;

const _: () =
    assert!(TOKENS_MAX > 2 * LIST_MAX, "a list of the longest kind has a token and a comma for each value");
const _: () = assert!(
    NESTING_MAX < OPERATORS_MAX && OPERATORS_MAX < RECURSION_MAX,
    "the grammar never comes to its own end"
);
const _: () =
    assert!(OPERATORS_MAX <= EXPR_DEPTH_MAX as usize, "what a statement may say can be sent to the ranges");
const _: () = assert!(PARAMETERS_MAX <= LIST_MAX);
const _: () =
    assert!(ARRAY_ELEMENTS_MAX <= LIST_MAX, "a list of an array's elements is one that a text may have");
const _: () = assert!(POINTS_AT_ONCE <= POINTS_MAX && SPANS_MAX <= POINTS_MAX);
const _: () = assert!(TABLE_COLUMNS_MAX <= RESULT_COLUMNS_MAX, "SELECT * has as many columns as its table");
const _: () = assert!(SCAN_PAGE_BYTES > ROW_BYTES_MAX as u64, "a page takes at least one row");
const _: () = assert!(SINK_BYTES_MAX < OPERATOR_MEMORY_MAX_BYTES && BATCH_ROWS <= SINK_ROWS_MAX);
const _: () = assert!(COPY_PART_MAX_BYTES > ROW_BYTES_MAX, "a part takes at least one row");
const _: () = assert!(COPY_LINE_MAX_BYTES > 2 * ROW_BYTES_MAX && COPY_LINE_MAX_BYTES < STATEMENT_MAX_BYTES);
const _: () =
    assert!(STATEMENT_MAX_BYTES <= TRANSACTION_MAX_BYTES, "the rows of a statement fit a transaction");
const _: () = assert!(KEPT_TEXT_MAX_BYTES <= TEXTS_MAX_BYTES && TEXTS_MAX_BYTES < STATEMENT_MAX_BYTES);
