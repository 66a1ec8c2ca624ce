//! The messages of a snapshot on its way, and their answers (`Service::Snapshot`): [`SnapshotMessage`] and
//! [`SnapshotReply`].

use std::collections::BTreeSet;

use bytes::Bytes;
use quorate_engine::staging::Pair;
use quorate_engine::store::Family;
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use super::pieces::Nothing;
use super::raft::{PositionForm, VoteForm};
use super::{WireError, forms, must, read, read_all, write};
use crate::log_position::{LogPosition, VoteState};
use crate::membership::GroupMembership;
use crate::raft::snapshot::message::{
    SnapshotBody, SnapshotMessage, SnapshotOffer, SnapshotRefusal, SnapshotReply,
};
use crate::raft::{AppliedMembership, KeySpan, SnapshotHead};

const MESSAGE: &str = "a snapshot's message";
const REPLY: &str = "an answer to a snapshot's message";

/// The bytes of a message.
pub(crate) fn write_message(message: &SnapshotMessage) -> Bytes {
    write(&MessageForm {
        range_id: message.range_id.0,
        transfer: message.transfer,
        body: Some((&message.body).into()),
    })
}

/// Reads a message.
pub(crate) fn read_message(bytes: Bytes) -> Result<SnapshotMessage, WireError> {
    let form: MessageForm = read(MESSAGE, bytes)?;
    Ok(SnapshotMessage {
        range_id: RangeId(form.range_id),
        transfer: form.transfer,
        body: must(MESSAGE, "kind", form.body)?.try_into()?,
    })
}

/// The bytes of an answer.
pub(crate) fn write_reply(reply: SnapshotReply) -> Bytes {
    write(&ReplyForm { reply: Some(reply.into()) })
}

/// Reads an answer.
pub(crate) fn read_reply(bytes: Bytes) -> Result<SnapshotReply, WireError> {
    must(REPLY, "kind", read::<ReplyForm>(REPLY, bytes)?.reply)?.try_into()
}

#[derive(Clone, PartialEq, prost::Message)]
struct MessageForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(fixed64, tag = "2")]
    transfer: u64,
    #[prost(oneof = "Body", tags = "3, 4, 5, 6")]
    body: Option<Body>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Body {
    #[prost(message, boxed, tag = "3")]
    Begin(Box<OfferForm>),
    #[prost(message, tag = "4")]
    Chunk(ChunkForm),
    /// How many chunks there were.
    #[prost(uint32, tag = "5")]
    End(u32),
    #[prost(message, tag = "6")]
    Abort(Nothing),
}

#[derive(Clone, PartialEq, prost::Message)]
struct OfferForm {
    #[prost(uint64, tag = "1")]
    from_replica: u64,
    #[prost(uint64, tag = "2")]
    to_replica: u64,
    #[prost(message, optional, tag = "3")]
    vote: Option<VoteForm>,
    #[prost(uint64, tag = "4")]
    bytes_expected: u64,
    #[prost(message, optional, tag = "5")]
    head: Option<HeadForm>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ChunkForm {
    #[prost(uint32, tag = "1")]
    sequence: u32,
    #[prost(uint32, tag = "2")]
    span: u32,
    #[prost(message, repeated, tag = "3")]
    pairs: Vec<PairForm>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PairForm {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

impl From<&Pair> for PairForm {
    fn from((key, value): &Pair) -> Self {
        Self { key: key.clone(), value: value.clone() }
    }
}

fn pairs_of(forms: Vec<PairForm>) -> Vec<Pair> {
    forms.into_iter().map(|PairForm { key, value }| (key, value)).collect()
}

impl From<&SnapshotBody> for Body {
    fn from(body: &SnapshotBody) -> Self {
        match body {
            SnapshotBody::Begin(offer) => Self::Begin(Box::new(OfferForm {
                from_replica: offer.from_replica.0,
                to_replica: offer.to_replica.0,
                vote: Some(offer.vote.into()),
                bytes_expected: offer.bytes_expected,
                head: Some((&offer.head).into()),
            })),
            SnapshotBody::Chunk { sequence, span, pairs } => {
                Self::Chunk(ChunkForm { sequence: *sequence, span: *span, pairs: forms(pairs) })
            }
            SnapshotBody::End { chunks } => Self::End(*chunks),
            SnapshotBody::Abort => Self::Abort(Nothing {}),
        }
    }
}

impl TryFrom<Body> for SnapshotBody {
    type Error = WireError;

    fn try_from(form: Body) -> Result<Self, WireError> {
        Ok(match form {
            Body::Begin(offer) => Self::Begin(Box::new(SnapshotOffer {
                from_replica: ReplicaId(offer.from_replica),
                to_replica: ReplicaId(offer.to_replica),
                vote: must(MESSAGE, "vote", offer.vote)?.into(),
                bytes_expected: offer.bytes_expected,
                head: must(MESSAGE, "head", offer.head)?.try_into()?,
            })),
            Body::Chunk(ChunkForm { sequence, span, pairs }) => {
                Self::Chunk { sequence, span, pairs: pairs_of(pairs) }
            }
            Body::End(chunks) => Self::End { chunks },
            Body::Abort(Nothing {}) => Self::Abort,
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct HeadForm {
    #[prost(message, optional, tag = "1")]
    position: Option<PositionForm>,
    /// Of the entry that brought the membership.
    #[prost(message, optional, tag = "2")]
    membership_position: Option<PositionForm>,
    #[prost(message, optional, tag = "3")]
    membership: Option<MembershipForm>,
    #[prost(message, repeated, tag = "4")]
    spans: Vec<KeySpanForm>,
    #[prost(message, repeated, tag = "5")]
    shared: Vec<PairForm>,
    #[prost(bytes = "bytes", tag = "6")]
    shared_start: Bytes,
    #[prost(bytes = "bytes", tag = "7")]
    shared_end: Bytes,
}

impl From<&SnapshotHead> for HeadForm {
    fn from(head: &SnapshotHead) -> Self {
        Self {
            position: Some(head.position.into()),
            membership_position: head.membership.position.map(PositionForm::from),
            membership: Some((&head.membership.membership).into()),
            spans: forms(&head.spans),
            shared: forms(&head.shared),
            shared_start: head.shared_bounds.0.clone(),
            shared_end: head.shared_bounds.1.clone(),
        }
    }
}

impl TryFrom<HeadForm> for SnapshotHead {
    type Error = WireError;

    fn try_from(form: HeadForm) -> Result<Self, WireError> {
        Ok(Self {
            position: must(MESSAGE, "position", form.position)?.into(),
            membership: AppliedMembership {
                position: form.membership_position.map(LogPosition::from),
                membership: must(MESSAGE, "membership", form.membership)?.try_into()?,
            },
            spans: read_all(form.spans)?,
            shared: pairs_of(form.shared),
            shared_bounds: (form.shared_start, form.shared_end),
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct MembershipForm {
    /// The sets of voters.
    #[prost(message, repeated, tag = "1")]
    sets: Vec<VotersForm>,
    #[prost(message, repeated, tag = "2")]
    nodes: Vec<ReplicaForm>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct VotersForm {
    #[prost(uint64, repeated, tag = "1")]
    voters: Vec<u64>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct ReplicaForm {
    #[prost(uint64, tag = "1")]
    replica_id: u64,
    #[prost(uint64, tag = "2")]
    node_id: u64,
}

impl From<&GroupMembership> for MembershipForm {
    fn from(membership: &GroupMembership) -> Self {
        let voters = |set: &BTreeSet<ReplicaId>| VotersForm { voters: set.iter().map(|id| id.0).collect() };
        let nodes = membership.nodes.iter();
        Self {
            sets: membership.voters.iter().map(voters).collect(),
            nodes: nodes.map(|(id, node)| ReplicaForm { replica_id: id.0, node_id: node.0 }).collect(),
        }
    }
}

impl TryFrom<MembershipForm> for GroupMembership {
    type Error = WireError;

    fn try_from(form: MembershipForm) -> Result<Self, WireError> {
        let voters = form.sets.into_iter();
        let voters = voters.map(|set| set.voters.into_iter().map(ReplicaId).collect());
        let nodes = form.nodes.into_iter();
        let nodes = nodes.map(|replica| (ReplicaId(replica.replica_id), NodeId(replica.node_id)));
        let membership = Self { voters: voters.collect(), nodes: nodes.collect() };
        match membership.voter_without_node() {
            Some(voter) => {
                Err(WireError::Invalid { message: MESSAGE, field: "voter without a node", value: voter.0 })
            }
            None => Ok(membership),
        }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct KeySpanForm {
    #[prost(enumeration = "FamilyForm", tag = "1")]
    family: i32,
    #[prost(bytes = "bytes", tag = "2")]
    start: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    end: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum FamilyForm {
    Unknown = 0,
    Raft = 1,
    Range = 2,
    Txn = 3,
    Lock = 4,
    Data = 5,
}

impl From<&KeySpan> for KeySpanForm {
    fn from(span: &KeySpan) -> Self {
        let family = match span.family {
            Family::Raft => FamilyForm::Raft,
            Family::Range => FamilyForm::Range,
            Family::Txn => FamilyForm::Txn,
            Family::Lock => FamilyForm::Lock,
            Family::Data => FamilyForm::Data,
        };
        Self { family: family.into(), start: span.start.clone(), end: span.end.clone() }
    }
}

impl TryFrom<KeySpanForm> for KeySpan {
    type Error = WireError;

    fn try_from(form: KeySpanForm) -> Result<Self, WireError> {
        let family = match form.family() {
            FamilyForm::Raft => Family::Raft,
            FamilyForm::Range => Family::Range,
            FamilyForm::Txn => Family::Txn,
            FamilyForm::Lock => Family::Lock,
            FamilyForm::Data => Family::Data,
            FamilyForm::Unknown => {
                return Err(WireError::Missing { message: MESSAGE, field: "family" });
            }
        };
        Ok(Self { family, start: form.start, end: form.end })
    }
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct ReplyForm {
    #[prost(oneof = "Reply", tags = "1, 2, 3")]
    reply: Option<Reply>,
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
enum Reply {
    #[prost(message, tag = "1")]
    Ready(Nothing),
    #[prost(message, tag = "2")]
    Installed(VoteForm),
    #[prost(enumeration = "RefusalForm", tag = "3")]
    Refused(i32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum RefusalForm {
    Unknown = 0,
    Busy = 1,
    UnknownReplica = 2,
    Overlap = 3,
    Stopped = 4,
    Lost = 5,
    Failed = 6,
    Unreadable = 7,
}

impl From<SnapshotReply> for Reply {
    fn from(reply: SnapshotReply) -> Self {
        match reply {
            SnapshotReply::Ready => Self::Ready(Nothing {}),
            SnapshotReply::Installed(vote) => Self::Installed(vote.into()),
            SnapshotReply::Refused(reason) => Self::Refused(RefusalForm::from(reason).into()),
        }
    }
}

impl TryFrom<Reply> for SnapshotReply {
    type Error = WireError;

    fn try_from(form: Reply) -> Result<Self, WireError> {
        Ok(match form {
            Reply::Ready(Nothing {}) => Self::Ready,
            Reply::Installed(vote) => Self::Installed(VoteState::from(vote)),
            Reply::Refused(reason) => Self::Refused(refusal_of(reason)?),
        })
    }
}

impl From<SnapshotRefusal> for RefusalForm {
    fn from(refusal: SnapshotRefusal) -> Self {
        match refusal {
            SnapshotRefusal::Busy => Self::Busy,
            SnapshotRefusal::UnknownReplica => Self::UnknownReplica,
            SnapshotRefusal::Overlap => Self::Overlap,
            SnapshotRefusal::Stopped => Self::Stopped,
            SnapshotRefusal::Lost => Self::Lost,
            SnapshotRefusal::Failed => Self::Failed,
            SnapshotRefusal::Unreadable => Self::Unreadable,
        }
    }
}

fn refusal_of(code: i32) -> Result<SnapshotRefusal, WireError> {
    Ok(match RefusalForm::try_from(code) {
        Ok(RefusalForm::Busy) => SnapshotRefusal::Busy,
        Ok(RefusalForm::UnknownReplica) => SnapshotRefusal::UnknownReplica,
        Ok(RefusalForm::Overlap) => SnapshotRefusal::Overlap,
        Ok(RefusalForm::Stopped) => SnapshotRefusal::Stopped,
        Ok(RefusalForm::Lost) => SnapshotRefusal::Lost,
        Ok(RefusalForm::Failed) => SnapshotRefusal::Failed,
        Ok(RefusalForm::Unreadable) => SnapshotRefusal::Unreadable,
        Ok(RefusalForm::Unknown) | Err(_) => {
            return Err(WireError::Missing { message: REPLY, field: "reason" });
        }
    })
}
