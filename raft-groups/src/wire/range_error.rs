//! Why a range did not answer: [`RangeError`].

use bytes::Bytes;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, ProgramError};
use quorate_placement::topology::{NodeId, RangeId};

use super::pieces::{DescriptorForm, Nothing, own_key};
use super::transact::HolderForm;
use super::{WireError, forms, must, read_all};
use crate::api::RangeError;

const ERROR: &str = "an error of a range";

/// A [`RangeError`].
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ErrorForm {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(message, tag = "1")]
    NotLeaseholder(NotLeaseholderForm),
    #[prost(message, tag = "2")]
    Mismatch(MismatchForm),
    #[prost(message, tag = "3")]
    Uncertain(WrittenForm),
    #[prost(message, tag = "4")]
    Conflict(WrittenForm),
    #[prost(bytes = "bytes", tag = "5")]
    ConditionFailed(Bytes),
    #[prost(fixed64, tag = "6")]
    PastDeadline(u64),
    #[prost(message, tag = "7")]
    Unavailable(DetailForm),
    #[prost(message, tag = "8")]
    Ambiguous(DetailForm),
    #[prost(message, tag = "9")]
    Program(ProgramForm),
    #[prost(string, tag = "10")]
    Refused(String),
    #[prost(string, tag = "11")]
    Storage(String),
    #[prost(message, tag = "12")]
    Locked(LockedForm),
    #[prost(message, tag = "13")]
    Busy(BusyForm),
    #[prost(message, tag = "14")]
    TooOld(Nothing),
    #[prost(string, tag = "15")]
    Damaged(String),
    #[prost(message, tag = "16")]
    TooMuchRead(Nothing),
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct NotLeaseholderForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(uint64, optional, tag = "2")]
    leaseholder: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct MismatchForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(message, repeated, tag = "2")]
    known: Vec<DescriptorForm>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WrittenForm {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(fixed64, tag = "2")]
    timestamp: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct DetailForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(string, tag = "2")]
    detail: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ProgramForm {
    #[prost(string, tag = "1")]
    sqlstate: String,
    #[prost(string, tag = "2")]
    message: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct LockedForm {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(message, optional, tag = "2")]
    holder: Option<HolderForm>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct BusyForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(uint64, tag = "2")]
    size_bytes: u64,
}

impl From<&RangeError> for ErrorForm {
    fn from(error: &RangeError) -> Self {
        Self { kind: Some(error.into()) }
    }
}

impl TryFrom<ErrorForm> for RangeError {
    type Error = WireError;

    fn try_from(form: ErrorForm) -> Result<Self, WireError> {
        must(ERROR, "kind", form.kind)?.try_into()
    }
}

fn written(key: &Key, timestamp: Timestamp) -> WrittenForm {
    WrittenForm { key: key.bytes().clone(), timestamp: timestamp.raw() }
}

fn detail_of(range_id: RangeId, detail: &str) -> DetailForm {
    DetailForm { range_id: range_id.0, detail: detail.to_owned() }
}

impl From<&RangeError> for Kind {
    fn from(error: &RangeError) -> Self {
        match error {
            RangeError::NotLeaseholder { range_id, leaseholder } => {
                Self::NotLeaseholder(NotLeaseholderForm {
                    range_id: range_id.0,
                    leaseholder: leaseholder.map(|node| node.0),
                })
            }
            RangeError::Mismatch { range_id, known } => {
                Self::Mismatch(MismatchForm { range_id: range_id.0, known: forms(known) })
            }
            RangeError::Uncertain { key, timestamp } => Self::Uncertain(written(key, *timestamp)),
            RangeError::Conflict { key, timestamp } => Self::Conflict(written(key, *timestamp)),
            RangeError::Locked { key, holder } => {
                Self::Locked(LockedForm { key: key.bytes().clone(), holder: Some(holder.as_ref().into()) })
            }
            RangeError::ConditionFailed { key } => Self::ConditionFailed(key.bytes().clone()),
            RangeError::PastDeadline { timestamp } => Self::PastDeadline(timestamp.raw()),
            RangeError::Unavailable { range_id, detail } => Self::Unavailable(detail_of(*range_id, detail)),
            RangeError::Ambiguous { range_id, detail } => Self::Ambiguous(detail_of(*range_id, detail)),
            RangeError::Busy { range_id, size_bytes } => {
                Self::Busy(BusyForm { range_id: range_id.0, size_bytes: *size_bytes })
            }
            RangeError::Program(ProgramError { sqlstate, message }) => {
                Self::Program(ProgramForm { sqlstate: sqlstate.clone(), message: message.clone() })
            }
            RangeError::TooOld => Self::TooOld(Nothing {}),
            RangeError::TooMuchRead => Self::TooMuchRead(Nothing {}),
            RangeError::Refused(detail) => Self::Refused(detail.clone()),
            RangeError::Storage(detail) => Self::Storage(detail.clone()),
            RangeError::Damaged(detail) => Self::Damaged(detail.clone()),
        }
    }
}

impl TryFrom<Kind> for RangeError {
    type Error = WireError;

    fn try_from(form: Kind) -> Result<Self, WireError> {
        Ok(match form {
            Kind::NotLeaseholder(NotLeaseholderForm { range_id, leaseholder }) => {
                Self::NotLeaseholder { range_id: RangeId(range_id), leaseholder: leaseholder.map(NodeId) }
            }
            Kind::Mismatch(MismatchForm { range_id, known }) => {
                Self::Mismatch { range_id: RangeId(range_id), known: read_all(known)? }
            }
            Kind::Uncertain(WrittenForm { key, timestamp }) => {
                Self::Uncertain { key: own_key(&key), timestamp: Timestamp::from_raw(timestamp) }
            }
            Kind::Conflict(WrittenForm { key, timestamp }) => {
                Self::Conflict { key: own_key(&key), timestamp: Timestamp::from_raw(timestamp) }
            }
            Kind::Locked(LockedForm { key, holder }) => {
                let holder = must(ERROR, "holder", holder)?.try_into()?;
                Self::Locked { key: own_key(&key), holder: Box::new(holder) }
            }
            Kind::ConditionFailed(key) => Self::ConditionFailed { key: own_key(&key) },
            Kind::PastDeadline(timestamp) => Self::PastDeadline { timestamp: Timestamp::from_raw(timestamp) },
            Kind::Unavailable(DetailForm { range_id, detail }) => {
                Self::Unavailable { range_id: RangeId(range_id), detail }
            }
            Kind::Ambiguous(DetailForm { range_id, detail }) => {
                Self::Ambiguous { range_id: RangeId(range_id), detail }
            }
            Kind::Busy(BusyForm { range_id, size_bytes }) => {
                Self::Busy { range_id: RangeId(range_id), size_bytes }
            }
            Kind::Program(ProgramForm { sqlstate, message }) => {
                Self::Program(ProgramError { sqlstate, message })
            }
            Kind::TooOld(Nothing {}) => Self::TooOld,
            Kind::TooMuchRead(Nothing {}) => Self::TooMuchRead,
            Kind::Refused(detail) => Self::Refused(detail),
            Kind::Storage(detail) => Self::Storage(detail),
            Kind::Damaged(detail) => Self::Damaged(detail),
        })
    }
}
