//! Which session variables there are, with the values that they begin with and those that they may have.
//!
//! Names, values and defaults are PostgreSQL's. What Quorate cannot do is refused; what makes no difference to any answer
//! (how a planner searches, where memory goes) is checked, kept and shown, because drivers and tools send it.

use super::values::Kind;

/// A variable that exists.
pub struct Definition {
    /// Its name, as it is shown; any case finds it.
    pub name: &'static str,
    /// Its value where nobody has set it.
    pub default: &'static str,
    /// What it may be set to.
    pub kind: Kind,
    /// The client is told its value at the start and at each change.
    pub is_reported: bool,
    /// What SHOW ALL says of it.
    pub description: &'static str,
}

/// One that a client is not told of.
const fn quiet(
    name: &'static str,
    default: &'static str,
    kind: Kind,
    description: &'static str,
) -> Definition {
    Definition { name, default, kind, is_reported: false, description }
}

/// One that a client is told of.
const fn told(
    name: &'static str,
    default: &'static str,
    kind: Kind,
    description: &'static str,
) -> Definition {
    Definition { name, default, kind, is_reported: true, description }
}

/// Version that clients are told: PostgreSQL's whose dialect is spoken, then ours.
const SERVER_VERSION: &str = concat!("15.0 (Quorate ", env!("CARGO_PKG_VERSION"), ")");
/// Levels of isolation; all are served as the strictest.
const LEVELS: &[&str] = &["serializable", "repeatable read", "read committed", "read uncommitted"];
/// Severities of messages, the least first.
pub const SEVERITIES: &[&str] =
    &["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"];
const COMMITS: &[&str] = &["local", "remote_write", "remote_apply", "on", "off"];

/// Looked at before each write outside of a transaction, and when one begins.
pub const DEFAULT_READ_ONLY: &str = "default_transaction_read_only";
/// Looked at for each statement; 0 is none.
pub const STATEMENT_TIMEOUT: &str = "statement_timeout";
/// Looked at whenever the client is waited for.
pub const IDLE_TIMEOUT: &str = "idle_session_timeout";
/// The same within a transaction.
pub const IDLE_IN_TRANSACTION_TIMEOUT: &str = "idle_in_transaction_session_timeout";
/// Looked at when a notice is due.
pub const CLIENT_MIN_MESSAGES: &str = "client_min_messages";
/// Levels of isolation that transactions begin with.
pub const DEFAULT_ISOLATION: &str = "default_transaction_isolation";
/// Whether transactions begin as deferrable.
pub const DEFAULT_DEFERRABLE: &str = "default_transaction_deferrable";
/// The open transaction's own.
pub const DEFERRABLE: &str = "transaction_deferrable";
/// The open transaction's own, which the session answers for.
pub const READ_ONLY: &str = "transaction_read_only";

/// All variables, by name.
pub const DEFINITIONS: &[Definition] = &[
    told("application_name", "", Kind::ClientName, "Name of the client's program."),
    quiet("bytea_output", "hex", Kind::Only(&["hex"]), "How bytes are shown."),
    quiet("check_function_bodies", "on", Kind::Bool, "No effect: there are no functions of users."),
    told("client_encoding", "UTF8", Kind::Encoding, "Encoding of the client's text; only UTF8."),
    quiet(CLIENT_MIN_MESSAGES, "notice", Kind::OneOf(SEVERITIES), "Least severity of notices that are sent."),
    told("DateStyle", "ISO, MDY", Kind::DateStyle, "How dates are shown; only ISO."),
    quiet("default_table_access_method", "heap", Kind::Only(&["heap"]), "No effect: there is one kind."),
    quiet("default_tablespace", "", Kind::Only(&[""]), "No effect: placement decides."),
    quiet(DEFAULT_DEFERRABLE, "off", Kind::Bool, "No effect: no read waits for others."),
    quiet(DEFAULT_ISOLATION, "serializable", Kind::Only(LEVELS), "Always serializable."),
    told(DEFAULT_READ_ONLY, "off", Kind::Bool, "Whether transactions may not write unless they say so."),
    quiet("escape_string_warning", "on", Kind::Bool, "No effect: backslashes in strings are plain."),
    quiet("extra_float_digits", "1", Kind::Integer(1, 3), "Doubles are shown exactly, which is 1 to 3."),
    quiet("geqo", "on", Kind::Bool, "No effect on the planner."),
    quiet(
        IDLE_IN_TRANSACTION_TIMEOUT,
        "0",
        Kind::MILLISECONDS,
        "Time after which a client that is silent within a transaction is cut off; 0 for never.",
    ),
    quiet(IDLE_TIMEOUT, "0", Kind::MILLISECONDS, "The same outside of transactions."),
    told("in_hot_standby", "off", Kind::Fixed, "All nodes take writes."),
    told("integer_datetimes", "on", Kind::Fixed, "Timestamps are whole microseconds."),
    told("IntervalStyle", "postgres", Kind::Only(&["postgres"]), "How intervals are shown."),
    told("is_superuser", "on", Kind::Fixed, "There are no roles yet."),
    quiet("jit", "on", Kind::Bool, "No effect: nothing is compiled."),
    quiet("lock_timeout", "0", Kind::MILLISECONDS, "No effect: no statement waits for locks."),
    quiet(
        "maintenance_work_mem",
        "64MB",
        Kind::KILOBYTES,
        "No effect: a statement's memory has its own limit.",
    ),
    quiet("max_identifier_length", "63", Kind::Fixed, "Longest name in bytes."),
    quiet("row_security", "on", Kind::Bool, "No effect: there are no policies for rows."),
    quiet("search_path", "\"$user\", public", Kind::Text, "No effect: there is one schema."),
    told("server_encoding", "UTF8", Kind::Fixed, "Encoding of stored text."),
    told("server_version", SERVER_VERSION, Kind::Fixed, "The PostgreSQL whose dialect is spoken."),
    quiet("server_version_num", "150000", Kind::Fixed, "The same as a number."),
    told("session_authorization", "", Kind::Fixed, "The user."),
    told("standard_conforming_strings", "on", Kind::On, "Backslashes in strings are plain."),
    quiet(
        STATEMENT_TIMEOUT,
        "0",
        Kind::MILLISECONDS,
        "Time after which a statement is cancelled; 0 for never.",
    ),
    quiet("synchronous_commit", "on", Kind::OneOf(COMMITS), "No effect: commits are synced on a quorum."),
    told("TimeZone", "UTC", Kind::Zone, "Zone in which timestamps are shown; only UTC."),
    quiet(DEFERRABLE, "off", Kind::Bool, "No effect: no read waits for others."),
    quiet("transaction_isolation", "serializable", Kind::Only(LEVELS), "Always serializable."),
    quiet(READ_ONLY, "off", Kind::Fixed, "Whether the transaction may not write."),
    quiet("work_mem", "4MB", Kind::KILOBYTES, "No effect: a statement's memory has its own limit."),
    quiet("xmloption", "content", Kind::OneOf(&["content", "document"]), "No effect: there is no XML."),
];
