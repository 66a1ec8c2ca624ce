//! Steps of transactions with intents, and what is told of them: [`Transact`], [`RecordState`], [`Swept`].

use bytes::Bytes;
use quorate_engine::hlc::Timestamp;
use quorate_engine::mvcc::intent::TransactionEnd;

use super::pieces::{Nothing, SpanForm, Uuid, own_key, spans_of};
use super::range::WriteForm;
use super::{WireError, forms, must, read_all, read_maybe};
use crate::api::{
    Decision, EndRequest, EndedTransaction, Holder, IntentsRequest, Leftover, PushRequest, Rank, RecordId,
    RecordState, ResolveRequest, SweepRequest, Swept, Transact, TransactionMeta,
};

const STEP: &str = "a step of a transaction";
const STATE: &str = "a transaction's state";
const LEFT: &str = "what transactions left behind";

/// A [`Transact`].
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TransactForm {
    #[prost(oneof = "StepForm", tags = "1, 2, 3, 4, 5, 6, 7")]
    step: Option<StepForm>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum StepForm {
    #[prost(message, tag = "1")]
    LayIntents(IntentsForm),
    #[prost(message, tag = "2")]
    Heartbeat(RecordIdForm),
    #[prost(message, tag = "3")]
    End(EndForm),
    #[prost(message, tag = "4")]
    Push(PushForm),
    #[prost(message, tag = "5")]
    Resolve(ResolveForm),
    #[prost(message, tag = "6")]
    Sweep(SweepForm),
    #[prost(message, tag = "7")]
    Settle(RecordIdsForm),
}

#[derive(Clone, PartialEq, prost::Message)]
struct MetaForm {
    #[prost(message, optional, tag = "1")]
    id: Option<Uuid>,
    #[prost(bytes = "bytes", tag = "2")]
    anchor: Bytes,
    #[prost(uint32, tag = "3")]
    attempt: u32,
    #[prost(fixed64, tag = "4")]
    started: u64,
    #[prost(fixed64, tag = "5")]
    age: u64,
    #[prost(fixed64, tag = "6")]
    read_timestamp: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct IntentsForm {
    #[prost(message, optional, tag = "1")]
    transaction: Option<MetaForm>,
    #[prost(uint32, tag = "2")]
    sequence: u32,
    #[prost(message, repeated, tag = "3")]
    writes: Vec<WriteForm>,
    #[prost(bool, tag = "4")]
    with_record: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct EndForm {
    #[prost(message, optional, tag = "1")]
    transaction: Option<MetaForm>,
    #[prost(oneof = "DecisionForm", tags = "2, 3")]
    decision: Option<DecisionForm>,
    #[prost(message, repeated, tag = "4")]
    intent_spans: Vec<SpanForm>,
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
enum DecisionForm {
    #[prost(message, tag = "2")]
    Commit(CommitAtForm),
    #[prost(message, tag = "3")]
    Abort(Nothing),
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct CommitAtForm {
    #[prost(fixed64, tag = "1")]
    timestamp: u64,
    #[prost(fixed64, optional, tag = "2")]
    deadline: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PushForm {
    #[prost(message, optional, tag = "1")]
    holder: Option<HolderForm>,
    #[prost(message, optional, tag = "2")]
    pusher: Option<RankForm>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct RankForm {
    #[prost(fixed64, tag = "1")]
    age: u64,
    #[prost(message, optional, tag = "2")]
    id: Option<Uuid>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResolveForm {
    #[prost(message, optional, tag = "1")]
    transaction: Option<Uuid>,
    #[prost(message, optional, tag = "2")]
    outcome: Option<OutcomeForm>,
    #[prost(message, repeated, tag = "3")]
    spans: Vec<SpanForm>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SweepForm {
    #[prost(message, optional, tag = "1")]
    span: Option<SpanForm>,
    #[prost(oneof = "WantedForm", tags = "2, 3, 4")]
    wanted: Option<WantedForm>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum WantedForm {
    #[prost(message, tag = "2")]
    Intents(Nothing),
    #[prost(message, tag = "3")]
    Records(RecordsForm),
    #[prost(message, tag = "4")]
    AllRecords(AllRecordsForm),
}

#[derive(Clone, PartialEq, prost::Message)]
struct AllRecordsForm {
    #[prost(message, optional, tag = "1")]
    after: Option<RecordIdForm>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RecordsForm {
    #[prost(message, optional, tag = "1")]
    after: Option<RecordIdForm>,
    #[prost(message, repeated, tag = "2")]
    resolved: Vec<RecordIdForm>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RecordIdForm {
    #[prost(message, optional, tag = "1")]
    transaction: Option<Uuid>,
    #[prost(bytes = "bytes", tag = "2")]
    anchor: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RecordIdsForm {
    #[prost(message, repeated, tag = "1")]
    records: Vec<RecordIdForm>,
}

impl From<&Transact> for TransactForm {
    fn from(step: &Transact) -> Self {
        Self { step: Some(step.into()) }
    }
}

impl TryFrom<TransactForm> for Transact {
    type Error = WireError;

    fn try_from(form: TransactForm) -> Result<Self, WireError> {
        must(STEP, "kind", form.step)?.try_into()
    }
}

impl From<&Transact> for StepForm {
    fn from(step: &Transact) -> Self {
        match step {
            Transact::LayIntents(request) => Self::LayIntents(IntentsForm {
                transaction: Some((&request.transaction).into()),
                sequence: request.sequence,
                writes: forms(&request.writes),
                with_record: request.with_record,
            }),
            Transact::Heartbeat { transaction, anchor } => Self::Heartbeat(RecordIdForm {
                transaction: Some((*transaction).into()),
                anchor: anchor.bytes().clone(),
            }),
            Transact::End(request) => Self::End(EndForm {
                transaction: Some((&request.transaction).into()),
                decision: Some(request.decision.into()),
                intent_spans: forms(&request.intent_spans),
            }),
            Transact::Push(request) => Self::Push(PushForm {
                holder: Some((&request.holder).into()),
                pusher: request
                    .pusher
                    .map(|Rank { age, id }| RankForm { age: age.raw(), id: Some(id.into()) }),
            }),
            Transact::Settle(records) => Self::Settle(RecordIdsForm { records: forms(records) }),
            Transact::Sweep(request) => Self::Sweep(SweepForm {
                span: Some((&request.span).into()),
                wanted: Some((&request.wanted).into()),
            }),
            Transact::Resolve(request) => Self::Resolve(ResolveForm {
                transaction: Some(request.transaction.into()),
                outcome: Some(request.outcome.into()),
                spans: forms(&request.spans),
            }),
        }
    }
}

impl TryFrom<StepForm> for Transact {
    type Error = WireError;

    fn try_from(form: StepForm) -> Result<Self, WireError> {
        Ok(match form {
            StepForm::LayIntents(form) => Self::LayIntents(IntentsRequest {
                transaction: must(STEP, "transaction", form.transaction)?.try_into()?,
                sequence: form.sequence,
                writes: read_all(form.writes)?,
                with_record: form.with_record,
            }),
            StepForm::Heartbeat(form) => {
                let RecordId { transaction, anchor } = form.try_into()?;
                Self::Heartbeat { transaction, anchor }
            }
            StepForm::End(form) => Self::End(EndRequest {
                transaction: must(STEP, "transaction", form.transaction)?.try_into()?,
                decision: must(STEP, "decision", form.decision)?.into(),
                intent_spans: spans_of(form.intent_spans),
            }),
            StepForm::Push(form) => Self::Push(PushRequest {
                holder: must(STEP, "holder", form.holder)?.try_into()?,
                pusher: form.pusher.map(rank_of).transpose()?,
            }),
            StepForm::Settle(form) => Self::Settle(read_all(form.records)?),
            StepForm::Sweep(form) => Self::Sweep(SweepRequest {
                span: must(STEP, "span", form.span)?.into(),
                wanted: must(STEP, "kind of what is swept", form.wanted)?.try_into()?,
            }),
            StepForm::Resolve(form) => Self::Resolve(ResolveRequest {
                transaction: must(STEP, "transaction", form.transaction)?.into(),
                outcome: must(STEP, "outcome", form.outcome)?.try_into()?,
                spans: spans_of(form.spans),
            }),
        })
    }
}

fn rank_of(form: RankForm) -> Result<Rank, WireError> {
    Ok(Rank { age: Timestamp::from_raw(form.age), id: must(STEP, "id of who waits", form.id)?.into() })
}

impl From<&TransactionMeta> for MetaForm {
    fn from(meta: &TransactionMeta) -> Self {
        Self {
            id: Some(meta.id.into()),
            anchor: meta.anchor.bytes().clone(),
            attempt: meta.attempt,
            started: meta.started.raw(),
            age: meta.age.raw(),
            read_timestamp: meta.read_timestamp.raw(),
        }
    }
}

impl TryFrom<MetaForm> for TransactionMeta {
    type Error = WireError;

    fn try_from(form: MetaForm) -> Result<Self, WireError> {
        Ok(Self {
            id: must(STEP, "id of the transaction", form.id)?.into(),
            anchor: own_key(&form.anchor),
            attempt: form.attempt,
            started: Timestamp::from_raw(form.started),
            age: Timestamp::from_raw(form.age),
            read_timestamp: Timestamp::from_raw(form.read_timestamp),
        })
    }
}

impl From<Decision> for DecisionForm {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Commit { timestamp, deadline } => Self::Commit(CommitAtForm {
                timestamp: timestamp.raw(),
                deadline: deadline.map(Timestamp::raw),
            }),
            Decision::Abort => Self::Abort(Nothing {}),
        }
    }
}

impl From<DecisionForm> for Decision {
    fn from(form: DecisionForm) -> Self {
        match form {
            DecisionForm::Commit(CommitAtForm { timestamp, deadline }) => Self::Commit {
                timestamp: Timestamp::from_raw(timestamp),
                deadline: deadline.map(Timestamp::from_raw),
            },
            DecisionForm::Abort(Nothing {}) => Self::Abort,
        }
    }
}

impl From<&Leftover> for WantedForm {
    fn from(wanted: &Leftover) -> Self {
        match wanted {
            Leftover::Intents => Self::Intents(Nothing {}),
            Leftover::Records { after, resolved } => Self::Records(RecordsForm {
                after: after.as_ref().map(RecordIdForm::from),
                resolved: forms(resolved),
            }),
            Leftover::AllRecords { after } => {
                Self::AllRecords(AllRecordsForm { after: after.as_ref().map(RecordIdForm::from) })
            }
        }
    }
}

impl TryFrom<WantedForm> for Leftover {
    type Error = WireError;

    fn try_from(form: WantedForm) -> Result<Self, WireError> {
        Ok(match form {
            WantedForm::Intents(Nothing {}) => Self::Intents,
            WantedForm::Records(RecordsForm { after, resolved }) => {
                Self::Records { after: read_maybe(after)?, resolved: read_all(resolved)? }
            }
            WantedForm::AllRecords(AllRecordsForm { after }) => {
                Self::AllRecords { after: read_maybe(after)? }
            }
        })
    }
}

impl From<&RecordId> for RecordIdForm {
    fn from(id: &RecordId) -> Self {
        Self { transaction: Some(id.transaction.into()), anchor: id.anchor.bytes().clone() }
    }
}

impl TryFrom<RecordIdForm> for RecordId {
    type Error = WireError;

    fn try_from(form: RecordIdForm) -> Result<Self, WireError> {
        let transaction = must("a record's id", "transaction", form.transaction)?.into();
        Ok(Self { transaction, anchor: own_key(&form.anchor) })
    }
}

/// A [`Holder`].
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HolderForm {
    #[prost(message, optional, tag = "1")]
    transaction: Option<Uuid>,
    #[prost(bytes = "bytes", tag = "2")]
    anchor: Bytes,
    #[prost(fixed64, tag = "3")]
    started: u64,
    #[prost(fixed64, tag = "4")]
    written: u64,
}

impl From<&Holder> for HolderForm {
    fn from(holder: &Holder) -> Self {
        Self {
            transaction: Some(holder.transaction.into()),
            anchor: holder.anchor.bytes().clone(),
            started: holder.started.raw(),
            written: holder.written.raw(),
        }
    }
}

impl TryFrom<HolderForm> for Holder {
    type Error = WireError;

    fn try_from(form: HolderForm) -> Result<Self, WireError> {
        Ok(Self {
            transaction: must("the holder of a key", "transaction", form.transaction)?.into(),
            anchor: own_key(&form.anchor),
            started: Timestamp::from_raw(form.started),
            written: Timestamp::from_raw(form.written),
        })
    }
}

/// An [`TransactionEnd`].
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct OutcomeForm {
    #[prost(oneof = "EndedForm", tags = "1, 2")]
    ended: Option<EndedForm>,
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
enum EndedForm {
    #[prost(message, tag = "1")]
    Committed(CommittedForm),
    #[prost(message, tag = "2")]
    Aborted(Nothing),
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct CommittedForm {
    #[prost(uint32, tag = "1")]
    attempt: u32,
    #[prost(fixed64, tag = "2")]
    timestamp: u64,
}

impl From<TransactionEnd> for OutcomeForm {
    fn from(outcome: TransactionEnd) -> Self {
        let ended = match outcome {
            TransactionEnd::Committed { attempt, timestamp } => {
                EndedForm::Committed(CommittedForm { attempt, timestamp: timestamp.raw() })
            }
            TransactionEnd::Aborted => EndedForm::Aborted(Nothing {}),
        };
        Self { ended: Some(ended) }
    }
}

impl TryFrom<OutcomeForm> for TransactionEnd {
    type Error = WireError;

    fn try_from(form: OutcomeForm) -> Result<Self, WireError> {
        Ok(match must(STATE, "outcome", form.ended)? {
            EndedForm::Committed(CommittedForm { attempt, timestamp }) => {
                Self::Committed { attempt, timestamp: Timestamp::from_raw(timestamp) }
            }
            EndedForm::Aborted(Nothing {}) => Self::Aborted,
        })
    }
}

/// A [`RecordState`].
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct StateForm {
    #[prost(oneof = "StateKind", tags = "1, 2")]
    state: Option<StateKind>,
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
enum StateKind {
    #[prost(message, tag = "1")]
    Pending(Nothing),
    #[prost(message, tag = "2")]
    Ended(OutcomeForm),
}

impl From<RecordState> for StateForm {
    fn from(state: RecordState) -> Self {
        let state = match state {
            RecordState::Pending => StateKind::Pending(Nothing {}),
            RecordState::Ended(outcome) => StateKind::Ended(outcome.into()),
        };
        Self { state: Some(state) }
    }
}

impl TryFrom<StateForm> for RecordState {
    type Error = WireError;

    fn try_from(form: StateForm) -> Result<Self, WireError> {
        Ok(match must(STATE, "kind", form.state)? {
            StateKind::Pending(Nothing {}) => Self::Pending,
            StateKind::Ended(outcome) => Self::Ended(outcome.try_into()?),
        })
    }
}

/// A [`Swept`].
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SweptForm {
    #[prost(message, repeated, tag = "1")]
    abandoned: Vec<HolderForm>,
    #[prost(message, repeated, tag = "2")]
    ended: Vec<EndedTransactionForm>,
    #[prost(message, optional, tag = "3")]
    next: Option<RecordIdForm>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct EndedTransactionForm {
    #[prost(message, optional, tag = "1")]
    id: Option<RecordIdForm>,
    #[prost(message, optional, tag = "2")]
    outcome: Option<OutcomeForm>,
    #[prost(message, repeated, tag = "3")]
    intent_spans: Vec<SpanForm>,
}

impl From<&Swept> for SweptForm {
    fn from(swept: &Swept) -> Self {
        Self {
            abandoned: forms(&swept.abandoned),
            ended: forms(&swept.ended),
            next: swept.next.as_ref().map(RecordIdForm::from),
        }
    }
}

impl TryFrom<SweptForm> for Swept {
    type Error = WireError;

    fn try_from(form: SweptForm) -> Result<Self, WireError> {
        Ok(Self {
            abandoned: read_all(form.abandoned)?,
            ended: read_all(form.ended)?,
            next: read_maybe(form.next)?,
        })
    }
}

impl From<&EndedTransaction> for EndedTransactionForm {
    fn from(ended: &EndedTransaction) -> Self {
        Self {
            id: Some((&ended.id).into()),
            outcome: Some(ended.outcome.into()),
            intent_spans: forms(&ended.intent_spans),
        }
    }
}

impl TryFrom<EndedTransactionForm> for EndedTransaction {
    type Error = WireError;

    fn try_from(form: EndedTransactionForm) -> Result<Self, WireError> {
        Ok(Self {
            id: must(LEFT, "record", form.id)?.try_into()?,
            outcome: must(LEFT, "outcome", form.outcome)?.try_into()?,
            intent_spans: spans_of(form.intent_spans),
        })
    }
}
