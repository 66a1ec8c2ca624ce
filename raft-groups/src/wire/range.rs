//! Requests to ranges (`Service::Range`): [`RangeRequest`].

use bytes::Bytes;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{ChangesRequest, Direction, ScanProgram, ScanRequest, Write, WriteCondition};
use quorate_engine::kv_reads::ReadSpan;
use quorate_placement::topology::RangeId;

use super::pieces::{SpanForm, Uuid, own_key};
use super::transact::TransactForm;
use super::{WireError, forms, must, read, read_all, write};
use crate::api::{CommitRequest, RangeRequest, ReadAt, Request};

const REQUEST: &str = "a request to a range";

/// The bytes of a request.
pub(crate) fn write_request(request: &RangeRequest) -> Bytes {
    write(&RequestForm {
        range_id: request.range_id.0,
        generation: request.generation,
        asked: Some((&request.request).into()),
    })
}

/// Reads a request.
pub(crate) fn read_request(bytes: Bytes) -> Result<RangeRequest, WireError> {
    let form: RequestForm = read(REQUEST, bytes)?;
    Ok(RangeRequest {
        range_id: RangeId(form.range_id),
        generation: form.generation,
        request: must(REQUEST, "kind", form.asked)?.try_into()?,
    })
}

#[derive(Clone, PartialEq, prost::Message)]
struct RequestForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(uint64, tag = "2")]
    generation: u64,
    #[prost(oneof = "Asked", tags = "3, 4, 5, 6, 7, 8, 9")]
    asked: Option<Asked>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Asked {
    #[prost(message, tag = "3")]
    Get(GetForm),
    #[prost(message, tag = "4")]
    Scan(ScanForm),
    #[prost(message, tag = "5")]
    Refresh(RefreshForm),
    #[prost(message, tag = "6")]
    Commit(CommitForm),
    #[prost(message, tag = "7")]
    QueryTransaction(QueryForm),
    #[prost(message, tag = "8")]
    Transact(TransactForm),
    #[prost(message, tag = "9")]
    Changes(ChangesForm),
}

#[derive(Clone, PartialEq, prost::Message)]
struct ChangesForm {
    #[prost(message, optional, tag = "1")]
    span: Option<SpanForm>,
    #[prost(fixed64, tag = "2")]
    after: u64,
    #[prost(uint64, tag = "3")]
    keys_max: u64,
    #[prost(uint64, tag = "4")]
    bytes_max: u64,
    #[prost(message, optional, tag = "5")]
    read: Option<ReadAtForm>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct GetForm {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    keys: Vec<Bytes>,
    #[prost(message, optional, tag = "2")]
    read: Option<ReadAtForm>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ScanForm {
    #[prost(message, optional, tag = "1")]
    span: Option<SpanForm>,
    #[prost(bool, tag = "2")]
    is_reverse: bool,
    #[prost(bytes = "bytes", optional, tag = "3")]
    program: Option<Bytes>,
    #[prost(uint64, tag = "4")]
    rows_max: u64,
    #[prost(uint64, tag = "5")]
    bytes_max: u64,
    #[prost(message, optional, tag = "6")]
    read: Option<ReadAtForm>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RefreshForm {
    #[prost(message, repeated, tag = "1")]
    spans: Vec<ReadSpanForm>,
    #[prost(fixed64, tag = "2")]
    after: u64,
    #[prost(fixed64, tag = "3")]
    upto: u64,
    #[prost(message, optional, tag = "4")]
    own: Option<Uuid>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct CommitForm {
    #[prost(message, optional, tag = "1")]
    transaction: Option<Uuid>,
    #[prost(uint32, tag = "2")]
    attempt: u32,
    #[prost(fixed64, tag = "3")]
    started: u64,
    #[prost(fixed64, tag = "4")]
    read_timestamp: u64,
    #[prost(message, repeated, tag = "5")]
    read_spans: Vec<ReadSpanForm>,
    #[prost(message, repeated, tag = "6")]
    writes: Vec<WriteForm>,
    #[prost(fixed64, optional, tag = "7")]
    deadline: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct QueryForm {
    #[prost(message, optional, tag = "1")]
    transaction: Option<Uuid>,
    #[prost(bytes = "bytes", tag = "2")]
    anchor: Bytes,
    #[prost(fixed64, tag = "3")]
    started: u64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct ReadAtForm {
    #[prost(fixed64, tag = "1")]
    timestamp: u64,
    #[prost(fixed64, tag = "2")]
    uncertainty_limit: u64,
}

/// A [`ReadSpan`].
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ReadSpanForm {
    #[prost(message, optional, tag = "1")]
    span: Option<SpanForm>,
    #[prost(bytes = "bytes", optional, tag = "2")]
    filter: Option<Bytes>,
}

impl From<&ReadSpan> for ReadSpanForm {
    fn from(read: &ReadSpan) -> Self {
        let filter = read.filter.as_ref().map(|program| program.0.clone());
        Self { span: Some((&read.span).into()), filter }
    }
}

impl TryFrom<ReadSpanForm> for ReadSpan {
    type Error = WireError;

    fn try_from(form: ReadSpanForm) -> Result<Self, WireError> {
        let span = must("a span that was read", "span", form.span)?.into();
        Ok(Self { span, filter: form.filter.map(ScanProgram) })
    }
}

/// A [`Write`].
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WriteForm {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", optional, tag = "2")]
    value: Option<Bytes>,
    #[prost(enumeration = "ConditionForm", tag = "3")]
    condition: i32,
}

/// What stands for nothing is 1: a condition that is not known must not be taken for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum ConditionForm {
    Unknown = 0,
    None = 1,
    Absent = 2,
}

impl From<&Write> for WriteForm {
    fn from(write: &Write) -> Self {
        let condition = match write.condition {
            WriteCondition::None => ConditionForm::None,
            WriteCondition::Absent => ConditionForm::Absent,
        };
        Self { key: write.key.bytes().clone(), value: write.value.clone(), condition: condition.into() }
    }
}

impl TryFrom<WriteForm> for Write {
    type Error = WireError;

    fn try_from(form: WriteForm) -> Result<Self, WireError> {
        let condition = match form.condition() {
            ConditionForm::None => WriteCondition::None,
            ConditionForm::Absent => WriteCondition::Absent,
            ConditionForm::Unknown => {
                return Err(WireError::Missing { message: "a write", field: "condition" });
            }
        };
        Ok(Self { key: own_key(&form.key), value: form.value, condition })
    }
}

impl From<&Request> for Asked {
    fn from(request: &Request) -> Self {
        match request {
            Request::Get { keys, read } => Self::Get(GetForm {
                keys: keys.iter().map(|key| key.bytes().clone()).collect(),
                read: Some(read.into()),
            }),
            Request::Scan { scan, read } => Self::Scan(ScanForm {
                span: Some((&scan.span).into()),
                is_reverse: scan.direction == Direction::Reverse,
                program: scan.program.as_ref().map(|program| program.0.clone()),
                rows_max: scan.rows_max,
                bytes_max: scan.bytes_max,
                read: Some(read.into()),
            }),
            Request::Changes { changes, read } => Self::Changes(ChangesForm {
                span: Some((&changes.span).into()),
                after: changes.after.raw(),
                keys_max: changes.keys_max,
                bytes_max: changes.bytes_max,
                read: Some(read.into()),
            }),
            Request::Refresh { spans, after, upto, own } => Self::Refresh(RefreshForm {
                spans: forms(spans),
                after: after.raw(),
                upto: upto.raw(),
                own: own.map(Uuid::from),
            }),
            Request::Commit(commit) => Self::Commit(commit.into()),
            Request::Transact(step) => Self::Transact(step.into()),
            Request::QueryTransaction { transaction, anchor, started } => Self::QueryTransaction(QueryForm {
                transaction: Some((*transaction).into()),
                anchor: anchor.bytes().clone(),
                started: started.raw(),
            }),
        }
    }
}

impl TryFrom<Asked> for Request {
    type Error = WireError;

    fn try_from(form: Asked) -> Result<Self, WireError> {
        let read_at = |read: Option<ReadAtForm>| must(REQUEST, "timestamp", read).map(ReadAt::from);
        Ok(match form {
            Asked::Get(GetForm { keys, read }) => {
                Self::Get { keys: keys.iter().map(own_key).collect(), read: read_at(read)? }
            }
            Asked::Scan(form) => Self::Scan {
                read: read_at(form.read)?,
                scan: ScanRequest {
                    span: must(REQUEST, "span", form.span)?.into(),
                    direction: if form.is_reverse { Direction::Reverse } else { Direction::Forward },
                    program: form.program.map(ScanProgram),
                    rows_max: form.rows_max,
                    bytes_max: form.bytes_max,
                },
            },
            Asked::Changes(form) => Self::Changes {
                read: read_at(form.read)?,
                changes: ChangesRequest {
                    span: must(REQUEST, "span", form.span)?.into(),
                    after: Timestamp::from_raw(form.after),
                    keys_max: form.keys_max,
                    bytes_max: form.bytes_max,
                },
            },
            Asked::Refresh(RefreshForm { spans, after, upto, own }) => Self::Refresh {
                spans: read_all(spans)?,
                after: Timestamp::from_raw(after),
                upto: Timestamp::from_raw(upto),
                own: own.map(uuid::Uuid::from),
            },
            Asked::Commit(commit) => Self::Commit(commit.try_into()?),
            Asked::Transact(step) => Self::Transact(step.try_into()?),
            Asked::QueryTransaction(QueryForm { transaction, anchor, started }) => Self::QueryTransaction {
                transaction: must(REQUEST, "transaction", transaction)?.into(),
                anchor: own_key(&anchor),
                started: Timestamp::from_raw(started),
            },
        })
    }
}

impl From<&CommitRequest> for CommitForm {
    fn from(commit: &CommitRequest) -> Self {
        Self {
            transaction: Some(commit.transaction.into()),
            attempt: commit.attempt,
            started: commit.started.raw(),
            read_timestamp: commit.read_timestamp.raw(),
            read_spans: forms(&commit.read_spans),
            writes: forms(&commit.writes),
            deadline: commit.deadline.map(Timestamp::raw),
        }
    }
}

impl TryFrom<CommitForm> for CommitRequest {
    type Error = WireError;

    fn try_from(form: CommitForm) -> Result<Self, WireError> {
        Ok(Self {
            transaction: must(REQUEST, "transaction", form.transaction)?.into(),
            attempt: form.attempt,
            started: Timestamp::from_raw(form.started),
            read_timestamp: Timestamp::from_raw(form.read_timestamp),
            read_spans: read_all(form.read_spans)?,
            writes: read_all(form.writes)?,
            deadline: form.deadline.map(Timestamp::from_raw),
        })
    }
}

impl From<&ReadAt> for ReadAtForm {
    fn from(read: &ReadAt) -> Self {
        Self { timestamp: read.timestamp.raw(), uncertainty_limit: read.uncertainty_limit.raw() }
    }
}

impl From<ReadAtForm> for ReadAt {
    fn from(form: ReadAtForm) -> Self {
        Self {
            timestamp: Timestamp::from_raw(form.timestamp),
            uncertainty_limit: Timestamp::from_raw(form.uncertainty_limit),
        }
    }
}
