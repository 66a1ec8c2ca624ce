//! Messages between replicas of a group, and their answers: the payloads of `Service::Raft`. Their bytes are those of
//! `wire::raft`.
//!
//! A term's number alone does not say who leads it, hence votes everywhere ([`VoteState`]).

use bytes::Bytes;
use quorate_placement::topology::{RangeId, ReplicaId};

use crate::log_position::{LogPosition, VoteState};
use crate::raft::LogEntry;
use crate::transport::Message;
use crate::wire::{self, WireError};

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

    /// The message for another node; the bytes of large entries are shared.
    pub fn encode(&self) -> Message {
        wire::raft::write_message(self)
    }

    /// Reads a message.
    ///
    /// # Errors
    /// Where the bytes are damaged, or say what only a newer release knows.
    pub fn decode(bytes: Bytes) -> Result<Self, WireError> {
        wire::raft::read_message(bytes)
    }
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
        wire::raft::write_reply(self)
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// Where the bytes are damaged, or say what only a newer release knows.
    pub fn decode(bytes: Bytes) -> Result<Self, WireError> {
        wire::raft::read_reply(bytes)
    }
}
