//! What a transaction over several ranges asks of them, and what others ask about it (design.md section 7).
//!
//! ```text
//!   coordinator   LayIntents (first with the record, at the anchor) ── LayIntents … ── Refresh … ── End ── Resolve … ── Settle
//!                      Heartbeat ────────────────────────────────────────────────▶
//!   whoever meets an intent   Push (at the anchor) ── Resolve (where it was met)
//! ```
//!
//! Invariant: each of these may be repeated; the repeat does nothing and gets an answer as good as the first.

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, Span, Write};
use quorate_engine::mvcc::intent::TransactionEnd;
use uuid::Uuid;

/// A step in the life of a transaction that has intents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transact {
    /// Lays intents; answered with [`super::Response::IntentsLaid`], or [`super::Response::State`] where the
    /// transaction is over already.
    LayIntents(IntentsRequest),
    /// The coordinator is alive; answered with [`super::Response::State`].
    Heartbeat {
        /// The transaction.
        transaction: Uuid,
        /// Where its record lies.
        anchor: Key,
    },
    /// Commits or aborts; answered with [`super::Response::State`], which may be the other of both.
    End(EndRequest),
    /// How is the owner of an intent? Answered with [`super::Response::State`]; one that has given no sign of life is
    /// aborted by the question.
    Push(PushRequest),
    /// The intents of these transactions, which are over, are gone; answered with [`super::Response::Settled`].
    Settle(Vec<RecordId>),
    /// What is left of transactions in a range; answered with [`super::Response::Swept`].
    Sweep(SweepRequest),
    /// Turns intents into what became of their transaction; answered with [`super::Response::Resolved`].
    Resolve(ResolveRequest),
}

/// A transaction, as its own requests name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionMeta {
    /// Its id.
    pub id: Uuid,
    /// Where its record lies: the first key it wrote, fixed for its life.
    pub anchor: Key,
    /// Its attempt, from 1.
    pub attempt: u32,
    /// When this attempt started: its requests are refused when that is too long ago.
    pub started: Timestamp,
    /// When the first attempt at the same work started: its rank among those that wait for each other.
    pub age: Timestamp,
    /// When it reads.
    pub read_timestamp: Timestamp,
}

impl TransactionMeta {
    /// Its rank.
    pub fn rank(&self) -> Rank {
        Rank { age: self.age, id: self.id }
    }
}

/// Which of two transactions gives way: the smaller rank is the older one, and goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// When it started, or the first of the attempts of which it is one.
    pub age: Timestamp,
    /// Its id, for those of the same age.
    pub id: Uuid,
}

/// Writes that become intents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentsRequest {
    /// Whose they are.
    pub transaction: TransactionMeta,
    /// Sequence of the first; each further one counts one up.
    pub sequence: u32,
    /// The writes, by key, one a key.
    pub writes: Vec<Write>,
    /// Whether the PENDING record goes with them: the anchor is one of their keys.
    pub with_record: bool,
}

/// The end of a transaction, by its coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndRequest {
    /// Which one.
    pub transaction: TransactionMeta,
    /// How it ends.
    pub decision: Decision,
    /// Where its intents lie.
    pub intent_spans: Vec<Span>,
}

/// How a coordinator wants its transaction to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// All intents are laid at or below the timestamp, and all that was read is unchanged up to there.
    Commit {
        /// The commit timestamp.
        timestamp: Timestamp,
        /// It must lie below this: the catalog's lease.
        deadline: Option<Timestamp>,
    },
    /// None of it takes effect.
    Abort,
}

/// A question about the owner of an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushRequest {
    /// Whose intent is in the way.
    pub holder: Holder,
    /// Rank of a transaction that waits and holds intents itself: where it is the older one, the holder is aborted.
    pub pusher: Option<Rank>,
}

/// Who holds a key that somebody else wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The transaction.
    pub transaction: Uuid,
    /// Where its record lies.
    pub anchor: Key,
    /// When it started.
    pub started: Timestamp,
    /// Timestamp of the intent.
    pub written: Timestamp,
}

/// Intents whose transaction is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveRequest {
    /// Whose they are.
    pub transaction: Uuid,
    /// What its record says.
    pub outcome: TransactionEnd,
    /// Where they lie; others' are left alone.
    pub spans: Vec<Span>,
}

/// A page of sweeping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepRequest {
    /// Keys of the range.
    pub span: Span,
    /// What is looked for.
    pub wanted: Leftover,
}

/// What transactions leave behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// Intents that nobody has met for a while: few, and somebody may be about to wait for them.
    Intents,
    /// Records that nobody may ask for any more, which the range removes: as many as there were transactions, and in
    /// nobody's way.
    Records {
        /// The record behind which the page begins; `None` for the first.
        after: Option<RecordId>,
        /// Records whose intents the asker has resolved, every one.
        resolved: Vec<RecordId>,
    },
    /// Every record, however young, of a range that is about to go: of what is over the intents, and of what is not the
    /// owners. None is removed.
    AllRecords {
        /// The record behind which the page begins; `None` for the first.
        after: Option<RecordId>,
    },
}

/// Which record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordId {
    /// The transaction.
    pub transaction: Uuid,
    /// Where the record lies.
    pub anchor: Key,
}

/// What a page of sweeping found, and left for the asker to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Owners of old intents, or transactions that are not over: to be pushed, and their intents to be resolved.
    pub abandoned: Vec<Holder>,
    /// Transactions that are over, whose intents have to be resolved before their records may go.
    pub ended: Vec<EndedTransaction>,
    /// Of records: where the next page begins; `None` where there is none.
    pub next: Option<RecordId>,
}

/// A transaction that is over, and where its intents lay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedTransaction {
    /// Its record.
    pub id: RecordId,
    /// How it ended.
    pub outcome: TransactionEnd,
    /// Where its intents lay.
    pub intent_spans: Vec<Span>,
}

/// How a transaction is, as its record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordState {
    /// Not over, and its coordinator is alive.
    Pending,
    /// Over.
    Ended(TransactionEnd),
}

impl Transact {
    /// The keys that it is about; all of them lie in one range.
    pub fn spans(&self) -> Vec<Span> {
        match self {
            Self::LayIntents(request) => {
                let anchor = request.with_record.then(|| Span::point(request.transaction.anchor.clone()));
                let writes = request.writes.iter().map(|write| Span::point(write.key.clone()));
                anchor.into_iter().chain(writes).collect()
            }
            Self::Heartbeat { anchor, .. } => vec![Span::point(anchor.clone())],
            Self::End(request) => vec![Span::point(request.transaction.anchor.clone())],
            Self::Push(request) => vec![Span::point(request.holder.anchor.clone())],
            Self::Resolve(request) => request.spans.clone(),
            Self::Sweep(request) => vec![request.span.clone()],
            Self::Settle(records) => {
                records.iter().map(|record| Span::point(record.anchor.clone())).collect()
            }
        }
    }

    /// Whether an answer that never comes leaves a transaction's fate open.
    pub fn decides(&self) -> bool {
        match self {
            Self::End(request) => matches!(request.decision, Decision::Commit { .. }),
            Self::LayIntents(_)
            | Self::Heartbeat { .. }
            | Self::Push(_)
            | Self::Resolve(_)
            | Self::Settle(_)
            | Self::Sweep(_) => false,
        }
    }
}
