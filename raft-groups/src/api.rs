//! What is asked of a range and what it answers: the vocabulary that replicas and clients share.
//!
//! A [`RangeRequest`] names the range and the generation that the sender believes in; a replica that does not cover
//! the keys answers [`RangeError::Mismatch`] with what it knows. The bytes are those of `wire::range` and its neighbours.

use bytes::Bytes;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{
    ChangesPage, ChangesRequest, Key, ProgramError, ScanPage, ScanRequest, Span, Write,
};
use quorate_engine::kv_reads::ReadSpan;
use quorate_engine::store::StoreError;
use quorate_placement::topology::{NodeId, RangeId};
use uuid::Uuid;

use crate::descriptor::RangeDescriptor;

mod transact;

pub use transact::{
    Decision, EndRequest, EndedTransaction, Holder, IntentsRequest, Leftover, PushRequest, Rank, RecordId,
    RecordState, ResolveRequest, SweepRequest, Swept, Transact, TransactionMeta,
};

/// A request to one range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeRequest {
    /// The range asked.
    pub range_id: RangeId,
    /// The generation of its descriptor in the sender's cache.
    pub generation: u64,
    /// What is asked; all its keys lie in the range, as far as the sender knows.
    pub request: Request,
}

/// What a range can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Newest values of keys, in the order asked.
    Get {
        /// The keys.
        keys: Vec<Key>,
        /// As of when.
        read: ReadAt,
    },
    /// One page of a scan.
    Scan {
        /// The page.
        scan: ScanRequest,
        /// As of when.
        read: ReadAt,
    },
    /// One page of what has changed in a span since a moment.
    Changes {
        /// The page.
        changes: ChangesRequest,
        /// As of when.
        read: ReadAt,
    },
    /// May a transaction that read these spans at `after` read them at `upto` instead? Yes if nothing was written in
    /// between that counts; nothing will be afterwards.
    Refresh {
        /// What was read.
        spans: Vec<ReadSpan>,
        /// When it was read.
        after: Timestamp,
        /// The new read timestamp.
        upto: Timestamp,
        /// The transaction itself, where it has laid intents: these do not count.
        own: Option<Uuid>,
    },
    /// Commits a transaction whose reads and writes lie in this range alone.
    Commit(CommitRequest),
    /// A step of a transaction that has intents.
    Transact(Transact),
    /// How did a transaction end? Asked after a lost answer; the record lives at the transaction's anchor key.
    QueryTransaction {
        /// The transaction.
        transaction: Uuid,
        /// Its first written key.
        anchor: Key,
        /// When it started: of those older than ten minutes the answer is [`TransactionOutcome::Unknown`].
        started: Timestamp,
    },
}

/// As of when a strong read reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadAt {
    /// Versions up to here are seen.
    pub timestamp: Timestamp,
    /// A version after `timestamp` and up to here might be older in real time: [`RangeError::Uncertain`].
    pub uncertainty_limit: Timestamp,
}

/// A commit in one range (design.md section 7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitRequest {
    /// The transaction; a repeat of the same id and attempt does nothing and gets the same answer.
    pub transaction: Uuid,
    /// Attempt of the transaction, from 1.
    pub attempt: u32,
    /// When it started; older than ten minutes is refused.
    pub started: Timestamp,
    /// Its read timestamp.
    pub read_timestamp: Timestamp,
    /// What it read there; refreshed under the commit's latches when its timestamp has to rise.
    pub read_spans: Vec<ReadSpan>,
    /// Its writes, by key, one a key.
    pub writes: Vec<Write>,
    /// The commit timestamp must lie below it: the catalog's lease.
    pub deadline: Option<Timestamp>,
}

impl CommitRequest {
    /// The key where the transaction's record lives: the first written one.
    pub fn anchor(&self) -> Option<&Key> {
        self.writes.first().map(|write| &write.key)
    }
}

/// What a range answers when all went well; one variant a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// To [`Request::Get`]: one entry a key, of as many keys as fit into an answer, the first at least.
    Values(Vec<Option<Bytes>>),
    /// To [`Request::Scan`]. `resume` is cut at the range's end: the rest of the request's span is the asker's to
    /// know.
    Page(ScanPage),
    /// To [`Request::Changes`]. `resume` is cut as that of a page.
    Changes(ChangesPage),
    /// To [`Request::Refresh`]: nothing that counts has changed, but for what is left to be asked for.
    Refreshed {
        /// What was not looked at: there was too much for one answer.
        left: Vec<ReadSpan>,
    },
    /// To [`Request::Commit`]: durable on a quorum and visible at this timestamp, which the local clock has passed.
    Committed(Timestamp),
    /// To [`Request::QueryTransaction`].
    Outcome(TransactionOutcome),
    /// To [`Transact::LayIntents`]: they are there, and the commit comes at or after this timestamp.
    IntentsLaid(Timestamp),
    /// To [`Transact::Heartbeat`], [`Transact::End`] and [`Transact::Push`].
    State(RecordState),
    /// To [`Transact::Resolve`].
    Resolved {
        /// Where intents may be left: there were too many for one command.
        rest: Vec<Span>,
    },
    /// To [`Transact::Settle`].
    Settled,
    /// To [`Transact::Sweep`].
    Swept(Swept),
}

/// How a transaction ended, as its record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionOutcome {
    /// Committed at this timestamp.
    Committed(Timestamp),
    /// There is no record, and from now on none of this attempt can come into being.
    Aborted,
    /// Too old to know.
    Unknown,
}

/// Why a range did not answer; cut by what the asker does next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Not here: ask the node in `leaseholder`, or any other replica.
    #[error("{range_id} is not led here")]
    NotLeaseholder {
        /// The range.
        range_id: RangeId,
        /// Who may lead it.
        leaseholder: Option<NodeId>,
    },
    /// The replica does not cover the keys, or does not exist: learn from what it knows, and ask again.
    #[error("{range_id} does not hold these keys here")]
    Mismatch {
        /// The range asked.
        range_id: RangeId,
        /// Descriptors known here that overlap the keys.
        known: Vec<RangeDescriptor>,
    },
    /// A version within the uncertainty window: read again at or above its timestamp.
    #[error("key {key} was written at {timestamp}, within the clocks' uncertainty")]
    Uncertain {
        /// The key.
        key: Key,
        /// Timestamp of the version.
        timestamp: Timestamp,
    },
    /// Another transaction wrote what this one had read. Nothing was done.
    #[error("key {key} was written at {timestamp} by another transaction")]
    Conflict {
        /// The key.
        key: Key,
        /// Timestamp of the other's version.
        timestamp: Timestamp,
    },
    /// An intent of another transaction is in the way. Nothing was done: push its owner, resolve, and ask again.
    #[error("key {key} is locked by transaction {}", holder.transaction)]
    Locked {
        /// The key.
        key: Key,
        /// Whose intent it is.
        holder: Box<Holder>,
    },
    /// A commit's transaction has read more than is looked at again under latches. Nothing was done: with its intents laid,
    /// what it read can be refreshed in pages.
    #[error("more was read than can be looked at again in one step")]
    TooMuchRead,
    /// A write's condition does not hold. Nothing was done.
    #[error("key {key} exists already")]
    ConditionFailed {
        /// The key.
        key: Key,
    },
    /// The commit would come after its deadline. Nothing was done.
    #[error("the commit would come at {timestamp}, after its deadline")]
    PastDeadline {
        /// Timestamp that it would have had.
        timestamp: Timestamp,
    },
    /// The range has no quorum, or none in time. Nothing was done.
    #[error("{range_id} is unavailable: {detail}")]
    Unavailable {
        /// The range.
        range_id: RangeId,
        /// Missing replicas with their nodes, how long, and what to do.
        detail: String,
    },
    /// The range is too large, and takes no writes before it is split. Nothing was done: ask again.
    #[error("{range_id} has {size_bytes} bytes, and takes no more writes before it is split")]
    Busy {
        /// The range.
        range_id: RangeId,
        /// About how many bytes it has.
        size_bytes: u64,
    },
    /// A commit was proposed and its fate is not known: ask for its record.
    #[error("the fate of a commit in {range_id} is unknown: {detail}")]
    Ambiguous {
        /// The range.
        range_id: RangeId,
        /// What was waited for.
        detail: String,
    },
    /// The scan program failed on a row.
    #[error("{0}")]
    Program(ProgramError),
    /// The transaction is older than the time for which records are kept. Nothing was done, and nothing of it can commit.
    #[error("the transaction began more than ten minutes ago; nothing was written")]
    TooOld,
    /// Beyond a limit, or of a transaction that is over.
    #[error("refused: {0}")]
    Refused(String),
    /// The store failed or holds damaged bytes.
    #[error("storage: {0}")]
    Storage(String),
    /// Damage on the disk came in the way, and there is no other replica to ask. Nothing was done.
    #[error("storage: {0}")]
    Damaged(String),
}

impl From<StoreError> for RangeError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged { .. } => Self::Damaged(error.to_string()),
            StoreError::Device { .. } | StoreError::Corruption(_) | StoreError::Locked { .. } => {
                Self::Storage(error.to_string())
            }
        }
    }
}
