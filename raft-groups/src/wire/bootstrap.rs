//! What nodes and the command line say to an address before node ids are known: [`BootstrapRequest`] and
//! [`BootstrapAnswer`].
//!
//! These belong to every protocol: whoever asks does not know yet what is spoken there. They only ever get new fields and
//! new kinds, and an unknown kind is answered with a refusal for a person.

use bytes::Bytes;
use quorate_placement::topology::{NodeId, StoreId};

use super::admin::AdminForm;
use super::member::{HelloForm, MembershipForm, NodeForm};
use super::pieces::{Nothing, Uuid};
use super::status::StatusForm;
use super::{WireError, forms, must, read, read_all, read_maybe, write};
use crate::cluster::admin::Token;
use crate::cluster::bootstrap_message::{BootstrapAnswer, BootstrapRequest, Identity};
use crate::cluster::range_command::LookAt;

const REQUEST: &str = "the question";
const ANSWER: &str = "the answer";

/// The bytes of a question.
pub fn write_request(request: &BootstrapRequest) -> Bytes {
    write(&RequestForm { request: Some(request.into()) })
}

/// Reads a question.
///
/// # Errors
/// Damaged bytes, or a question that only a newer release knows.
pub fn read_request(bytes: Bytes) -> Result<BootstrapRequest, WireError> {
    must(REQUEST, "kind", read::<RequestForm>(REQUEST, bytes)?.request)?.try_into()
}

/// The bytes of an answer.
pub fn write_answer(answer: &BootstrapAnswer) -> Bytes {
    write(&AnswerForm { answer: Some(answer.into()) })
}

/// Reads an answer.
///
/// # Errors
/// Damaged bytes, or an answer that only a newer release knows.
pub fn read_answer(bytes: Bytes) -> Result<BootstrapAnswer, WireError> {
    must(ANSWER, "kind", read::<AnswerForm>(ANSWER, bytes)?.answer)?.try_into()
}

#[derive(Clone, PartialEq, prost::Message)]
struct RequestForm {
    #[prost(oneof = "Asked", tags = "1, 2, 3, 4, 5, 6, 7")]
    request: Option<Asked>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Asked {
    /// The asker's store.
    #[prost(fixed64, tag = "1")]
    Probe(u64),
    #[prost(message, tag = "2")]
    Join(NodeForm),
    #[prost(message, tag = "3")]
    Status(Nothing),
    #[prost(message, tag = "4")]
    Admin(AdminForm),
    #[prost(message, tag = "5")]
    Serves(Nothing),
    #[prost(message, tag = "6")]
    Announce(HelloForm),
    #[prost(message, tag = "7")]
    Identify(Nothing),
}

impl From<&BootstrapRequest> for Asked {
    fn from(request: &BootstrapRequest) -> Self {
        match request {
            BootstrapRequest::Probe { asker } => Self::Probe(asker.0),
            BootstrapRequest::Join(record) => Self::Join(record.into()),
            BootstrapRequest::Status => Self::Status(Nothing {}),
            BootstrapRequest::Admin(request) => Self::Admin(request.into()),
            BootstrapRequest::Serves => Self::Serves(Nothing {}),
            BootstrapRequest::Announce(hello) => Self::Announce(hello.into()),
            BootstrapRequest::Identify => Self::Identify(Nothing {}),
        }
    }
}

impl TryFrom<Asked> for BootstrapRequest {
    type Error = WireError;

    fn try_from(form: Asked) -> Result<Self, WireError> {
        Ok(match form {
            Asked::Probe(asker) => Self::Probe { asker: StoreId(asker) },
            Asked::Join(record) => Self::Join(record.try_into()?),
            Asked::Status(Nothing {}) => Self::Status,
            Asked::Admin(request) => Self::Admin(request.try_into()?),
            Asked::Serves(Nothing {}) => Self::Serves,
            Asked::Announce(hello) => Self::Announce(hello.try_into()?),
            Asked::Identify(Nothing {}) => Self::Identify,
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct AnswerForm {
    #[prost(oneof = "Answered", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19")]
    answer: Option<Answered>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Answered {
    #[prost(message, tag = "1")]
    Free(NodeForm),
    #[prost(message, tag = "2")]
    Initialising(Nothing),
    #[prost(message, tag = "3")]
    Exists(Uuid),
    #[prost(message, tag = "4")]
    Joined(MembershipForm),
    /// What to run.
    #[prost(string, tag = "5")]
    Uninitialised(String),
    #[prost(message, tag = "6")]
    Created(CreatedForm),
    #[prost(message, tag = "7")]
    Status(StatusForm),
    #[prost(string, tag = "8")]
    Refused(String),
    #[prost(string, tag = "9")]
    RangeDone(String),
    #[prost(message, tag = "10")]
    RangeRefused(RangeRefusedForm),
    #[prost(message, tag = "11")]
    Welcome(Nothing),
    #[prost(message, tag = "12")]
    Unwelcome(UnwelcomeForm),
    #[prost(message, tag = "13")]
    Identity(IdentityForm),
    #[prost(message, tag = "14")]
    Serving(Nothing),
    /// Why not.
    #[prost(string, tag = "15")]
    NotServing(String),
    #[prost(message, tag = "16")]
    NotEntitled(NotEntitledForm),
    /// The token.
    #[prost(string, tag = "17")]
    TokenMade(String),
    #[prost(message, tag = "18")]
    NodeRemoved(Nothing),
    /// For what.
    #[prost(string, tag = "19")]
    RemovalWaits(String),
}

#[derive(Clone, PartialEq, prost::Message)]
struct CreatedForm {
    #[prost(message, optional, tag = "1")]
    cluster_id: Option<Uuid>,
    #[prost(message, repeated, tag = "2")]
    nodes: Vec<NodeForm>,
    #[prost(string, optional, tag = "3")]
    token: Option<String>,
    #[prost(string, repeated, tag = "4")]
    not_serving: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RangeRefusedForm {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(enumeration = "LookAtForm", tag = "2")]
    look_at: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum LookAtForm {
    Unknown = 0,
    Ranges = 1,
    Range = 2,
    Status = 3,
}

#[derive(Clone, PartialEq, prost::Message)]
struct UnwelcomeForm {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(bool, tag = "2")]
    is_final: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct IdentityForm {
    #[prost(fixed64, tag = "1")]
    store_id: u64,
    #[prost(uint64, optional, tag = "2")]
    node_id: Option<u64>,
    #[prost(string, optional, tag = "3")]
    refusal: Option<String>,
    #[prost(message, optional, tag = "4")]
    hello: Option<HelloForm>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NotEntitledForm {
    #[prost(fixed64, tag = "1")]
    store_id: u64,
    #[prost(string, tag = "2")]
    socket: String,
}

impl From<&BootstrapAnswer> for Answered {
    fn from(answer: &BootstrapAnswer) -> Self {
        match answer {
            BootstrapAnswer::Free(record) => Self::Free(record.into()),
            BootstrapAnswer::Initialising => Self::Initialising(Nothing {}),
            BootstrapAnswer::Exists { cluster_id } => Self::Exists((*cluster_id).into()),
            BootstrapAnswer::Joined(membership) => Self::Joined(membership.into()),
            BootstrapAnswer::Uninitialised { hint } => Self::Uninitialised(hint.clone()),
            BootstrapAnswer::Created { cluster_id, nodes, token, not_serving } => {
                Self::Created(CreatedForm {
                    cluster_id: Some((*cluster_id).into()),
                    nodes: forms(nodes),
                    token: token.as_ref().map(|token| token.reveal().to_owned()),
                    not_serving: not_serving.clone(),
                })
            }
            BootstrapAnswer::Status(status) => Self::Status(status.into()),
            BootstrapAnswer::Serving => Self::Serving(Nothing {}),
            BootstrapAnswer::NotServing { reason } => Self::NotServing(reason.clone()),
            BootstrapAnswer::NotEntitled { store_id, socket } => {
                Self::NotEntitled(NotEntitledForm { store_id: store_id.0, socket: socket.clone() })
            }
            BootstrapAnswer::TokenMade { token } => Self::TokenMade(token.reveal().to_owned()),
            BootstrapAnswer::NodeRemoved => Self::NodeRemoved(Nothing {}),
            BootstrapAnswer::RemovalWaits { waits_for } => Self::RemovalWaits(waits_for.clone()),
            BootstrapAnswer::RangeDone(text) => Self::RangeDone(text.clone()),
            BootstrapAnswer::RangeRefused { reason, look_at } => {
                let look_at = LookAtForm::from(*look_at).into();
                Self::RangeRefused(RangeRefusedForm { reason: reason.clone(), look_at })
            }
            BootstrapAnswer::Refused(reason) => Self::Refused(reason.clone()),
            BootstrapAnswer::Welcome => Self::Welcome(Nothing {}),
            BootstrapAnswer::Unwelcome { reason, is_final } => {
                Self::Unwelcome(UnwelcomeForm { reason: reason.clone(), is_final: *is_final })
            }
            BootstrapAnswer::Identity(identity) => Self::Identity(IdentityForm {
                store_id: identity.store_id.0,
                node_id: identity.node_id.map(|node| node.0),
                refusal: identity.refusal.clone(),
                hello: identity.hello.as_ref().map(HelloForm::from),
            }),
        }
    }
}

impl TryFrom<Answered> for BootstrapAnswer {
    type Error = WireError;

    fn try_from(form: Answered) -> Result<Self, WireError> {
        Ok(match form {
            Answered::Free(record) => Self::Free(record.try_into()?),
            Answered::Initialising(Nothing {}) => Self::Initialising,
            Answered::Exists(cluster_id) => Self::Exists { cluster_id: cluster_id.into() },
            Answered::Joined(membership) => Self::Joined(membership.try_into()?),
            Answered::Uninitialised(hint) => Self::Uninitialised { hint },
            Answered::Created(created) => Self::Created {
                cluster_id: must(ANSWER, "cluster", created.cluster_id)?.into(),
                nodes: read_all(created.nodes)?,
                token: created.token.as_deref().map(Token::new),
                not_serving: created.not_serving,
            },
            Answered::Status(status) => Self::Status(status.try_into()?),
            Answered::Serving(Nothing {}) => Self::Serving,
            Answered::NotServing(reason) => Self::NotServing { reason },
            Answered::NotEntitled(NotEntitledForm { store_id, socket }) => {
                Self::NotEntitled { store_id: StoreId(store_id), socket }
            }
            Answered::TokenMade(token) => Self::TokenMade { token: Token::new(&token) },
            Answered::NodeRemoved(Nothing {}) => Self::NodeRemoved,
            Answered::RemovalWaits(waits_for) => Self::RemovalWaits { waits_for },
            Answered::RangeDone(text) => Self::RangeDone(text),
            Answered::RangeRefused(refused) => {
                let look_at = look_at_of(&refused)?;
                Self::RangeRefused { reason: refused.reason, look_at }
            }
            Answered::Refused(reason) => Self::Refused(reason),
            Answered::Welcome(Nothing {}) => Self::Welcome,
            Answered::Unwelcome(UnwelcomeForm { reason, is_final }) => Self::Unwelcome { reason, is_final },
            Answered::Identity(identity) => Self::Identity(Box::new(Identity {
                store_id: StoreId(identity.store_id),
                node_id: identity.node_id.map(NodeId),
                refusal: identity.refusal,
                hello: read_maybe(identity.hello)?,
            })),
        })
    }
}

impl From<LookAt> for LookAtForm {
    fn from(look_at: LookAt) -> Self {
        match look_at {
            LookAt::Ranges => Self::Ranges,
            LookAt::Range => Self::Range,
            LookAt::Status => Self::Status,
        }
    }
}

fn look_at_of(refused: &RangeRefusedForm) -> Result<LookAt, WireError> {
    match refused.look_at() {
        LookAtForm::Ranges => Ok(LookAt::Ranges),
        LookAtForm::Range => Ok(LookAt::Range),
        LookAtForm::Status => Ok(LookAt::Status),
        LookAtForm::Unknown => Err(WireError::Missing { message: ANSWER, field: "place to look at" }),
    }
}
