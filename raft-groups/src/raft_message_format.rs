//! Messages between replicas of a group, and their answers, in bytes: the payloads of `Service::Raft`.
//!
//! ```text
//! message  version 1 · range u64 · from u64 · to u64 · kind u8 · body
//!   1 append     vote · optional previous · optional commit · entries u32 · { position · bytes of the payload } …
//!   2 pre-vote   vote · optional last
//!   3 vote       vote · optional last · leadership transfer bool
//!   4 transfer   vote of the leader · replica that shall lead u64 · optional last
//! reply    version 1 · kind u8 · body
//!   1 append     0 accepted | 1 accepted up to · optional position | 2 conflict | 3 higher vote · vote
//!   2 vote       vote · granted bool · optional last
//!   3 transfer taken
//!   4 refused    reason u8
//! ```
//!
//! A term's number alone does not say who leads it, hence votes everywhere (`raft::VoteState`).

use bytes::Bytes;
use quorate_placement::topology::{RangeId, ReplicaId};

use crate::decode::{Decoder, FormatError, put_bytes, put_count};
use crate::raft::entry_format::{
    get_optional_position, get_payload, get_position, get_vote, put_optional_position, put_payload,
    put_position, put_vote,
};
use crate::raft::{LogEntry, LogPosition, VoteState};

const VERSION: u8 = 1;
/// Least bytes of an entry in a message: position, length, kind.
const ENTRY_BYTES_MIN: usize = 16 + 4 + 1;

/// A message to one replica of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftMessage {
    /// The group's range.
    pub range_id: RangeId,
    /// The sending replica.
    pub from_replica: ReplicaId,
    /// The replica meant: a message to one that this node had earlier, or has not yet, must not reach another.
    pub to_replica: ReplicaId,
    /// What it says.
    pub body: MessageBody,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageBody {
    /// Entries of a leader, or none: a heartbeat.
    Append(AppendRequest),
    /// Would you vote for me in this term?
    PreVote(VoteRequest),
    /// Vote for me in this term.
    Vote(VoteRequest),
    /// The leader hands over.
    Transfer(TransferRequest),
}

/// Entries of a leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendRequest {
    /// The leader's vote, committed.
    pub vote: VoteState,
    /// The entry before the first.
    pub previous: Option<LogPosition>,
    /// The newest entry that the leader knows to be committed.
    pub commit: Option<LogPosition>,
    /// The entries.
    pub entries: Vec<LogEntry>,
}

/// A question for a vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoteRequest {
    /// The vote asked for.
    pub vote: VoteState,
    /// The candidate's last entry.
    pub last_log: Option<LogPosition>,
    /// The leader itself asked the candidate to stand.
    pub is_leadership_transfer: bool,
}

/// A leader's word that another shall lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferRequest {
    /// The leader's vote.
    pub leader: VoteState,
    /// Who shall lead.
    pub to: ReplicaId,
    /// The leader's last entry, which the other must have.
    pub last_log: Option<LogPosition>,
}

impl RaftMessage {
    /// Whether it is a leader's append or heartbeat, whose acceptance is a promise.
    pub fn is_append(&self) -> bool {
        matches!(self.body, MessageBody::Append(_))
    }

    /// Whether it asks for a vote, or whether one would be given.
    pub fn is_vote(&self) -> bool {
        matches!(self.body, MessageBody::Vote(_) | MessageBody::PreVote(_))
    }

    /// Whether it is a vote that the leader itself asked for, by its transfer.
    pub fn is_leadership_transfer(&self) -> bool {
        match &self.body {
            MessageBody::Vote(request) | MessageBody::PreVote(request) => request.is_leadership_transfer,
            MessageBody::Append(_) | MessageBody::Transfer(_) => false,
        }
    }

    /// The vote that it carries: of the leader, or the one asked for.
    pub fn vote(&self) -> VoteState {
        match &self.body {
            MessageBody::Append(request) => request.vote,
            MessageBody::PreVote(request) | MessageBody::Vote(request) => request.vote,
            MessageBody::Transfer(request) => request.leader,
        }
    }

    /// Its term.
    pub fn term(&self) -> u64 {
        self.vote().term
    }

    /// The bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = vec![VERSION];
        for id in [self.range_id.0, self.from_replica.0, self.to_replica.0] {
            out.extend_from_slice(&id.to_be_bytes());
        }
        match &self.body {
            MessageBody::Append(request) => encode_append(&mut out, request),
            MessageBody::PreVote(request) => {
                out.push(2);
                put_vote(&mut out, request.vote);
                put_optional_position(&mut out, request.last_log);
            }
            MessageBody::Vote(request) => {
                out.push(3);
                put_vote(&mut out, request.vote);
                put_optional_position(&mut out, request.last_log);
                out.push(u8::from(request.is_leadership_transfer));
            }
            MessageBody::Transfer(request) => {
                out.push(4);
                put_vote(&mut out, request.leader);
                out.extend_from_slice(&request.to.0.to_be_bytes());
                put_optional_position(&mut out, request.last_log);
            }
        }
        out.into()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// Where the bytes are damaged, or of a version that this release does not know.
    pub fn decode(bytes: Bytes) -> Result<Self, FormatError> {
        let mut decoder = Decoder::new("a Raft message", bytes);
        decoder.version(VERSION)?;
        let range_id = RangeId(decoder.u64("range")?);
        let from_replica = ReplicaId(decoder.u64("sender")?);
        let to_replica = ReplicaId(decoder.u64("receiver")?);
        let body = match decoder.u8("kind")? {
            1 => MessageBody::Append(decode_append(&mut decoder)?),
            2 => MessageBody::PreVote(decode_vote_request(&mut decoder, false)?),
            3 => MessageBody::Vote(decode_vote_request(&mut decoder, true)?),
            4 => MessageBody::Transfer(TransferRequest {
                leader: get_vote(&mut decoder)?,
                to: ReplicaId(decoder.u64("successor")?),
                last_log: get_optional_position(&mut decoder)?,
            }),
            other => return Err(decoder.invalid("kind", u64::from(other))),
        };
        decoder.finish()?;
        Ok(Self { range_id, from_replica, to_replica, body })
    }
}

fn encode_append(out: &mut Vec<u8>, request: &AppendRequest) {
    out.push(1);
    put_vote(out, request.vote);
    put_optional_position(out, request.previous);
    put_optional_position(out, request.commit);
    put_count(out, request.entries.len());
    let mut payload = Vec::new();
    for entry in &request.entries {
        put_position(out, entry.position);
        payload.clear();
        put_payload(&mut payload, &entry.payload);
        put_bytes(out, &payload);
    }
}

fn decode_append(decoder: &mut Decoder) -> Result<AppendRequest, FormatError> {
    let vote = get_vote(decoder)?;
    if !vote.is_committed {
        // Nobody sends entries before a quorum has voted for him.
        return Err(decoder.invalid("vote of a leader", vote.term));
    }
    let previous = get_optional_position(decoder)?;
    let commit = get_optional_position(decoder)?;
    let count = decoder.count("entries", ENTRY_BYTES_MIN)?;
    let mut entries = Vec::with_capacity(count);
    let mut next_index = previous.map_or(0, |position| position.index.saturating_add(1));
    for _ in 0..count {
        let position = get_position(decoder)?;
        // A gap would be written to the log, and found only when it is read.
        if position.index != next_index {
            return Err(decoder.invalid("index of an entry", position.index));
        }
        next_index = next_index.saturating_add(1);
        let payload = get_payload(Decoder::new("an entry of a Raft message", decoder.bytes("entry")?))?;
        entries.push(LogEntry { position, payload });
    }
    Ok(AppendRequest { vote, previous, commit, entries })
}

fn decode_vote_request(decoder: &mut Decoder, has_transfer: bool) -> Result<VoteRequest, FormatError> {
    let vote = get_vote(decoder)?;
    let last_log = get_optional_position(decoder)?;
    let is_leadership_transfer = has_transfer && decoder.bool("leadership transfer")?;
    Ok(VoteRequest { vote, last_log, is_leadership_transfer })
}

/// The answer to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RaftReply {
    /// To an append.
    Append(AppendReply),
    /// To a question for a vote, real or not.
    Vote(VoteReply),
    /// A transfer was taken notice of.
    Transfer,
    /// Nothing was done.
    Refused(Refusal),
}

/// The answer to an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendReply {
    /// All entries are on the disk.
    Accepted,
    /// Entries up to here are on the disk.
    AcceptedUpTo(Option<LogPosition>),
    /// The previous entry is another one here.
    Conflict,
    /// Somebody else has this replica's vote, in a later term.
    HigherVote(VoteState),
}

/// The answer to a question for a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoteReply {
    /// The vote as it stands here now.
    pub vote: VoteState,
    /// Whether it was, or would be, given.
    pub is_granted: bool,
    /// The last entry here.
    pub last_log: Option<LogPosition>,
}

/// Why a replica did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such replica here (yet, or any more).
    UnknownReplica,
    /// The replica keeps its promise not to vote.
    Promised,
    /// The replica is stopped, starting, or failed.
    Stopped,
    /// The message could not be read.
    Unreadable,
}

impl Refusal {
    const ALL: [Self; 4] = [Self::UnknownReplica, Self::Promised, Self::Stopped, Self::Unreadable];

    const fn code(self) -> u8 {
        match self {
            Self::UnknownReplica => 1,
            Self::Promised => 2,
            Self::Stopped => 3,
            Self::Unreadable => 4,
        }
    }
}

impl RaftReply {
    /// Whether it accepts a leader: such an answer is a promise, recorded before it leaves.
    pub fn is_success(&self) -> bool {
        match self {
            Self::Append(AppendReply::Accepted | AppendReply::AcceptedUpTo(_)) => true,
            Self::Append(AppendReply::Conflict | AppendReply::HigherVote(_))
            | Self::Vote(_)
            | Self::Transfer
            | Self::Refused(_) => false,
        }
    }

    /// Whether it gives a vote, or says that it would.
    pub fn is_granted(&self) -> bool {
        match self {
            Self::Vote(reply) => reply.is_granted,
            Self::Append(_) | Self::Transfer | Self::Refused(_) => false,
        }
    }

    /// The bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = vec![VERSION];
        match self {
            Self::Append(reply) => {
                out.push(1);
                encode_append_reply(&mut out, reply);
            }
            Self::Vote(reply) => {
                out.push(2);
                put_vote(&mut out, reply.vote);
                out.push(u8::from(reply.is_granted));
                put_optional_position(&mut out, reply.last_log);
            }
            Self::Transfer => out.push(3),
            Self::Refused(reason) => out.extend_from_slice(&[4, reason.code()]),
        }
        out.into()
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// Where the bytes are damaged, or of a version that this release does not know.
    pub fn decode(bytes: Bytes) -> Result<Self, FormatError> {
        let mut decoder = Decoder::new("an answer to a Raft message", bytes);
        decoder.version(VERSION)?;
        let reply = match decoder.u8("kind")? {
            1 => Self::Append(decode_append_reply(&mut decoder)?),
            2 => Self::Vote(VoteReply {
                vote: get_vote(&mut decoder)?,
                is_granted: decoder.bool("granted")?,
                last_log: get_optional_position(&mut decoder)?,
            }),
            3 => Self::Transfer,
            4 => Self::Refused(decode_refusal(&mut decoder)?),
            other => return Err(decoder.invalid("kind", u64::from(other))),
        };
        decoder.finish()?;
        Ok(reply)
    }
}

fn encode_append_reply(out: &mut Vec<u8>, reply: &AppendReply) {
    match reply {
        AppendReply::Accepted => out.push(0),
        AppendReply::AcceptedUpTo(position) => {
            out.push(1);
            put_optional_position(out, *position);
        }
        AppendReply::Conflict => out.push(2),
        AppendReply::HigherVote(vote) => {
            out.push(3);
            put_vote(out, *vote);
        }
    }
}

fn decode_append_reply(decoder: &mut Decoder) -> Result<AppendReply, FormatError> {
    Ok(match decoder.u8("answer")? {
        0 => AppendReply::Accepted,
        1 => AppendReply::AcceptedUpTo(get_optional_position(decoder)?),
        2 => AppendReply::Conflict,
        3 => AppendReply::HigherVote(get_vote(decoder)?),
        other => return Err(decoder.invalid("answer", u64::from(other))),
    })
}

fn decode_refusal(decoder: &mut Decoder) -> Result<Refusal, FormatError> {
    let code = decoder.u8("reason")?;
    let reason = Refusal::ALL.into_iter().find(|reason| reason.code() == code);
    reason.ok_or_else(|| decoder.invalid("reason", u64::from(code)))
}

#[cfg(test)]
mod tests;
