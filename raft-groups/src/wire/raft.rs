//! Messages between the replicas of a group: [`RaftMessage`] and [`RaftReply`] (`Service::Raft`).
//!
//! An entry travels in the bytes in which it lies in the sender's log (`raft::log_format`), and in which the receiver stores
//! it: these are pieces of the message, not copied into it. What they may be, the cluster's version says.

use bytes::Bytes;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use quorate_placement::topology::{RangeId, ReplicaId};

use super::pieces::Nothing;
use super::{WireError, must, read, write};
use crate::log_position::{LogPosition, VoteState};
use crate::raft::LogEntry;
use crate::raft::log_format::{decode_stored, encode_entry};
use crate::raft_message::{
    AppendReply, AppendRequest, MessageBody, RaftMessage, RaftReply, Refusal, TransferRequest, VoteReply,
    VoteRequest,
};
use crate::transport::{Message, MessageBuilder};

const MESSAGE: &str = "a Raft message";
const REPLY: &str = "an answer to a Raft message";
/// Number of the entries in a message; of the index, and of the bytes, in an entry.
const ENTRIES: u32 = 8;
const INDEX: u32 = 1;
const STORED: u32 = 2;

/// A message; the bytes of large entries are shared.
pub(crate) fn write_message(message: &RaftMessage) -> Message {
    let form = MessageForm {
        range_id: message.range_id.0,
        from_replica: message.from_replica.0,
        to_replica: message.to_replica.0,
        body: Some((&message.body).into()),
        entries: Vec::new(),
    };
    let mut builder = MessageBuilder::new(form.encode_to_vec());
    if let MessageBody::Append(request) = &message.body {
        request.entries.iter().for_each(|entry| put_entry(&mut builder, entry));
    }
    builder.finish()
}

/// Adds an [`EntryForm`] to a message: fields may stand in any order, so that it comes behind all others.
fn put_entry(builder: &mut MessageBuilder, entry: &LogEntry) {
    let (index, stored) = (entry.position.index, encode_entry(entry));
    let of_stored = key_len(STORED) + encoded_len_varint(stored.len() as u64) + stored.len();
    let length = key_len(INDEX) + encoded_len_varint(index) + of_stored;
    let out = builder.open();
    encode_key(ENTRIES, WireType::LengthDelimited, out);
    encode_varint(length as u64, out);
    encode_key(INDEX, WireType::Varint, out);
    encode_varint(index, out);
    encode_key(STORED, WireType::LengthDelimited, out);
    encode_varint(stored.len() as u64, out);
    builder.share(stored);
}

/// Reads a message.
pub(crate) fn read_message(bytes: Bytes) -> Result<RaftMessage, WireError> {
    let form: MessageForm = read(MESSAGE, bytes)?;
    let body = match must(MESSAGE, "kind", form.body)? {
        Body::Append(append) => MessageBody::Append(append_of(append, form.entries)?),
        Body::PreVote(ask) => MessageBody::PreVote(ask.try_into()?),
        Body::Vote(ask) => MessageBody::Vote(ask.try_into()?),
        Body::Transfer(TransferForm { leader, to, last_log }) => MessageBody::Transfer(TransferRequest {
            leader: must(MESSAGE, "vote", leader)?.into(),
            to: ReplicaId(to),
            last_log: last_log.map(LogPosition::from),
        }),
    };
    Ok(RaftMessage {
        range_id: RangeId(form.range_id),
        from_replica: ReplicaId(form.from_replica),
        to_replica: ReplicaId(form.to_replica),
        body,
    })
}

/// The bytes of an answer.
pub(crate) fn write_reply(reply: &RaftReply) -> Bytes {
    write(&ReplyForm { reply: Some(reply.into()) })
}

/// Reads an answer.
pub(crate) fn read_reply(bytes: Bytes) -> Result<RaftReply, WireError> {
    must(REPLY, "kind", read::<ReplyForm>(REPLY, bytes)?.reply)?.try_into()
}

/// A position in a log.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct PositionForm {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    index: u64,
}

impl From<LogPosition> for PositionForm {
    fn from(position: LogPosition) -> Self {
        Self { term: position.term, index: position.index }
    }
}

impl From<PositionForm> for LogPosition {
    fn from(form: PositionForm) -> Self {
        Self { term: form.term, index: form.index }
    }
}

/// A vote.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct VoteForm {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    candidate: u64,
    #[prost(bool, tag = "3")]
    is_committed: bool,
}

impl From<VoteState> for VoteForm {
    fn from(vote: VoteState) -> Self {
        Self { term: vote.term, candidate: vote.candidate.0, is_committed: vote.is_committed }
    }
}

impl From<VoteForm> for VoteState {
    fn from(form: VoteForm) -> Self {
        Self { term: form.term, candidate: ReplicaId(form.candidate), is_committed: form.is_committed }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct MessageForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(uint64, tag = "2")]
    from_replica: u64,
    #[prost(uint64, tag = "3")]
    to_replica: u64,
    #[prost(oneof = "Body", tags = "4, 5, 6, 7")]
    body: Option<Body>,
    /// Of an append.
    #[prost(message, repeated, tag = "8")]
    entries: Vec<EntryForm>,
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
enum Body {
    #[prost(message, tag = "4")]
    Append(AppendForm),
    #[prost(message, tag = "5")]
    PreVote(AskForm),
    #[prost(message, tag = "6")]
    Vote(AskForm),
    #[prost(message, tag = "7")]
    Transfer(TransferForm),
}

#[derive(Clone, PartialEq, prost::Message)]
struct EntryForm {
    #[prost(uint64, tag = "1")]
    index: u64,
    /// Term and payload, as in the log.
    #[prost(bytes = "bytes", tag = "2")]
    stored: Bytes,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct AppendForm {
    #[prost(message, optional, tag = "1")]
    vote: Option<VoteForm>,
    #[prost(message, optional, tag = "2")]
    previous: Option<PositionForm>,
    #[prost(message, optional, tag = "3")]
    commit: Option<PositionForm>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct AskForm {
    #[prost(message, optional, tag = "1")]
    vote: Option<VoteForm>,
    #[prost(message, optional, tag = "2")]
    last_log: Option<PositionForm>,
    #[prost(bool, tag = "3")]
    is_leadership_transfer: bool,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct TransferForm {
    #[prost(message, optional, tag = "1")]
    leader: Option<VoteForm>,
    #[prost(uint64, tag = "2")]
    to: u64,
    #[prost(message, optional, tag = "3")]
    last_log: Option<PositionForm>,
}

impl From<&MessageBody> for Body {
    fn from(body: &MessageBody) -> Self {
        match body {
            MessageBody::Append(request) => Self::Append(AppendForm {
                vote: Some(request.vote.into()),
                previous: request.previous.map(PositionForm::from),
                commit: request.commit.map(PositionForm::from),
            }),
            MessageBody::PreVote(request) => Self::PreVote(request.into()),
            MessageBody::Vote(request) => Self::Vote(request.into()),
            MessageBody::Transfer(request) => Self::Transfer(TransferForm {
                leader: Some(request.leader.into()),
                to: request.to.0,
                last_log: request.last_log.map(PositionForm::from),
            }),
        }
    }
}

impl From<&VoteRequest> for AskForm {
    fn from(request: &VoteRequest) -> Self {
        Self {
            vote: Some(request.vote.into()),
            last_log: request.last_log.map(PositionForm::from),
            is_leadership_transfer: request.is_leadership_transfer,
        }
    }
}

impl TryFrom<AskForm> for VoteRequest {
    type Error = WireError;

    fn try_from(form: AskForm) -> Result<Self, WireError> {
        Ok(Self {
            vote: must(MESSAGE, "vote", form.vote)?.into(),
            last_log: form.last_log.map(LogPosition::from),
            is_leadership_transfer: form.is_leadership_transfer,
        })
    }
}

fn append_of(form: AppendForm, entries: Vec<EntryForm>) -> Result<AppendRequest, WireError> {
    let invalid = |field, value| WireError::Invalid { message: MESSAGE, field, value };
    let vote = VoteState::from(must(MESSAGE, "vote", form.vote)?);
    if !vote.is_committed {
        // Nobody sends entries before a quorum has voted for him.
        return Err(invalid("vote of a leader", vote.term));
    }
    let previous = form.previous.map(LogPosition::from);
    let mut next_index = previous.map_or(0, |position| position.index.saturating_add(1));
    let mut read = Vec::with_capacity(entries.len());
    for EntryForm { index, stored } in entries {
        // A gap would be written to the log, and found only when it is read.
        if index != next_index {
            return Err(invalid("index of an entry", index));
        }
        next_index = next_index.saturating_add(1);
        let damaged = |detail: String| WireError::Damaged { message: "an entry of a Raft message", detail };
        read.push(decode_stored(index, stored).map_err(|error| damaged(error.to_string()))?);
    }
    Ok(AppendRequest { vote, previous, commit: form.commit.map(LogPosition::from), entries: read })
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct ReplyForm {
    #[prost(oneof = "Reply", tags = "1, 2, 3, 4, 5, 6, 7")]
    reply: Option<Reply>,
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
enum Reply {
    #[prost(message, tag = "1")]
    Accepted(Nothing),
    #[prost(message, tag = "2")]
    AcceptedUpTo(AcceptedForm),
    #[prost(message, tag = "3")]
    Conflict(Nothing),
    #[prost(message, tag = "4")]
    HigherVote(VoteForm),
    #[prost(message, tag = "5")]
    Vote(VoteReplyForm),
    #[prost(message, tag = "6")]
    Transfer(Nothing),
    #[prost(enumeration = "RefusalForm", tag = "7")]
    Refused(i32),
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct AcceptedForm {
    #[prost(message, optional, tag = "1")]
    upto: Option<PositionForm>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct VoteReplyForm {
    #[prost(message, optional, tag = "1")]
    vote: Option<VoteForm>,
    #[prost(bool, tag = "2")]
    is_granted: bool,
    #[prost(message, optional, tag = "3")]
    last_log: Option<PositionForm>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum RefusalForm {
    Unknown = 0,
    UnknownReplica = 1,
    Promised = 2,
    Stopped = 3,
    Unreadable = 4,
}

impl From<&RaftReply> for Reply {
    fn from(reply: &RaftReply) -> Self {
        match reply {
            RaftReply::Append(AppendReply::Accepted) => Self::Accepted(Nothing {}),
            RaftReply::Append(AppendReply::AcceptedUpTo(upto)) => {
                Self::AcceptedUpTo(AcceptedForm { upto: upto.map(PositionForm::from) })
            }
            RaftReply::Append(AppendReply::Conflict) => Self::Conflict(Nothing {}),
            RaftReply::Append(AppendReply::HigherVote(vote)) => Self::HigherVote((*vote).into()),
            RaftReply::Vote(reply) => Self::Vote(VoteReplyForm {
                vote: Some(reply.vote.into()),
                is_granted: reply.is_granted,
                last_log: reply.last_log.map(PositionForm::from),
            }),
            RaftReply::Transfer => Self::Transfer(Nothing {}),
            RaftReply::Refused(reason) => Self::Refused(RefusalForm::from(*reason).into()),
        }
    }
}

impl TryFrom<Reply> for RaftReply {
    type Error = WireError;

    fn try_from(form: Reply) -> Result<Self, WireError> {
        Ok(match form {
            Reply::Accepted(Nothing {}) => Self::Append(AppendReply::Accepted),
            Reply::AcceptedUpTo(AcceptedForm { upto }) => {
                Self::Append(AppendReply::AcceptedUpTo(upto.map(LogPosition::from)))
            }
            Reply::Conflict(Nothing {}) => Self::Append(AppendReply::Conflict),
            Reply::HigherVote(vote) => Self::Append(AppendReply::HigherVote(vote.into())),
            Reply::Vote(form) => Self::Vote(VoteReply {
                vote: must(REPLY, "vote", form.vote)?.into(),
                is_granted: form.is_granted,
                last_log: form.last_log.map(LogPosition::from),
            }),
            Reply::Transfer(Nothing {}) => Self::Transfer,
            Reply::Refused(reason) => Self::Refused(refusal_of(reason)?),
        })
    }
}

impl From<Refusal> for RefusalForm {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownReplica => Self::UnknownReplica,
            Refusal::Promised => Self::Promised,
            Refusal::Stopped => Self::Stopped,
            Refusal::Unreadable => Self::Unreadable,
        }
    }
}

fn refusal_of(code: i32) -> Result<Refusal, WireError> {
    match RefusalForm::try_from(code) {
        Ok(RefusalForm::UnknownReplica) => Ok(Refusal::UnknownReplica),
        Ok(RefusalForm::Promised) => Ok(Refusal::Promised),
        Ok(RefusalForm::Stopped) => Ok(Refusal::Stopped),
        Ok(RefusalForm::Unreadable) => Ok(Refusal::Unreadable),
        Ok(RefusalForm::Unknown) | Err(_) => Err(WireError::Missing { message: REPLY, field: "reason" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::{EntryCommand, EntryPayload};

    #[test]
    fn entries_put_by_hand_are_as_their_form_has_them() {
        let command = EntryCommand::copy_of(5, &[7; 4_000]);
        for payload in [EntryPayload::Blank, EntryPayload::Command(command)] {
            let entry = LogEntry { position: LogPosition { term: 5, index: 300 }, payload };
            let mut builder = MessageBuilder::new(Vec::new());
            put_entry(&mut builder, &entry);
            let form = EntryForm { index: 300, stored: encode_entry(&entry) };
            let whole = MessageForm { entries: vec![form], ..MessageForm::default() };
            assert_eq!(builder.finish().into_bytes(), whole.encode_to_vec());
        }
    }
}
