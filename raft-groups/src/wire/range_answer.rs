//! Answers of ranges (`Service::Range`): a [`Response`], or a [`RangeError`].

use bytes::Bytes;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Change, ChangesPage, Key, ScanPage, ScanRows, ScanServed};

use super::pieces::{Nothing, SpanForm, own_key, spans_of};
use super::range::ReadSpanForm;
use super::range_error::ErrorForm;
use super::transact::{StateForm, SweptForm};
use super::{WireError, forms, must, read, read_all, write};
use crate::api::{RangeError, Response, TransactionOutcome};

const ANSWER: &str = "an answer of a range";
const PAGE: &str = "a page of a scan";

/// The bytes of an answer.
pub(crate) fn write_answer(answer: &Result<Response, RangeError>) -> Bytes {
    let answer = match answer {
        Ok(response) => response.into(),
        Err(error) => Answer::Error(error.into()),
    };
    write(&AnswerForm { answer: Some(answer) })
}

/// Reads an answer.
pub(crate) fn read_answer(bytes: Bytes) -> Result<Result<Response, RangeError>, WireError> {
    answer_of(must(ANSWER, "kind", read::<AnswerForm>(ANSWER, bytes)?.answer)?)
}

#[derive(Clone, PartialEq, prost::Message)]
struct AnswerForm {
    #[prost(oneof = "Answer", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12")]
    answer: Option<Answer>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Answer {
    #[prost(message, tag = "1")]
    Error(ErrorForm),
    #[prost(message, tag = "2")]
    Values(ValuesForm),
    #[prost(message, tag = "3")]
    Page(PageForm),
    #[prost(message, tag = "4")]
    Refreshed(RefreshedForm),
    #[prost(fixed64, tag = "5")]
    Committed(u64),
    #[prost(message, tag = "6")]
    Outcome(OutcomeForm),
    #[prost(fixed64, tag = "7")]
    IntentsLaid(u64),
    #[prost(message, tag = "8")]
    State(StateForm),
    #[prost(message, tag = "9")]
    Resolved(SpansForm),
    #[prost(message, tag = "10")]
    Swept(SweptForm),
    #[prost(message, tag = "11")]
    Settled(Nothing),
    #[prost(message, tag = "12")]
    Changes(ChangesForm),
}

#[derive(Clone, PartialEq, prost::Message)]
struct ChangesForm {
    #[prost(message, repeated, tag = "1")]
    changes: Vec<ChangeForm>,
    #[prost(message, optional, tag = "2")]
    resume: Option<SpanForm>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ChangeForm {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(fixed64, tag = "2")]
    timestamp: u64,
    #[prost(bytes = "bytes", optional, tag = "3")]
    value: Option<Bytes>,
}

impl From<&ChangesPage> for ChangesForm {
    fn from(page: &ChangesPage) -> Self {
        let form = |change: &Change| ChangeForm {
            key: change.key.bytes().clone(),
            timestamp: change.timestamp.raw(),
            value: change.value.clone(),
        };
        Self {
            changes: page.changes.iter().map(form).collect(),
            resume: page.resume.as_ref().map(Into::into),
        }
    }
}

impl From<ChangesForm> for ChangesPage {
    fn from(form: ChangesForm) -> Self {
        let change = |form: ChangeForm| Change {
            key: own_key(&form.key),
            timestamp: Timestamp::from_raw(form.timestamp),
            value: form.value,
        };
        Self { changes: form.changes.into_iter().map(change).collect(), resume: form.resume.map(Into::into) }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct ValuesForm {
    #[prost(message, repeated, tag = "1")]
    values: Vec<ValueForm>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ValueForm {
    #[prost(bytes = "bytes", optional, tag = "1")]
    value: Option<Bytes>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RefreshedForm {
    #[prost(message, repeated, tag = "1")]
    left: Vec<ReadSpanForm>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SpansForm {
    #[prost(message, repeated, tag = "1")]
    spans: Vec<SpanForm>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct OutcomeForm {
    #[prost(oneof = "OutcomeKind", tags = "1, 2, 3")]
    outcome: Option<OutcomeKind>,
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
enum OutcomeKind {
    #[prost(fixed64, tag = "1")]
    Committed(u64),
    #[prost(message, tag = "2")]
    Aborted(Nothing),
    #[prost(message, tag = "3")]
    Unknown(Nothing),
}

#[derive(Clone, PartialEq, prost::Message)]
struct PageForm {
    #[prost(oneof = "RowsForm", tags = "1, 2")]
    rows: Option<RowsForm>,
    #[prost(message, optional, tag = "3")]
    resume: Option<SpanForm>,
    #[prost(bool, tag = "4")]
    is_stopped: bool,
    #[prost(message, optional, tag = "5")]
    served: Option<ServedForm>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum RowsForm {
    #[prost(message, tag = "1")]
    Pairs(PairsForm),
    #[prost(message, tag = "2")]
    Outputs(OutputsForm),
}

#[derive(Clone, PartialEq, prost::Message)]
struct PairsForm {
    #[prost(message, repeated, tag = "1")]
    pairs: Vec<PairForm>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PairForm {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OutputsForm {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    outputs: Vec<Bytes>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct ServedForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(uint64, tag = "2")]
    node_id: u64,
    #[prost(uint64, tag = "3")]
    rows_read: u64,
    #[prost(uint64, tag = "4")]
    rows_returned: u64,
    #[prost(uint64, tag = "5")]
    visited: u64,
}

impl From<&Response> for Answer {
    fn from(response: &Response) -> Self {
        match response {
            Response::Values(values) => {
                let values = values.iter().map(|value| ValueForm { value: value.clone() }).collect();
                Self::Values(ValuesForm { values })
            }
            Response::Page(page) => Self::Page(page.into()),
            Response::Changes(page) => Self::Changes(page.into()),
            Response::Refreshed { left } => Self::Refreshed(RefreshedForm { left: forms(left) }),
            Response::Committed(timestamp) => Self::Committed(timestamp.raw()),
            Response::Outcome(outcome) => Self::Outcome(OutcomeForm { outcome: Some((*outcome).into()) }),
            Response::IntentsLaid(timestamp) => Self::IntentsLaid(timestamp.raw()),
            Response::State(state) => Self::State((*state).into()),
            Response::Settled => Self::Settled(Nothing {}),
            Response::Swept(swept) => Self::Swept(swept.into()),
            Response::Resolved { rest } => Self::Resolved(SpansForm { spans: forms(rest) }),
        }
    }
}

fn answer_of(form: Answer) -> Result<Result<Response, RangeError>, WireError> {
    Ok(Ok(match form {
        Answer::Error(error) => return Ok(Err(error.try_into()?)),
        Answer::Values(form) => Response::Values(form.values.into_iter().map(|form| form.value).collect()),
        Answer::Page(page) => Response::Page(page.try_into()?),
        Answer::Changes(page) => Response::Changes(page.into()),
        Answer::Refreshed(form) => Response::Refreshed { left: read_all(form.left)? },
        Answer::Committed(timestamp) => Response::Committed(Timestamp::from_raw(timestamp)),
        Answer::Outcome(form) => Response::Outcome(must(ANSWER, "outcome", form.outcome)?.into()),
        Answer::IntentsLaid(timestamp) => Response::IntentsLaid(Timestamp::from_raw(timestamp)),
        Answer::State(state) => Response::State(state.try_into()?),
        Answer::Settled(Nothing {}) => Response::Settled,
        Answer::Swept(swept) => Response::Swept(swept.try_into()?),
        Answer::Resolved(form) => Response::Resolved { rest: spans_of(form.spans) },
    }))
}

impl From<TransactionOutcome> for OutcomeKind {
    fn from(outcome: TransactionOutcome) -> Self {
        match outcome {
            TransactionOutcome::Committed(timestamp) => Self::Committed(timestamp.raw()),
            TransactionOutcome::Aborted => Self::Aborted(Nothing {}),
            TransactionOutcome::Unknown => Self::Unknown(Nothing {}),
        }
    }
}

impl From<OutcomeKind> for TransactionOutcome {
    fn from(form: OutcomeKind) -> Self {
        match form {
            OutcomeKind::Committed(timestamp) => Self::Committed(Timestamp::from_raw(timestamp)),
            OutcomeKind::Aborted(Nothing {}) => Self::Aborted,
            OutcomeKind::Unknown(Nothing {}) => Self::Unknown,
        }
    }
}

impl From<&ScanPage> for PageForm {
    fn from(page: &ScanPage) -> Self {
        let rows = match &page.rows {
            ScanRows::Pairs(pairs) => {
                let pair =
                    |(key, value): &(Key, Bytes)| PairForm { key: key.bytes().clone(), value: value.clone() };
                RowsForm::Pairs(PairsForm { pairs: pairs.iter().map(pair).collect() })
            }
            ScanRows::Outputs(outputs) => RowsForm::Outputs(OutputsForm { outputs: outputs.clone() }),
        };
        let ScanServed { range_id, node_id, rows_read, rows_returned, visited } = page.served;
        Self {
            rows: Some(rows),
            resume: page.resume.as_ref().map(SpanForm::from),
            is_stopped: page.is_stopped,
            served: Some(ServedForm { range_id, node_id, rows_read, rows_returned, visited }),
        }
    }
}

impl TryFrom<PageForm> for ScanPage {
    type Error = WireError;

    fn try_from(form: PageForm) -> Result<Self, WireError> {
        // A page's keys are read and gone with it: they share its bytes.
        let rows = match must(PAGE, "rows", form.rows)? {
            RowsForm::Pairs(PairsForm { pairs }) => {
                let pairs = pairs.into_iter().map(|PairForm { key, value }| (Key::new(key), value));
                ScanRows::Pairs(pairs.collect())
            }
            RowsForm::Outputs(OutputsForm { outputs }) => ScanRows::Outputs(outputs),
        };
        let ServedForm { range_id, node_id, rows_read, rows_returned, visited } =
            form.served.unwrap_or_default();
        Ok(Self {
            rows,
            resume: form.resume.map(Into::into),
            is_stopped: form.is_stopped,
            served: ScanServed { range_id, node_id, rows_read, rows_returned, visited },
        })
    }
}
