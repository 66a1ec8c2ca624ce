//! The seam between SQL and storage: keys, spans, and the async traits [`Database`] and [`Transaction`].
//!
//! `sql` speaks only these traits; `engine::local` implements them over one store without Raft and
//! `raft_groups::client` over many ranges. A transaction reads at one timestamp, buffers its writes and sends them at
//! [`Transaction::commit`]; reads see the writes that were buffered before the point that they ask for. Filters, projections, limits and partial aggregates travel
//! as an opaque [`ScanProgram`], which a [`ScanEvaluator`] (implemented by `sql`, injected by `server`) runs where
//! the rows are.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

use crate::hlc::Timestamp;
use crate::limits::WRITE_OVERHEAD_BYTES;

mod changes;
mod fence;

pub use changes::{Change, ChangesPage, ChangesRequest};
pub use fence::Fence;

/// Bytes of a value; shape and meaning belong to whoever wrote it.
pub type Value = Bytes;

/// A user key: any bytes, ordered bytewise, at most [`crate::limits::KEY_MAX_BYTES`] long.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key(Bytes);

impl Key {
    /// A key of these bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The smallest key greater than this one: the same bytes and a zero.
    pub fn successor(&self) -> Self {
        let mut bytes = Vec::with_capacity(self.0.len() + 1);
        bytes.extend_from_slice(&self.0);
        bytes.push(0);
        Self(bytes.into())
    }

    /// The smallest key greater than every key that starts with this one; the empty key where there is none
    /// (all bytes 0xff), which as the end of a [`Span`] means "to the end of the keyspace".
    pub fn prefix_end(&self) -> Self {
        let mut bytes = self.0.to_vec();
        while let Some(last) = bytes.pop() {
            if last < u8::MAX {
                bytes.push(last + 1);
                break;
            }
        }
        Self(bytes.into())
    }

    /// The bytes, without copying.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether this is the empty key, the smallest of all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Key {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// For people: `/Table/101/1/…` and `/System/3/…`. Whoever knows a table's layout can print its columns too.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = match self.as_ref().split_first() {
            Some((&keyspace::TABLES, rest)) => {
                f.write_str("/Table")?;
                let Some((id, rest)) = rest.split_first_chunk::<8>() else { return write_rest(f, rest) };
                write!(f, "/{}", u64::from_be_bytes(*id))?;
                rest
            }
            Some((&keyspace::SYSTEM, rest)) => {
                f.write_str("/System")?;
                rest
            }
            Some(_) | None => return fmt::Debug::fmt(self, f),
        };
        let Some((part, rest)) = rest.split_first() else { return Ok(()) };
        write!(f, "/{part}")?;
        write_rest(f, rest)
    }
}

fn write_rest(f: &mut fmt::Formatter<'_>, rest: &[u8]) -> fmt::Result {
    if rest.is_empty() { Ok(()) } else { write!(f, "/{}", rest.escape_ascii()) }
}

/// The keys from `start` (included) to `end` (excluded); an empty `end` means the end of the keyspace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First key of the span.
    pub start: Key,
    /// First key after the span; empty for "to the end".
    pub end: Key,
}

impl Span {
    /// The span from `start` to before `end`.
    pub fn new(start: Key, end: Key) -> Self {
        Self { start, end }
    }

    /// All keys that start with `prefix`.
    pub fn prefix(prefix: Key) -> Self {
        let end = prefix.prefix_end();
        Self { start: prefix, end }
    }

    /// The span that holds this key alone.
    pub fn point(key: Key) -> Self {
        let end = key.successor();
        Self { start: key, end }
    }

    /// Whether no key can be in the span.
    pub fn is_empty(&self) -> bool {
        !self.end.is_empty() && self.start >= self.end
    }

    /// Whether `key` lies in the span.
    pub fn contains(&self, key: &Key) -> bool {
        *key >= self.start && (self.end.is_empty() || *key < self.end)
    }

    /// Whether all keys of `other` lie in this span.
    pub fn covers(&self, other: &Span) -> bool {
        other.start >= self.start && (self.end.is_empty() || (!other.end.is_empty() && other.end <= self.end))
    }

    /// Whether the spans share a key; an empty span shares none.
    pub fn overlaps(&self, other: &Span) -> bool {
        !self.is_empty()
            && !other.is_empty()
            && (other.end.is_empty() || self.start < other.end)
            && (self.end.is_empty() || other.start < self.end)
    }

    /// The keys that both spans hold, or `None` where they share none.
    pub fn intersection(&self, other: &Span) -> Option<Span> {
        let start = self.start.clone().max(other.start.clone());
        let end = match (self.end.is_empty(), other.end.is_empty()) {
            (true, _) => other.end.clone(),
            (_, true) => self.end.clone(),
            _ => self.end.clone().min(other.end.clone()),
        };
        let span = Span { start, end };
        (!span.is_empty()).then_some(span)
    }
}

/// What a transaction is for.
#[derive(Clone, Debug, Default)]
pub struct TransactionOptions {
    /// Writes are refused, and nothing needs to be committed.
    pub read_only: bool,
    /// When the first attempt at the same work began; `None` for the first. Of transactions that wait for each other the
    /// youngest gives way: whoever is tried again keeps its age, so that it is not the youngest for ever.
    pub since: Option<Timestamp>,
}

impl TransactionOptions {
    /// Of a transaction that only reads.
    pub const fn reading() -> Self {
        Self { read_only: true, since: None }
    }
}

/// What must hold of a key when its write is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteCondition {
    /// Nothing: the write replaces what there is.
    None,
    /// The key has no live version, else the commit fails with [`KvError::ConditionFailed`]. Checked where the key
    /// lives, so that an insert needs no read before.
    Absent,
}

/// One buffered write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Key that is written.
    pub key: Key,
    /// New value; `None` deletes the key.
    pub value: Option<Value>,
    /// What must hold at commit.
    pub condition: WriteCondition,
}

impl Write {
    /// A write that replaces whatever there is.
    pub fn put(key: Key, value: Value) -> Self {
        Self { key, value: Some(value), condition: WriteCondition::None }
    }

    /// A write that fails the commit if the key is there.
    pub fn insert(key: Key, value: Value) -> Self {
        Self { key, value: Some(value), condition: WriteCondition::Absent }
    }

    /// Removes the key; no error where it does not exist.
    pub fn delete(key: Key) -> Self {
        Self { key, value: None, condition: WriteCondition::None }
    }

    /// Bytes that this write adds to a command, overhead included.
    pub fn size_bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Bytes::len) + WRITE_OVERHEAD_BYTES
    }
}

/// Order in which a scan visits keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest key first.
    Forward,
    /// Greatest key first.
    Reverse,
}

/// A program for a [`ScanEvaluator`]; its bytes carry a version of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanProgram(pub Bytes);

/// One page of a scan asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanRequest {
    /// Keys to visit; may reach over several ranges, of which a page covers at most one.
    pub span: Span,
    /// Order of visiting.
    pub direction: Direction,
    /// Runs where the rows are; `None` returns the pairs themselves.
    pub program: Option<ScanProgram>,
    /// Stop after this many pairs were read (before the program). At least 1.
    pub rows_max: u64,
    /// Stop when the answer has reached this many bytes.
    pub bytes_max: u64,
}

/// What a scan found: pairs, or what its program made of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScanRows {
    /// Live keys with their values, in the scan's direction. Answer to a request without a program.
    Pairs(Vec<(Key, Value)>),
    /// What the program put out, in its order.
    Outputs(Vec<Bytes>),
}

/// One page of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanPage {
    /// The rows of this page.
    pub rows: ScanRows,
    /// What is left to visit; `None` at the end, or when the program asked to stop.
    pub resume: Option<Span>,
    /// Whether the program asked to stop: then nothing is left, although more keys may lie behind.
    pub is_stopped: bool,
    /// Who served the page and how much it read, for EXPLAIN ANALYZE and metrics.
    pub served: ScanServed,
}

/// Who served a page of a scan, and what it cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanServed {
    /// Range that was read; 0 where there are no ranges.
    pub range_id: u64,
    /// Node that read it; 0 where there are no nodes.
    pub node_id: u64,
    /// Live pairs read.
    pub rows_read: u64,
    /// Pairs or outputs returned.
    pub rows_returned: u64,
    /// Versions stepped over: those of rows read, and of rows that are deleted or too new.
    pub visited: u64,
}

/// A store of versioned keys, local or distributed.
#[async_trait]
pub trait Database: Send + Sync + 'static {
    /// Starts a transaction, which reads as of now. Sends nothing.
    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn Transaction>, KvError>;
}

/// A point between the statements of a transaction: what was written before it is seen as of it.
///
/// ```text
/// write a | start_statement → s1 | write b | start_statement → s2 | write c
/// as of s1: a        as of s2: a, b        as of NEWEST: a, b, c
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(u64);

impl Sequence {
    /// Before all writes.
    pub const FIRST: Self = Self(0);
    /// Behind all writes, those of the running statement included.
    pub const NEWEST: Self = Self(u64::MAX);

    /// The point behind the writes that were made since this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A serializable transaction. Dropping it without [`Transaction::commit`] rolls it back.
#[async_trait]
pub trait Transaction: Send {
    /// The timestamp at which it reads; may rise while nothing read before it has changed.
    fn read_timestamp(&self) -> Timestamp;

    /// Tells that a new statement starts: its allowance for waiting on quorums (4.5 s) is full again. Returns the point
    /// as of which it reads: it sees what statements before it wrote, and never what it writes itself.
    fn start_statement(&mut self) -> Sequence;

    /// A point between statements to which [`Transaction::go_back_to`] goes back, until it is released: what SAVEPOINT leaves
    /// behind. Nothing is sent.
    fn mark(&mut self) -> Sequence;

    /// Undoes what was written since a mark, which stays; those behind it are gone. What was read since counts on: the commit
    /// fails where that has changed.
    ///
    /// # Panics
    /// Where there is no such mark.
    fn go_back_to(&mut self, mark: Sequence);

    /// Forgets a mark and those behind it; what was written since stays.
    ///
    /// # Panics
    /// Where there is no such mark.
    fn release(&mut self, mark: Sequence);

    /// Takes it for granted that nobody else writes these keys: a span that nobody else knows of. What is read there needs no
    /// check at the commit.
    fn own(&mut self, span: Span);

    /// Takes what was buffered for keys of a span out of the transaction, in key order: for whoever commits it apart, into a
    /// span that is the transaction's own.
    fn take_writes(&mut self, span: &Span) -> Vec<Write>;

    /// Lets reads from now on see what was committed up to then, unless that has changed what was read before.
    ///
    /// # Errors
    /// [`KvError::Retry`] where it has; those of reads.
    async fn raise_read(&mut self, upto: Timestamp) -> Result<(), KvError>;

    /// Newest values of these keys at the read timestamp, in the order asked, with what was buffered before `as_of` laid
    /// over them. Only the running statement's point, marks and [`Sequence::NEWEST`] can be asked for.
    async fn get_many_as_of(
        &mut self,
        keys: Vec<Key>,
        as_of: Sequence,
    ) -> Result<Vec<Option<Value>>, KvError>;

    /// Reads keys together that statements are about to ask for one after the other: each of these then needs no wait. They
    /// count as read from now on. Keys of an earlier call are forgotten; where nothing is gained, nothing is read.
    ///
    /// # Errors
    /// Those of reads; the statements ask by themselves then.
    async fn read_ahead(&mut self, keys: Vec<Key>) -> Result<(), KvError> {
        drop(keys);
        Ok(())
    }

    /// One page of a scan, with what was buffered before `as_of` laid over it; as [`Transaction::get_many_as_of`].
    async fn scan_as_of(&mut self, request: ScanRequest, as_of: Sequence) -> Result<ScanPage, KvError>;

    /// The values with all buffered writes: for what is no statement, and for whether a key is taken by now.
    async fn get_many(&mut self, keys: Vec<Key>) -> Result<Vec<Option<Value>>, KvError> {
        self.get_many_as_of(keys, Sequence::NEWEST).await
    }

    /// The page with all buffered writes: for what is no statement.
    async fn scan(&mut self, request: ScanRequest) -> Result<ScanPage, KvError> {
        self.scan_as_of(request, Sequence::NEWEST).await
    }

    /// One page of what has changed in a span, as of the read timestamp: of what is committed, whatever is buffered here. What
    /// was read as of [`ChangesRequest::after`], by anybody, is then known as of [`Transaction::read_timestamp`].
    async fn changes(&mut self, request: ChangesRequest) -> Result<ChangesPage, KvError>;

    /// Buffers a write. A second write to a key replaces the first (an `Absent` condition of the first stays); one with
    /// `Absent` looks at the buffered write instead: a value fails it at once, a deletion lets it through.
    ///
    /// # Errors
    /// [`KvError::ConditionFailed`] for an insert onto a buffered value,
    /// [`KvError::TooLarge`] for a key, value or sum of writes beyond the limits, [`KvError::Unsupported`] in a
    /// read-only transaction.
    fn write(&mut self, write: Write) -> Result<(), KvError>;

    /// Bytes buffered so far, as [`Write::size_bytes`] counts them.
    fn buffered_bytes(&self) -> usize;

    /// Commits all buffered writes at once, or none. After it the transaction is over, whatever the answer.
    ///
    /// `deadline`: the commit timestamp must lie below it (the catalog's lease); else [`KvError::Retry`].
    async fn commit(&mut self, deadline: Option<Timestamp>) -> Result<Committed, KvError>;

    /// Ends the transaction without effect. Buffered writes were never sent, so there is nothing to undo.
    async fn rollback(&mut self);
}

/// A commit that is durable on a quorum and visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The commit timestamp; for a transaction without writes, its read timestamp.
    pub timestamp: Timestamp,
}

/// Why an operation on keys failed, cut by what the caller does next.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KvError {
    /// Another transaction came first; nothing was done, the whole transaction may be run again (40001).
    #[error("restart transaction: {reason} at key {key}")]
    Retry {
        /// Key of the conflict.
        key: Key,
        /// What happened there, in words.
        reason: String,
    },
    /// A [`WriteCondition::Absent`] did not hold; nothing was done (SQL makes it 23505).
    #[error("key {key} exists already")]
    ConditionFailed {
        /// The key that exists.
        key: Key,
    },
    /// It is not known whether the commit took effect (40003). Never retried silently.
    #[error("result of commit {transaction} is unknown: {detail}")]
    Ambiguous {
        /// Id under which the commit's record can be asked for.
        transaction: Uuid,
        /// What was waited for, and how long.
        detail: String,
    },
    /// A range cannot reach its quorum; nothing was done.
    #[error("range r{range_id} is unavailable: {detail}")]
    Unavailable {
        /// The range.
        range_id: u64,
        /// The missing replicas and what to do, in words.
        detail: String,
    },
    /// This node's clock cannot be trusted; nothing was done. Another node may serve (57P03), and where the doubt is over
    /// so may this one (40001).
    #[error("{detail}")]
    Clock {
        /// How far it is off, and of whom.
        detail: String,
        /// Whether it can be trusted by now.
        is_over: bool,
    },
    /// Something that Quorate does not offer yet (0A000).
    #[error("{0}")]
    Unsupported(String),
    /// Beyond a limit; nothing was done (54000).
    #[error("{what} of {size} bytes is beyond the limit of {limit} bytes")]
    TooLarge {
        /// What is too large: "key", "value", "transaction", …
        what: &'static str,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The keys belong to no range: their table was dropped, or never was.
    #[error("no range holds key {key}")]
    NoRange {
        /// The key asked for.
        key: Key,
    },
    /// A scan program failed on a row: the statement's own error.
    #[error("{0}")]
    Program(ProgramError),
    /// Stored bytes that cannot be read, or a store that failed: for the log and the operator (XX001, 58030).
    #[error("storage: {0}")]
    Storage(String),
}

impl KvError {
    /// Whether the whole transaction may be run again as it is, with a chance to succeed: nothing of it was done.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Retry { .. } => true,
            Self::Clock { is_over, .. } => *is_over,
            Self::ConditionFailed { .. }
            | Self::Ambiguous { .. }
            | Self::Unavailable { .. }
            | Self::Unsupported(_)
            | Self::TooLarge { .. }
            | Self::NoRange { .. }
            | Self::Program(_)
            | Self::Storage(_) => false,
        }
    }

    /// Whether the commit may have taken effect: never run it again without asking first.
    pub const fn is_ambiguous(&self) -> bool {
        match self {
            Self::Ambiguous { .. } | Self::Storage(_) => true,
            Self::Retry { .. }
            | Self::ConditionFailed { .. }
            | Self::Unavailable { .. }
            | Self::Clock { .. }
            | Self::Unsupported(_)
            | Self::TooLarge { .. }
            | Self::NoRange { .. }
            | Self::Program(_) => false,
        }
    }
}

/// An error of a scan program, in SQL's terms but opaque here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProgramError {
    /// Five characters of SQLSTATE.
    pub sqlstate: String,
    /// The message for a person.
    pub message: String,
}

/// Runs scan programs; `sql` implements it, `server` injects it into the ranges and the coordinator.
pub trait ScanEvaluator: Send + Sync + 'static {
    /// Reads a program and makes it ready for one page.
    ///
    /// # Errors
    /// A program of an unknown version, or one that cannot be read.
    fn start(&self, program: &ScanProgram) -> Result<Box<dyn ScanRun>, ProgramError>;

    /// Reads a program's filter alone. By default every row passes.
    ///
    /// # Errors
    /// As [`ScanEvaluator::start`].
    fn filter(&self, program: &ScanProgram) -> Result<Box<dyn ScanFilter>, ProgramError> {
        let _ = program;
        Ok(Box::new(EveryRow))
    }
}

/// The filter of programs that have none.
struct EveryRow;

impl ScanFilter for EveryRow {
    fn passes(&mut self, _: &[u8], _: &Value) -> bool {
        true
    }
}

/// The filter of a program: which rows its output depends on.
pub trait ScanFilter: Send {
    /// Whether the program's output may depend on a row. Also where the filter fails on it: the statement would, too.
    fn passes(&mut self, key: &[u8], value: &Value) -> bool;
}

/// One run of a program over the pairs of one page.
pub trait ScanRun: Send {
    /// Takes the next live pair, and puts any output out.
    ///
    /// # Errors
    /// An error of the statement, such as a division by zero.
    fn pair(&mut self, key: &[u8], value: &Value, out: &mut Vec<Bytes>) -> Result<Flow, ProgramError>;

    /// Ends the page: partial aggregates are put out here, and merged by whoever asked.
    ///
    /// # Errors
    /// As [`ScanRun::pair`].
    fn finish(&mut self, out: &mut Vec<Bytes>) -> Result<(), ProgramError>;
}

/// Whether a scan goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Give the next pair.
    Continue,
    /// Enough (a limit was reached): the scan is over, also in other ranges.
    Stop,
}

/// The map of the keyspace: who may write where. The first byte of a key tells.
pub mod keyspace {
    use super::{Key, Span};

    /// All cluster metadata; range 1 holds exactly this prefix.
    pub const SYSTEM: u8 = 0x01;
    /// Under [`SYSTEM`]: node registry.
    pub const SYSTEM_NODES: u8 = 0x01;
    /// Under [`SYSTEM`]: cluster settings, one key each (name as bytes), value as text.
    pub const SYSTEM_SETTINGS: u8 = 0x02;
    /// Under [`SYSTEM`]: the SQL catalog; its keys and values belong to `sql`.
    pub const SYSTEM_CATALOG: u8 = 0x03;
    /// Under [`SYSTEM`]: the range directory.
    pub const SYSTEM_RANGES: u8 = 0x04;
    /// Under [`SYSTEM`]: counters of ids.
    pub const SYSTEM_COUNTERS: u8 = 0x05;
    /// Under [`SYSTEM`]: the placement log.
    pub const SYSTEM_PLACEMENT: u8 = 0x06;
    /// Under [`SYSTEM`]: the hash of the token for commands from other machines.
    pub const SYSTEM_TOKEN: u8 = 0x07;
    /// Under [`SYSTEM`]: nodes that were removed.
    pub const SYSTEM_REMOVED_NODES: u8 = 0x08;
    /// Tables: this byte, then the table's id as eight bytes, most significant first.
    pub const TABLES: u8 = 0x02;

    /// Everything that range 1 holds.
    pub fn system_span() -> Span {
        Span::prefix(Key::from(vec![SYSTEM]))
    }

    /// Prefix of one part of the system keyspace.
    pub fn system_prefix(part: u8) -> Key {
        Key::from(vec![SYSTEM, part])
    }

    /// Prefix of a table's rows and index entries.
    pub fn table_prefix(table_id: u64) -> Key {
        let mut bytes = Vec::with_capacity(9);
        bytes.push(TABLES);
        bytes.extend_from_slice(&table_id.to_be_bytes());
        Key::from(bytes)
    }

    /// All keys of a table, its indexes included.
    pub fn table_span(table_id: u64) -> Span {
        Span::prefix(table_prefix(table_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: &str, end: &str) -> Span {
        Span::new(Key::from(start.as_bytes()), Key::from(end.as_bytes()))
    }

    #[test]
    fn span_relations_know_the_end_of_the_keyspace() {
        let all = span("", "");
        assert!(all.covers(&span("a", "b")) && all.covers(&all) && !span("a", "z").covers(&all));
        assert!(span("a", "b").overlaps(&span("a", "")) && !span("a", "b").overlaps(&span("b", "")));
        assert_eq!(span("a", "m").intersection(&span("f", "")), Some(span("f", "m")));
        assert_eq!(span("a", "").intersection(&span("f", "")), Some(span("f", "")));
        assert_eq!(span("a", "b").intersection(&span("b", "c")), None);
        assert!(span("b", "a").is_empty() && span("a", "a").is_empty() && !all.is_empty());
    }

    #[test]
    fn key_prefix_end_is_the_first_key_behind() {
        let end = |bytes: &[u8]| Key::from(bytes).prefix_end();
        assert_eq!(end(b"a"), Key::from(b"b".as_slice()));
        assert_eq!(end(&[1, 255, 255]), Key::from(vec![2]));
        assert!(end(&[255, 255]).is_empty());
        let table = keyspace::table_span(7);
        assert!(table.contains(&keyspace::table_prefix(7)) && !table.contains(&keyspace::table_prefix(8)));
        assert!(!keyspace::system_span().overlaps(&table));
    }

    #[test]
    fn keys_are_readable() {
        let table = keyspace::table_prefix(101);
        let key = |rest: &[u8]| Key::from([table.as_ref(), rest].concat()).to_string();
        assert_eq!(key(b""), "/Table/101");
        assert_eq!(key(b"\x01"), "/Table/101/1");
        assert_eq!(key(b"\x01a\x80"), "/Table/101/1/a\\x80");
        assert_eq!(Key::from(vec![keyspace::TABLES]).to_string(), "/Table");
        assert_eq!(keyspace::system_prefix(keyspace::SYSTEM_RANGES).to_string(), "/System/4");
        assert_eq!(
            (Key::from(&b"a"[..]).to_string(), Key::default().to_string()),
            ("a".to_owned(), String::new())
        );
    }

    #[test]
    fn kv_errors_say_what_to_do_next() {
        let key = Key::default();
        let retry = KvError::Retry { key: key.clone(), reason: String::new() };
        assert!(retry.is_retryable() && !retry.is_ambiguous());
        let unknown = KvError::Ambiguous { transaction: Uuid::nil(), detail: String::new() };
        assert!(unknown.is_ambiguous() && !unknown.is_retryable());
        let failed = KvError::ConditionFailed { key };
        assert!(!failed.is_ambiguous() && !failed.is_retryable());
    }
}
